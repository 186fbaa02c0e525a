"""Live and persistent definition differ: it matters on the disks that would be touched."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.chain import BackingChain, Image
from reconciler.model.desired import DesiredRevert, DesiredSnapshot, Power, Prune
from reconciler.model.domain import Disk, DiskKind, ObservedHost
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.plan import DomainPlan
from reconciler.model.request import PlanRequest
from reconciler.planning import planner
from tests.drawing import desired, domain, host, image, wanted
from tests.planning.reading import codes, steps

VDB = DiskTarget("vdb")
Change = Callable[[Disk], Disk]


def ejected(disk: Disk) -> Disk:
    return replace(
        disk, device="cdrom", is_readonly=True, kind=DiskKind.EMPTY, source=None, chain=None
    )


def changed_medium(disk: Disk) -> Disk:
    return replace(disk, device="cdrom", is_readonly=True, source=ImagePath("/iso/b.iso"))


def transient(disk: Disk) -> Disk:
    return replace(disk, is_transient=True, source=ImagePath("/images/data.qcow2.TRANSIENT-web01"))


def other_image(disk: Disk) -> Disk:
    return replace(disk, source=image("other"), chain=BackingChain((image("other"),)))


def excluded(disk: Disk) -> Disk:
    return replace(other_image(disk), is_excluded=True)


def seen(live: Change, *, drawn: str = "data") -> ObservedHost:
    """``vdb`` of the running guest is otherwise than in the definition of its next start."""
    observed = host(domain("web01", vda="base ← s1", vdb=drawn)).observe()
    (known,) = observed.domains
    marks = live(known.disks[1])
    stored = replace(
        known.persistent[1],  # type: ignore[index]
        device=marks.device,
        is_readonly=marks.is_readonly,
        is_transient=marks.is_transient,
        is_excluded=marks.is_excluded,
    )
    changed = replace(
        known,
        live=tuple(live(d) if d.target == VDB else d for d in known.live or ()),
        persistent=tuple(stored if d.target == VDB else d for d in known.persistent or ()),
    )
    images = (*observed.images, Image(path=image("other"), format="qcow2"))
    return replace(observed, domains=(changed,), images=images)


def plan(observed: ObservedHost, *snapshots: DesiredSnapshot, **more: object) -> DomainPlan:
    wish = desired(wanted("web01", *snapshots, prune=Prune.AUTO, **more))  # type: ignore[arg-type]
    (found,) = planner.plan_host(
        wish, wish.hosts[0], observed, PlanRequest(), now=observed.observed_at
    )
    return found


def snapshot(name: str, **more: object) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), skip=frozenset({VDB}), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("live", [ejected, changed_medium, transient, excluded])
def test_a_disk_that_no_snapshot_takes_holds_nothing_up(live: Change) -> None:
    observed = seen(live)
    whole = DesiredSnapshot(name=SnapshotName("s2"))

    assert steps(plan(observed, snapshot("s1"), whole))[0].startswith("create s2 vda")
    assert codes(plan(observed, snapshot("s1"), whole)) == []
    removal = plan(observed)
    assert codes(removal) == []
    assert steps(removal)[0].startswith("commit vda")


def test_nor_does_one_that_the_manifest_skips() -> None:
    found = plan(seen(other_image), snapshot("s1"), snapshot("s2"))

    assert (codes(found), len(found.steps)) == ([], 1)
    assert found.drift[0].kind != "DefinitionsDisagree"


@pytest.mark.parametrize("drawn", ["data", "data ← s1"])
def test_one_that_is_taken_or_was_does(drawn: str) -> None:
    observed = seen(other_image, drawn=drawn)
    whole = DesiredSnapshot(name=SnapshotName("s2"))

    assert codes(plan(observed, snapshot("s1"), whole)) == ["DefinitionsDisagree"]
    if "s1" in drawn:
        assert codes(plan(observed, snapshot("s1"), snapshot("s2"))) == ["DefinitionsDisagree"]


def test_the_guest_is_not_started_on_another_image_than_it_had() -> None:
    """It may be skipped; to be shut down for the others' sake would put it on the other one."""
    off = snapshot("s2", power=Power.OFF)

    found = plan(seen(other_image), snapshot("s1"), off)

    assert codes(found) == ["DefinitionsDisagree s2"]
    assert codes(plan(seen(ejected), snapshot("s1"), off)) == []
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")
    assert codes(plan(seen(transient), snapshot("s1"), revert=back)) == []
