"""Fixed scenarios on the fake: together they plan every action and call every method of the ports."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.model.desired import (
    CaptureType,
    Desired,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Power,
    Prune,
    Quiesce,
    Shutdown,
    Unmanaged,
)
from reconciler.model.names import SnapshotName
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, overlay, paused, shut_off, unmanaged, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import Obedience
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import Crash

WEB01 = "web01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A host, and what is asked for.  Nothing else happens but what a fault does."""

    name: str
    build: Callable[[], FakeHost]
    wish: DesiredDomain
    request: PlanRequest = field(default_factory=PlanRequest)

    @property
    def desired(self) -> Desired:
        """What the source declares."""
        return desired(self.wish)

    def __str__(self) -> str:
        return self.name


def _drawn(*traits: Any, **disks: str) -> Callable[[], FakeHost]:
    return lambda: host(domain(WEB01, *traits, **disks))


def _wish(
    *snapshots: DesiredSnapshot | str, prune: Prune = Prune.AUTO, **rest: Any
) -> DesiredDomain:
    return replace(wanted(WEB01, *snapshots, prune=prune), **rest)


def _snapshot(name: str, **rest: Any) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), **rest)


def _back(to: str, **rest: Any) -> DesiredRevert:
    return DesiredRevert(to=SnapshotName(to), request="r1", **rest)


def _took(*names: str, running: bool = True, **how: Any) -> Callable[[], FakeHost]:
    """virtsnap took these one after the other, the guest wrote after each."""

    def build() -> FakeHost:
        fake = host(domain(WEB01, *(() if running else (shut_off,)), vda="base", vdb="data"))
        for name in names:
            Controller(fake).take(WEB01, name, **how)
            fake.guest_goes_on(WEB01)
        return fake

    return build


def _after(
    build: Callable[[], FakeHost], *deeds: Callable[[FakeHost], object]
) -> Callable[[], FakeHost]:
    def built() -> FakeHost:
        fake = build()
        for deed in deeds:
            deed(fake)
        fake.world.changes.clear()
        return fake

    return built


def _begun(snapshot: str, until: str) -> Callable[[FakeHost], object]:
    return lambda fake: Controller(fake).begin_removal(WEB01, snapshot, until=until)


def _left_frozen(fake: FakeHost) -> None:
    """An earlier virtsnap froze the guest for s1 and died."""
    Controller(fake).take(WEB01, "s1", quiesce=True, until="intended")
    found = fake.domain(WEB01)
    ledger = fake.read_ledger(found.uuid)
    assert ledger is not None
    fake.remember(found.uuid, replace(ledger, is_freezing=True))
    found.agent.is_frozen = True


def _went_back(fake: FakeHost) -> None:
    """The journal knows of a later ledger."""
    uuid = fake.domain(WEB01).uuid
    known = fake.world.journal.known[uuid]
    fake.world.journal.known[uuid] = replace(known, serial=known.serial + 3)


def _older(fake: FakeHost) -> None:
    """Somebody has both disks name what s1 froze."""
    for target, base in _TWO.items():
        Administrator(fake).edit(WEB01, target, f"/images/{base}.qcow2")


def _second_reader(fake: FakeHost) -> None:
    """Another overlay over the base of a job that runs: it must not be merged into."""
    Person(fake).overlay_on("/images/base.qcow2", "/images/other.qcow2")
    Administrator(fake).define("other", {"vda": "/images/other.qcow2"})


def _lost_after_a_revert(fake: FakeHost) -> None:
    """The ledger is dropped by another tool; a revert is declared, of which nothing is known."""
    Administrator(fake).lose_ledger(WEB01)


def _side_branch(fake: FakeHost) -> None:
    """A person went back to s2 by hand: s3 stands beside the live chain, on what s2 froze."""
    Person(fake).revert(WEB01, "s2", redefine_disks=True)
    fake.guest_goes_on(WEB01)


def _gone_by_hand(fake: FakeHost) -> None:
    """A record is dropped with ``virsh snapshot-delete --metadata``."""
    Person(fake).snapshot_delete_metadata(WEB01, "s2")


def _late(fake: FakeHost) -> None:
    fake.domain(WEB01).obedience = Obedience.LATE


def _deaf(fake: FakeHost) -> None:
    fake.domain(WEB01).obedience = Obedience.NEVER


_DESTROY = Shutdown(timeout=120, then_destroy=True)
_TWO = {"vda": "base", "vdb": "data"}
_THREE = {"vda": "base ← s1 ← s2 ← s3", "vdb": "data ← s1 ← s2 ← s3"}


