"""Random hosts and the manifests that go with them.

    @given(situations())
    def test_…(situation: Situation) -> None:
        situation.fake, situation.desired, situation.request

A host is what came of a random history: virtsnap at work, people at work, mishaps.  It is never
merely put together, so each of them is one that can exist.  ``peaceful_situations()`` leaves the
mishaps out: there a plan must succeed, not only do no harm.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import note
from hypothesis import strategies as st

from reconciler.errors import HypervisorError
from reconciler.model.desired import (
    CaptureType,
    Desired,
    DesiredDomain,
    DesiredHost,
    DesiredRevert,
    DesiredSnapshot,
    Disruption,
    Origin,
    Power,
    Prune,
    Quiesce,
    RevertConfig,
    RevertPower,
    Shutdown,
    Unmanaged,
    Window,
)
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.request import Consent, PlanRequest
from reconciler.model.suspension import Suspension
from tests.fakes import happenings, mishaps, moments
from tests.fakes.administrator import Administrator
from tests.fakes.controller import SOURCE
from tests.fakes.domain import FakeDomain, Obedience
from tests.fakes.happenings import Happening
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.picking import Draw
from tests.fakes.storage import OVERLAYS, FakeFile
from tests.fakes.world import LIBVIRT_9_0, LOCAL, World

LIBVIRT_11_3 = 11_003_000
TEMPLATE = ImagePath("/images/template.qcow2")
#: qcow2, raw, a raw block device
BASES = (
    "/images/{name}-{target}.qcow2",
    "/images/{name}-{target}.qcow2",
    "/images/{name}-{target}.img",
    "/images/{name}-{target}.img",
    "/dev/vg0/{name}-{target}",
)
NEW_NAMES = ("n1", "n2", "n3")
NIGHTLY = Window(schedule="0 2 * * *", duration=timedelta(hours=2), zone=ZoneInfo("Europe/Madrid"))
ALWAYS = Window(schedule="@hourly", duration=timedelta(hours=2), zone=UTC)
DISRUPTIONS: tuple[dict[str, object], ...] = (
    {"disruption": Disruption.NEVER},
    {"disruption": Disruption.ALLOWED},
    {"disruption": Disruption.WINDOW, "windows": (NIGHTLY,)},
    {"disruption": Disruption.WINDOW, "windows": (NIGHTLY, ALWAYS)},
)
OBEDIENCE = (Obedience.AT_ONCE, Obedience.AT_ONCE, Obedience.LATE, Obedience.NEVER)
PEACEFUL = (Obedience.AT_ONCE, Obedience.AT_ONCE, Obedience.NEVER)
POWERS = (Power.ANY, Power.ANY, Power.OFF, Power.OFF, Power.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A host as it came to be (*history*), and what is asked for."""

    fake: FakeHost
    desired: Desired
    request: PlanRequest
    history: tuple[str, ...] = ()

    def copied(self) -> "Situation":
        """The same with a host of its own."""
        return Situation(
            fake=self.fake.copied(),
            desired=self.desired,
            request=self.request,
            history=self.history,
        )

    def __repr__(self) -> str:
        lines = [f"history: {', '.join(self.history)}", f"request: {self.request}"]
        lines += [f"desired: {domain}" for domain in self.desired.domains]
        lines += [f"observed: {domain}" for domain in self.fake.observe().domains]
        return "\n".join(lines)


@st.composite
def hosts(
    draw: Draw, *, ordinary: tuple[int, int] = (1, 8), troubles: tuple[int, int] = (0, 3)
) -> tuple[FakeHost, tuple[str, ...]]:
    """A host after so many ordinary happenings, so many mishaps and a few ordinary ones again.

    The names of all that was tried come with it.
    """
    fake = FakeHost(World(version=draw(st.sampled_from((LIBVIRT_9_0, LIBVIRT_11_3)))))
    begin(draw, fake, OBEDIENCE if troubles[1] else PEACEFUL)
    chosen: list[Happening] = [
        *draw(_some(happenings.ORDINARY, ordinary)),
        *_one_more(draw, troubles),
        *draw(_some(mishaps.MISHAPS, troubles)),
        *draw(_some(happenings.ORDINARY, (0, troubles[1] and 2))),
    ]
    for happening in chosen:
        try:
            happening(draw, fake)
        except HypervisorError as refused:
            note(f"{happening.__name__}: {refused}")
        moments.after_deed(fake.world)
    fake.world.changes.clear()
    fake.world.clock.wait(60)
    return fake, tuple(happening.__name__ for happening in chosen)


