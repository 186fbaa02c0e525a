"""What is declared, and how people change it: each function draws one edit of one manifest."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st

from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Power,
    Prune,
    Quiesce,
    RevertConfig,
    RevertPower,
    Shutdown,
    Unmanaged,
)
from reconciler.model.names import SnapshotName
from reconciler.model.snapshot import DiskCapture
from tests.fakes.domain import FakeDomain
from tests.fakes.picking import NAMES, Draw
from tests.strategies import DISRUPTIONS

#: whom another guest may depend on
GUESTS = ("web01", "web02", "web03")
#: an edit of the manifest of a domain as it is now
Edit = Callable[[Draw, DesiredDomain, FakeDomain], DesiredDomain]


def declare(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """One more snapshot: external, of all disks."""
    return _with(draw, wish, domain)


def declare_inside(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """Inside the images, with memory or without."""
    return _with(draw, wish, domain, type=CaptureType.INTERNAL, memory=draw(st.booleans()))


def declare_with_memory(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """External, with memory."""
    return _with(draw, wish, domain, memory=True)


def declare_off(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """The guest is to be shut down for it."""
    return _with(draw, wish, domain, power=Power.OFF)


def declare_quiesced(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """With the guest's file systems frozen."""
    how = draw(st.sampled_from((Quiesce.PREFERRED, Quiesce.REQUIRED)))
    return _with(draw, wish, domain, quiesce=how)


def declare_some_disks(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """A disk is left out."""
    targets = [disk.target for disk in domain.definition.disks if disk.is_writable]
    if len(targets) < 2:
        return wish
    return _with(draw, wish, domain, skip=frozenset({draw(st.sampled_from(targets))}))


def declare_what_is_there(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """A snapshot that somebody else took, or that was undeclared, is named."""
    there = sorted(name for name in domain.records if wish.snapshot(name) is None)
    if not there:
        return wish
    snapshot = DesiredSnapshot(name=draw(st.sampled_from(there)))
    return replace(wish, snapshots=(*wish.snapshots, snapshot))


def _with(draw: Draw, wish: DesiredDomain, domain: FakeDomain, **kind: object) -> DesiredDomain:
    names = [name for name in NAMES if wish.snapshot(name) is None]
    if not names:
        return wish
    after = [s.name for s in wish.snapshots]
    snapshot = DesiredSnapshot(
        name=SnapshotName(draw(st.sampled_from(names))),
        after=draw(st.sampled_from(after)) if after and draw(st.integers(0, 3)) == 0 else None,
        protect=draw(st.sampled_from((None, None, None, True))),
        is_retaken=draw(st.integers(0, 4)) == 0,
        **kind,  # type: ignore[arg-type]
    )
    return replace(wish, snapshots=(*wish.snapshots, snapshot))


def take_out(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """A snapshot leaves the manifest."""
    if not wish.snapshots:
        return wish
    gone = draw(st.sampled_from(wish.snapshots)).name
    left = tuple(s for s in wish.snapshots if s.name != gone)
    return replace(
        wish, snapshots=tuple(replace(s, after=None) if s.after == gone else s for s in left)
    )


def describe(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """Another description."""
    text = draw(st.sampled_from(("", "before the upgrade", "after it")))
    return _changed(draw, wish, description=text)


def protect(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """A hold is asked for, ended, or nothing is said of it any more."""
    return _changed(draw, wish, protect=draw(st.sampled_from((True, False, None))))


def if_lost(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """``ifLost: retake``, or no more."""
    return _changed(draw, wish, is_retaken=draw(st.booleans()))


def _changed(draw: Draw, wish: DesiredDomain, **what: object) -> DesiredDomain:
    if not wish.snapshots:
        return wish
    of = draw(st.sampled_from(wish.snapshots))
    return replace(
        wish,
        snapshots=tuple(
            replace(s, **what) if s is of else s  # type: ignore[arg-type]
            for s in wish.snapshots
        ),
    )


def ask_to_go_back(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """To any name that is known; the request is a new one, or one of before."""
    known = sorted({*domain.records, *(s.name for s in wish.snapshots)})
    return _back_to_one_of(draw, wish, known)


def ask_to_go_back_inside(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """To one that the images of now hold; that is rare, so where there is none it is declared."""
    now = {disk.source for disk in domain.definition.disks}
    known = [
        record.name
        for record in domain.records.values()
        for disk in record.disks.values()
        if disk.capture is DiskCapture.INTERNAL and disk.source in now
    ]
    if not known:
        return declare_inside(draw, wish, domain)
    return _back_to_one_of(draw, wish, sorted(set(known)))


def _back_to_one_of(draw: Draw, wish: DesiredDomain, known: list[SnapshotName]) -> DesiredDomain:
    if not known:
        return wish
    revert = DesiredRevert(
        to=SnapshotName(draw(st.sampled_from(known))),
        request=draw(st.sampled_from(("r1", "r2", "r3", "r4", "r5"))),
        power=draw(st.sampled_from(RevertPower)),
        config=draw(st.sampled_from((RevertConfig.DISKS, RevertConfig.DISKS, RevertConfig.WHOLE))),
        discards=draw(st.integers(0, 2)) == 0,
    )
    return replace(wish, revert=revert)


def ask_no_more(_draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """The request leaves the manifest."""
    return replace(wish, revert=None)


def prune(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """Whether what left the manifest goes."""
    return replace(wish, prune=draw(st.sampled_from((Prune.AUTO, *Prune))))


def unmanaged(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """What becomes of other people's snapshots."""
    return replace(wish, unmanaged=draw(st.sampled_from(Unmanaged)))


def max_depth(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """How many images there may be."""
    return replace(wish, max_depth=draw(st.sampled_from((None, 2, 3, 4))))


def suspend(_draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """Suspended, or resumed."""
    return replace(wish, is_suspended=not wish.is_suspended)


def depend(draw: Draw, wish: DesiredDomain, domain: FakeDomain) -> DesiredDomain:
    """On a guest whose name comes before its own, so that there is no circle; or on none any more."""
    before = [name for name in GUESTS if name < domain.name]
    names = [draw(st.sampled_from(before))] if before and draw(st.integers(0, 3)) else []
    return replace(wish, depends_on=tuple(names))


def disruption(draw: Draw, wish: DesiredDomain, _domain: FakeDomain) -> DesiredDomain:
    """Whether a loop may stop the guest, and whether it may pull the plug."""
    chosen = draw(st.sampled_from(DISRUPTIONS))
    how = Shutdown(timeout=120, then_destroy=draw(st.booleans()))
    return replace(wish, **{"windows": (), **chosen}, shutdown=how)  # type: ignore[arg-type]


EDITS: tuple[Edit, ...] = (
    declare,
    declare_inside,
    declare_with_memory,
    declare_off,
    declare_quiesced,
    declare_some_disks,
    declare_what_is_there,
    take_out,
    describe,
    protect,
    if_lost,
    ask_to_go_back,
    ask_to_go_back_inside,
    ask_no_more,
    prune,
    unmanaged,
    max_depth,
    suspend,
    depend,
    disruption,
)