def _creates() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="create, quiesced",
            build=_drawn(**_TWO),
            wish=_wish(_snapshot("s1", quiesce=Quiesce.REQUIRED)),
        ),
        Scenario(
            name="create two, shut off, one held",
            build=_drawn(shut_off, **_TWO),
            wish=_wish("s1", _snapshot("s2", protect=True)),
        ),
        Scenario(
            name="create with memory",
            build=_drawn(**_TWO),
            wish=_wish(_snapshot("s1", memory=True)),
        ),
        Scenario(
            name="create internal with memory",
            build=_drawn(**_TWO),
            wish=_wish(_snapshot("s1", type=CaptureType.INTERNAL, memory=True)),
        ),
        Scenario(
            name="create with power off",
            build=_drawn(**_TWO),
            wish=_wish(_snapshot("s1", power=Power.OFF), _snapshot("s2", power=Power.OFF)),
        ),
        Scenario(
            name="create with power off, paused",
            build=_drawn(paused, vda="base"),
            wish=_wish(_snapshot("s1", power=Power.OFF), shutdown=_DESTROY),
        ),
        Scenario(
            name="create with power off, deaf",
            build=_after(_drawn(vda="base"), _deaf),
            wish=_wish(_snapshot("s1", power=Power.OFF), shutdown=_DESTROY),
        ),
        Scenario(
            name="create with power off, late",
            build=_after(_drawn(vda="base"), _late),
            wish=_wish(_snapshot("s1", power=Power.OFF)),
        ),
        Scenario(
            name="retake a lost one",
            build=_after(_took("s1", "s2"), _gone_by_hand),
            wish=_wish("s1", _snapshot("s2", is_retaken=True)),
        ),
    )


def _removals() -> tuple[Scenario, ...]:
    return (
        Scenario(name="commit the active layers", build=_drawn(**_THREE), wish=_wish("s1", "s2")),
        Scenario(
            name="commit below the active layers", build=_drawn(**_THREE), wish=_wish("s2", "s3")
        ),
        Scenario(name="commit all neighbours", build=_drawn(**_THREE), wish=_wish()),
        Scenario(
            name="commit all neighbours, shut off",
            build=_drawn(shut_off, **_THREE),
            wish=_wish(),
        ),
        Scenario(
            name="commit the lowest, shut off",
            build=_drawn(shut_off, **_THREE),
            wish=_wish("s2", "s3"),
        ),
        Scenario(
            name="commit below a side branch",
            build=_after(_drawn(vda="base ← s1 ← s2 ← s3"), _side_branch, _start),
            wish=_wish("s2", "s3"),
        ),
        Scenario(
            name="drop a leaf beside the live chain",
            build=_after(_drawn(vda="base ← s1 ← s2 ← s3"), _side_branch),
            wish=_wish("s1", "s2"),
        ),
        Scenario(
            name="remove one with memory",
            build=_took("s1", memory=True),
            wish=_wish(),
        ),
        Scenario(
            name="delete internal ones",
            build=_took("s1", "s2", inside=True),
            wish=_wish("s1"),
        ),
        Scenario(
            name="delete internal ones, shut off",
            build=_took("s1", "s2", inside=True, running=False),
            wish=_wish(),
        ),
        Scenario(
            name="commit a chain that is spelled out, shut off",
            build=_after(_drawn(shut_off, vda="base ← s1 ← s2"), _spell),
            wish=_wish(),
        ),
    )


def _start(fake: FakeHost) -> None:
    Administrator(fake).start(WEB01)


def _spell(fake: FakeHost) -> None:
    """A tool has written the whole chain into the definition."""
    images = ("/images/base.qcow2", overlay(WEB01, "vda", "s1"), overlay(WEB01, "vda", "s2"))
    Administrator(fake).edit(WEB01, "vda", images[-1], stated=images)


def _finishing() -> tuple[Scenario, ...]:
    three = _drawn(vda="base ← s1 ← s2")
    return (
        Scenario(
            name="finish a job", build=_after(three, _begun("s2", "started")), wish=_wish("s1")
        ),
        Scenario(
            name="finish a job that is ready",
            build=_after(three, _begun("s2", "ready")),
            wish=_wish("s1"),
        ),
        Scenario(
            name="finish a lower job",
            build=_after(three, _begun("s1", "started")),
            wish=_wish("s2"),
        ),
        Scenario(
            name="finish one that merged unseen",
            build=_after(three, _begun("s1", "merged")),
            wish=_wish("s2"),
        ),
        Scenario(
            name="finish a job below a side branch",
            build=_after(
                _drawn(vda="base ← s1 ← s2 ← s3"), _side_branch, _start, _begun("s1", "started")
            ),
            wish=_wish("s2", "s3"),
        ),
        Scenario(
            name="abort a job with another reader",
            build=_after(three, _begun("s1", "started"), _second_reader),
            wish=_wish("s2"),
        ),
        Scenario(
            name="thaw, then take", build=_after(_drawn(vda="base"), _left_frozen), wish=_wish("s1")
        ),
        Scenario(
            name="pay for a guest left off",
            build=_after(three, lambda fake: Controller(fake).shut_down(WEB01, until="off")),
            wish=_wish("s1", "s2"),
        ),
        Scenario(
            name="undo an intent",
            build=_after(
                _drawn(vda="base"),
                lambda fake: Controller(fake).take(WEB01, "s1", until="intended"),
            ),
            wish=_wish(),
        ),
        Scenario(
            name="merge what was never recorded",
            build=_after(
                _drawn(vda="base"),
                lambda fake: Controller(fake).take(WEB01, "s1", until="unrecorded"),
            ),
            wish=_wish(),
        ),
    )