def _some(of: tuple[Happening, ...], number: tuple[int, int]) -> st.SearchStrategy[list[Happening]]:
    return st.lists(st.sampled_from(of), min_size=number[0], max_size=number[1])


def _one_more(draw: Draw, troubles: tuple[int, int]) -> list[Happening]:
    """Every kind of mishap as often as any other, if there are to be any."""
    kinds = sorted(set(mishaps.MISHAPS), key=lambda happening: happening.__name__)
    return [draw(st.sampled_from(kinds))] if troubles[1] and draw(st.integers(0, 3)) else []


def begin(draw: Draw, fake: FakeHost, obedience: tuple[Obedience, ...]) -> None:
    """One to three domains with one to three disks each; some stand on one template."""
    administrator = Administrator(fake)
    for number in range(draw(st.sampled_from((1, 1, 2, 3)))):
        name = f"web{number + 1:02}"
        disks = {}
        for target in ("vda", "vdb", "vdc")[: draw(st.sampled_from((1, 2, 2, 3)))]:
            path = draw(st.sampled_from(BASES)).format(name=name, target=target)
            if target == "vda" and draw(st.integers(0, 2)) == 0:
                path = f"/images/{name}-{target}.qcow2"
                _template(fake)
                Person(fake).overlay_on(TEMPLATE, path)
            disks[target] = path
        made = administrator.define(name, disks, running=draw(st.integers(0, 4)) > 0)
        made.obedience = draw(st.sampled_from(obedience))
        fake.guest_goes_on(name)
        if draw(st.integers(0, 7)) == 7:
            administrator.undefine(name)


def _template(fake: FakeHost) -> None:
    if TEMPLATE not in fake.world.storage.files:
        fake.world.storage.add(FakeFile(path=TEMPLATE, clusters={9: 9}))


#: what covers some of the drawn domains
SUSPENDED_BY_HAND = Suspension(
    host=LOCAL, domain="*1", who="root", since=datetime(2026, 11, 22, tzinfo=UTC)
)


@st.composite
def desired_for(draw: Draw, fake: FakeHost) -> Desired:
    """What a source may declare of this host: kept, dropped, new, reordered, gone."""
    domains = [
        draw(_desired_domain(domain))
        for domain in sorted(fake.world.domains.values(), key=lambda each: each.name)
        if draw(st.integers(0, 5))
    ]
    if draw(st.integers(0, 9)) == 0:
        domains.append(_declared("nobody", ()))
    domains = draw(_one_after_another(domains))
    has_devices = any(file.is_device for file in fake.world.storage.files.values())
    fake.world.extra_folders = (OVERLAYS,) if has_devices else fake.world.extra_folders
    return Desired(
        source=draw(st.sampled_from((SOURCE, SOURCE, SOURCE, "another source"))),
        revision=None,
        is_complete=draw(st.integers(0, 4)) > 0,
        hosts=(
            DesiredHost(
                name=LOCAL,
                prune_gone=draw(st.sampled_from(Prune)),
                folders=(OVERLAYS,) if has_devices else (),
            ),
        ),
        domains=tuple(draw(st.permutations(domains))),
        suspensions=(SUSPENDED_BY_HAND,) if draw(st.integers(0, 19)) == 0 else (),
    )


@st.composite
def _one_after_another(draw: Draw, domains: list[DesiredDomain]) -> list[DesiredDomain]:
    """Now and then a domain depends on some of those before it in a drawn order."""
    ordered = draw(st.permutations(domains))
    found = []
    for number, domain in enumerate(ordered):
        before = [other.domain for other in ordered[:number]]
        names = (
            draw(st.lists(st.sampled_from(before), unique=True))
            if before and draw(st.integers(0, 2)) == 0
            else []
        )
        found.append(replace(domain, depends_on=tuple(names)))
    return found