def _records() -> tuple[Scenario, ...]:
    return (
        Scenario(
            name="adopt what a person took",
            build=_drawn(unmanaged("u1"), vda="base ← u1"),
            wish=_wish("u1", unmanaged=Unmanaged.ADOPT),
        ),
        Scenario(
            name="adopt with a hold, then describe",
            build=_drawn(unmanaged("u1"), vda="base ← u1"),
            wish=_wish(
                _snapshot("u1", protect=True, description="kept"), unmanaged=Unmanaged.ADOPT
            ),
        ),
        Scenario(
            name="put a hold and a description",
            build=_drawn(vda="base ← s1 ← s2"),
            wish=_wish(_snapshot("s1", protect=True), _snapshot("s2", description="before")),
        ),
        Scenario(
            name="release",
            build=_took("s1", is_held=True),
            wish=_wish(_snapshot("s1", protect=False)),
        ),
        Scenario(
            name="rebuild a lost ledger",
            build=_after(
                _drawn(vda="base ← s1 ← s2"), lambda fake: Administrator(fake).lose_ledger(WEB01)
            ),
            wish=_wish("s1", "s2"),
        ),
        Scenario(
            name="rebuild with a revert declared",
            build=_after(_drawn(shut_off, vda="base ← s1 ← s2"), _lost_after_a_revert),
            wish=_wish("s1", "s2", revert=_back("s1")),
        ),
        Scenario(
            name="renew a ledger that went back",
            build=_after(_drawn(vda="base ← s1 ← s2"), _begun("s2", "intended"), _went_back),
            wish=_wish("s1"),
        ),
        Scenario(
            name="thaw under a ledger that went back",
            build=_after(_drawn(vda="base"), _left_frozen, _went_back),
            wish=_wish(),
        ),
        Scenario(
            name="put a definition right that went back",
            build=_after(_drawn(shut_off, vda="base ← s1 ← s2", vdb="data ← s1"), _older),
            wish=_wish("s1", "s2"),
        ),
        Scenario(
            name="put the current pointer right",
            build=_after(
                _drawn(vda="base ← s1 ← s2"),
                lambda fake: Person(fake).snapshot_current(WEB01, "s1"),
            ),
            wish=_wish("s1", "s2"),
        ),
    )


_INSIDE = _wish(_snapshot("i1", type=CaptureType.INTERNAL), revert=_back("i1"))


def _died_going_back_inside(fake: FakeHost) -> None:
    """libvirt had gone back, and the definition of before was not defined again."""
    points = 0

    def fault(_number: int, method: str, when: str) -> None:
        nonlocal points
        points += (method, when) == ("revert_internal", "during")
        if points == 3:  # one for each of two disks, then this
            raise Crash

    fake.world.fault = fault
    with suppress(Crash):
        reconciled(fake, desired(_INSIDE), PlanRequest())
    fake.world.fault = None


def _reverts() -> tuple[Scenario, ...]:
    two = {"vda": "base ← s1 ← s2", "vdb": "data ← s1 ← s2"}
    memory = _took("m1", "s2", memory=True)
    inside = _took("i1", inside=True)
    return (
        Scenario(
            name="revert, shut off",
            build=_drawn(shut_off, **two),
            wish=_wish("s1", "s2", revert=_back("s1")),
        ),
        Scenario(
            name="revert, discarding",
            build=_drawn(shut_off, **two),
            wish=_wish("s1", "s2", revert=_back("s1", discards=True)),
        ),
        Scenario(
            name="revert, running",
            build=_drawn(**two),
            wish=_wish("s1", "s2", revert=_back("s1")),
        ),
        Scenario(
            name="revert, paused and discarding",
            build=_drawn(paused, **two),
            wish=_wish("s1", "s2", revert=_back("s1", discards=True), shutdown=_DESTROY),
        ),
        Scenario(
            name="revert to memory",
            build=memory,
            wish=_wish(
                _snapshot("m1", memory=True),
                _snapshot("s2", memory=True),
                revert=_back("m1"),
            ),
        ),
        Scenario(
            name="revert inside, with memory",
            build=inside,
            wish=_wish(_snapshot("i1", type=CaptureType.INTERNAL, memory=True), revert=_back("i1")),
        ),
        Scenario(
            name="define what a revert inside left",
            build=_after(_took("i1", inside=True, running=False), _died_going_back_inside),
            wish=_INSIDE,
        ),
        Scenario(
            name="revert inside, shut off",
            build=_took("i1", inside=True, running=False),
            wish=_INSIDE,
        ),
    )


SCENARIOS: tuple[Scenario, ...] = (
    *_creates(),
    *_removals(),
    *_finishing(),
    *_records(),
    *_reverts(),
)