@st.composite
def _desired_domain(draw: Draw, domain: FakeDomain) -> DesiredDomain:
    ledger = domain.ledger
    entries = [str(e.name) for e in ledger.entries] if ledger else []
    named = (name for name in domain.records if name.startswith(("s", "u")))
    known = sorted({*entries, *named})
    kept = [name for name in known if draw(st.integers(0, 2))]
    fresh = draw(st.lists(st.sampled_from(NEW_NAMES), max_size=2, unique=True))
    names = [*kept, *fresh]
    if draw(st.integers(0, 3)) == 0:
        names = draw(st.permutations(names))
    targets = [disk.target for disk in domain.definition.disks]
    return _declared(
        draw(st.sampled_from((domain.name, domain.name, domain.uuid))),
        tuple(draw(_desired_snapshot(name, targets)) for name in names),
        prune=draw(st.sampled_from((Prune.AUTO, Prune.AUTO, Prune.CONFIRM, Prune.NEVER))),
        unmanaged=draw(st.sampled_from(Unmanaged)),
        max_depth=draw(st.sampled_from((None, None, None, 2, 4))),
        revert=draw(_desired_revert(domain, fresh)) if draw(st.integers(0, 1)) else None,
        is_suspended=draw(st.integers(0, 19)) == 0,
        **draw(st.sampled_from(DISRUPTIONS)),
        shutdown=Shutdown(timeout=120, then_destroy=draw(st.booleans())),
    )


@st.composite
def _desired_revert(draw: Draw, domain: FakeDomain, fresh: list[str]) -> DesiredRevert | None:
    """Mostly to a snapshot that is there."""
    there = sorted(domain.records)
    if not there:
        return None
    others = [*there, *fresh, "nobody"]
    return DesiredRevert(
        to=SnapshotName(draw(st.sampled_from(there if draw(st.integers(0, 5)) else others))),
        request=draw(st.sampled_from(("r1", "r1", "r2"))),
        power=draw(st.sampled_from(RevertPower)),
        config=draw(st.sampled_from(RevertConfig)),
        discards=draw(st.integers(0, 2)) == 0,
    )


@st.composite
def _desired_snapshot(draw: Draw, name: str, targets: list[DiskTarget]) -> DesiredSnapshot:
    skipped: list[DiskTarget] = []
    kind = draw(st.sampled_from((*[CaptureType.EXTERNAL] * 5, CaptureType.INTERNAL)))
    if targets and kind is CaptureType.EXTERNAL and draw(st.integers(0, 4)) == 0:
        skipped = draw(st.lists(st.sampled_from(targets), max_size=len(targets) - 1, unique=True))
    return DesiredSnapshot(
        name=SnapshotName(name),
        description=draw(st.sampled_from((None, None, "", "before the upgrade"))),
        type=kind,
        memory=draw(st.integers(0, 4)) == 0,
        quiesce=draw(st.sampled_from((Quiesce.NEVER, Quiesce.PREFERRED, Quiesce.REQUIRED))),
        skip=frozenset(skipped),
        power=draw(st.sampled_from(POWERS)),
        protect=draw(st.sampled_from((None, None, None, True, False))),
        is_retaken=draw(st.integers(0, 3)) == 0,
    )


def _declared(name: str, snapshots: tuple[DesiredSnapshot, ...], **rest: object) -> DesiredDomain:
    return DesiredDomain(
        host=LOCAL,
        domain=name,
        snapshots=snapshots,
        origin=Origin(manifest=f"{name}.yaml"),
        **rest,  # type: ignore[arg-type]
    )


@st.composite
def requests(draw: Draw) -> PlanRequest:
    """A person or a loop; sometimes with ``--prune-gone``."""
    return PlanRequest(
        consent=draw(st.sampled_from((Consent.PERSON, Consent.PERSON, Consent.LOOP))),
        prune_gone=draw(st.sampled_from((None, None, None, Prune.AUTO))),
    )


@st.composite
def situations(
    draw: Draw, *, ordinary: tuple[int, int] = (1, 8), troubles: tuple[int, int] = (0, 3)
) -> Situation:
    """A host with a history, and what is asked for."""
    fake, history = draw(hosts(ordinary=ordinary, troubles=troubles))
    return Situation(
        fake=fake,
        desired=draw(desired_for(fake)),
        request=draw(requests()),
        history=history,
    )


def peaceful_situations() -> st.SearchStrategy[Situation]:
    """Nothing but virtsnap, a person now and then, and power."""
    return situations(troubles=(0, 0))
