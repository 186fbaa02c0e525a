"""Faults on real guests: each boundary meets each fault once, in the scenario that calls it.

The process dies in here, not by SIGKILL: nothing it does afterwards reaches libvirt or a file, the
fence stays in the ledger, the flock goes as the kernel would take it, the connections are left.  (SIGKILL
itself, also in the middle of a call, is in ``tests/system/test_crashes.py`` and its kin.)
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import libvirt

from reconciler.engine.ports import Hypervisor, Journal, Locks
from reconciler.errors import VirtsnapError
from reconciler.hypervisor import native_revert
from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Power,
    Prune,
    Quiesce,
    Shutdown,
)
from reconciler.model.names import DomainUuid, SnapshotName
from reconciler.model.outcome import DomainOutcome
from tests.fakes.world import Crash
from tests.faults import recorded
from tests.faults.boundaries import Boundary, Fault, boundaries, faults_at
from tests.faults.campaign import READS, AsWired, NotConverged
from tests.faults.seam import Seam
from tests.lab import agent
from tests.lab.guest import Guest, Lab
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk, desk
from tests.system.test_walks import small_disk

PASSES = 4


@dataclass
class Stage:
    """One guest, what is declared of it, and what its snapshots held before the fault."""

    lab: Lab
    desk: Desk
    guest: Guest
    #: what has to be undone by hand before all can be done
    tidies: list[Callable[[], object]] = field(default_factory=list)

    def wish(self, *snapshots: DesiredSnapshot | str, **rest: Any) -> DesiredDomain:
        """A manifest of it."""
        return DesiredDomain(
            host=LOCAL,
            domain=self.guest.name,
            snapshots=tuple(
                DesiredSnapshot(name=SnapshotName(s)) if isinstance(s, str) else s
                for s in snapshots
            ),
            origin=Origin(manifest="faults"),
            prune=Prune.AUTO,
            shutdown=Shutdown(timeout=20, then_destroy=True),
            **rest,
        )

    def take(self, *snapshots: DesiredSnapshot | str) -> None:
        """One after the other, with data of its own after each."""
        for number, _ in enumerate(snapshots):
            outcome = self.desk.apply(self.wish(*snapshots[: number + 1]))
            assert outcome.error is None, outcome.error
            self.write(number)

    def write(self, number: int) -> None:
        """The guest goes on; of one that is off, somebody writes to its images."""
        if self.guest.is_running:
            self.guest.wait_for_record(self.guest.head() + 1)
            return
        for image in self.guest.active_images().values():
            by_hand.write(image, number % 6, 0x21 + number)

    def dies(self, method: str, wish: DesiredDomain, fault: Fault = Fault.DIES_AFTER) -> None:
        """An earlier virtsnap died at that call."""
        at = Boundary("Hypervisor", method)
        assert one_pass(self, wish, Seam(1, fault, only=at)) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestScenario:
    """*prepare* gives what is declared then; *calls* are the boundaries it is there for."""

    name: str
    running: bool
    prepare: Callable[[Stage], DesiredDomain]
    calls: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def _snapshot(name: str, **rest: Any) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), **rest)


def _back(to: str, **rest: Any) -> DesiredRevert:
    return DesiredRevert(to=SnapshotName(to), request="r1", **rest)


def _first(stage: Stage) -> DesiredDomain:
    return stage.wish("s1")


def _merge_above_s1(stage: Stage) -> DesiredDomain:
    stage.take("s1", "s2", "s3")
    return stage.wish("s1")


def _go_back(stage: Stage) -> DesiredDomain:
    stage.take("s1", "s2")
    return stage.wish("s1", "s2", revert=_back("s1"))


def _go_back_inside(stage: Stage) -> DesiredDomain:
    inside = _snapshot("i1", type=CaptureType.INTERNAL)
    stage.take(inside)
    return stage.wish(inside, revert=_back("i1"))


def _half_gone_back_inside(stage: Stage) -> DesiredDomain:
    """virtsnap died when libvirt had gone back, and before the definition was defined again."""
    wish = _go_back_inside(stage)

    def dying(_text: str) -> Any:
        raise Crash("between revert and define")

    real = native_revert.parse
    native_revert.parse = dying
    try:
        assert one_pass(stage, wish, Seam()) is None
    finally:
        native_revert.parse = real
    return wish


def _delete_inside(stage: Stage) -> DesiredDomain:
    one, two = (_snapshot(name, type=CaptureType.INTERNAL) for name in ("i1", "i2"))
    stage.take(one, two)
    return stage.wish(one)


def _quiesced(stage: Stage) -> DesiredDomain:
    return stage.wish(_snapshot("s1", quiesce=Quiesce.REQUIRED))


def _merge_all(stage: Stage) -> DesiredDomain:
    stage.take("s1", "s2")
    return stage.wish()


def _merge_below_a_branch(stage: Stage) -> DesiredDomain:
    stage.take("s1", "s2", "s3")
    kept = ("s1", "s2", "s3")
    outcome = stage.desk.apply(stage.wish(*kept, revert=_back("s2", discards=True)))
    assert outcome.error is None, outcome.error
    stage.guest.wait_for_agent()
    stage.write(3)
    return stage.wish("s2", "s3", revert=_back("s2", discards=True))


def _power_off(stage: Stage) -> DesiredDomain:
    return stage.wish(_snapshot("s1", power=Power.OFF))


def _to_memory(stage: Stage) -> DesiredDomain:
    memory = _snapshot("m1", memory=True)
    stage.take(memory)
    return stage.wish(memory, revert=_back("m1"))


def _half_merged(stage: Stage) -> DesiredDomain:
    stage.take("s1", "s2")
    stage.dies("commit_live", stage.wish("s1"))
    return stage.wish("s1")


def _half_merged_with_a_reader(stage: Stage) -> DesiredDomain:
    """Somebody has put another overlay on the base meanwhile, and goes on when asked."""
    wish = _half_merged(stage)
    base = storage.chain(stage.guest.active_images()["vda"])[1]
    stray = by_hand.make_overlay(base, base.with_name("stray.qcow2"))
    stage.tidies.append(stray.unlink)
    return wish


def _left_frozen(stage: Stage) -> DesiredDomain:
    wish = _quiesced(stage)
    stage.dies("create_snapshot", wish, Fault.DIES_BEFORE)
    stage.guest.domain.fsFreeze()
    return wish


SCENARIOS = (
    GuestScenario(
        name="create, shut off",
        running=False,
        prepare=_first,
        calls=(
            "Hypervisor.observe",
            "Hypervisor.write_ledger",
            "Hypervisor.read_ledger",
            "Hypervisor.reserve",
            "Hypervisor.create_snapshot",
            "Journal.remembered",
            "Journal.intend",
            "Journal.confirm",
            "Locks.hold",
        ),
    ),
    GuestScenario(
        name="merge two, shut off",
        running=False,
        prepare=_merge_above_s1,
        calls=(
            "Hypervisor.image_in_use",
            "Hypervisor.commit_offline",
            "Hypervisor.switch_disk",
            "Hypervisor.forget_snapshot",
            "Hypervisor.remove_image",
        ),
    ),
    GuestScenario(
        name="go back, shut off",
        running=False,
        prepare=_go_back,
        calls=(
            "Hypervisor.make_overlays",
            "Hypervisor.define_reverted",
            "Hypervisor.mark_record",
            "Hypervisor.redefine_snapshot",
        ),
    ),
    GuestScenario(
        name="go back inside, shut off",
        running=False,
        prepare=_go_back_inside,
        calls=(
            "Hypervisor.keep_definition",
            "Hypervisor.revert_internal",
            "Hypervisor.mark_record",
        ),
    ),
    GuestScenario(
        name="half gone back inside, shut off",
        running=False,
        prepare=_half_gone_back_inside,
        calls=("Hypervisor.define_kept",),
    ),
    GuestScenario(
        name="delete inside, shut off",
        running=False,
        prepare=_delete_inside,
        calls=("Hypervisor.delete_snapshot",),
    ),
    GuestScenario(
        name="create, quiesced",
        running=True,
        prepare=_quiesced,
        calls=("Hypervisor.freeze_status", "Hypervisor.create_snapshot"),
    ),
    GuestScenario(
        name="merge all, running",
        running=True,
        prepare=_merge_all,
        calls=("Hypervisor.commit_live", "Hypervisor.pivot", "Hypervisor.remove_image"),
    ),
    GuestScenario(
        name="merge below a branch, running",
        running=True,
        prepare=_merge_below_a_branch,
        calls=("Hypervisor.rebase_images",),
    ),
    GuestScenario(
        name="create with power off",
        running=True,
        prepare=_power_off,
        calls=("Hypervisor.shut_down", "Hypervisor.start"),
    ),
    GuestScenario(
        name="go back to memory",
        running=True,
        prepare=_to_memory,
        calls=("Hypervisor.go_on_from",),
    ),
    GuestScenario(
        name="finish a job", running=True, prepare=_half_merged, calls=("Hypervisor.follow_job",)
    ),
    GuestScenario(
        name="abort a job",
        running=True,
        prepare=_half_merged_with_a_reader,
        calls=("Hypervisor.abort_job",),
    ),
    GuestScenario(name="thaw", running=True, prepare=_left_frozen, calls=("Hypervisor.thaw",)),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at the first call of a boundary."""

    scenario: GuestScenario
    at: Boundary
    fault: Fault

    def __str__(self) -> str:
        return f"{self.scenario}: {self.at} {self.fault}"


def cases() -> tuple[Case, ...]:
    """Every boundary with every fault; the machine's own end is for the fake."""
    return tuple(
        Case(scenario, at, fault)
        for scenario in SCENARIOS
        for at in boundaries()
        if str(at) in scenario.calls
        for fault in faults_at(at)
        if not fault.is_of_machine and (fault.is_before or at.method not in READS)
    )


def one_pass(stage: Stage, wish: DesiredDomain, seam: Seam) -> DomainOutcome | None:
    """A virtsnap with connections of its own, behind *seam*; None when it died or saw nothing."""
    journal = seam.around(Journal, stage.desk.journal)
    read = AsWired(journal)
    real = LibvirtHost(LOCAL, stage.lab.daemon.uri, is_readonly=False, remembered=read.remembered)
    at = replace(stage.desk, host=seam.around(Hypervisor, real), journal=journal)
    try:
        return at.apply(wish, locks=seam.around(Locks, at.locks()))
    except (Crash, VirtsnapError):
        return None
    finally:
        real.close()


def run(lab: Lab, folder: Path, case: Case) -> int:
    """Let it happen, go on, and demand that all is as it must be; the passes it took afterwards."""
    with desk(lab, folder) as at:
        if case.scenario.running:
            guest = lab.guest("web01")
            guest.wait_for_record(2)
        else:
            guest = lab.guest_of((small_disk(folder, "vda"),), "web01")
        stage = Stage(lab, at, guest)
        wish = case.scenario.prepare(stage)
        return _through(stage, wish, case)


def _through(stage: Stage, wish: DesiredDomain, case: Case) -> int:
    guest = stage.guest
    was_on = guest.is_running
    moments = storage.moments(guest)
    view = None if was_on else storage.view(guest)
    seam = Seam(1, case.fault, only=case.at)
    one_pass(stage, wish, seam)
    _demand(seam.met == case.at, "it was never called")
    passes = _settled(stage, wish)
    if stage.tidies:
        for tidy in stage.tidies:
            tidy()
        passes += _settled(stage, wish)
    _demand(guest.is_running is was_on, "its power is another one")
    _demand_data(stage, wish, moments, view)
    _demand_nothing_left(stage)
    return passes


def _settled(stage: Stage, wish: DesiredDomain) -> int:
    for number in range(PASSES + 1):
        if not stage.desk.plan(wish).steps:
            return number
        stage.desk.apply(wish)
    raise NotConverged(f"still to be done: {stage.desk.plan(wish).steps}")


def _demand(holds: object, what: str) -> None:
    if not holds:
        raise NotConverged(what)


def _demand_data(
    stage: Stage,
    wish: DesiredDomain,
    moments: dict[tuple[str, str], str],
    view: dict[str, str] | None,
) -> None:
    """The guest reads what it wrote, each declared snapshot holds what it held."""
    guest = stage.guest
    now = storage.moments(guest)
    names = {str(snapshot.name) for snapshot in wish.snapshots}
    found = {name for name in by_hand.names(guest) if "before-revert-" not in name}
    _demand(found == names, f"{sorted(found)} are there, not {sorted(names)}")
    for key, held in moments.items():
        if key[0] in names:
            _demand(now.get(key) == held, f"{key} holds something else")
    if view is not None:
        to = wish.revert.to if wish.revert else None
        due = {target: moments.get((to, target)) for target in view} if to else view
        kept = [now.get((name, "vda")) for name in by_hand.names(guest) if "before-" in name]
        reads = storage.view(guest)
        _demand(to in (None, "i1") or view["vda"] in kept, "the present was not kept")
        _demand(reads == due or to == "i1", "the guest reads something else")
        return
    guest.wait_for_agent()
    _demand(agent.ask(guest.domain, "guest-fsfreeze-status") == "thawed", "it is left frozen")
    guest.wait_for_record(guest.head() + 1)
    guest.verify()


def _demand_nothing_left(stage: Stage) -> None:
    """No image, job, debt, mark or fence."""
    guest = stage.guest
    folder = next(iter(guest.disks.values())).parent
    # a name that a killed process had taken is an empty file
    full = {path for path in storage.images(folder) if path.stat().st_size}
    left = full - storage.needed(guest)
    _demand(not left, f"images are left: {sorted(left)}")
    ledger = stage.desk.host.read_ledger(DomainUuid(guest.uuid))
    _demand(ledger is not None and ledger.owed is None, "a debt is left")
    assert ledger is not None
    begun = [c for c in ledger.commits if any(Path(image).exists() for image in c.merged)]
    _demand(not ledger.is_freezing and not begun, f"unfinished: {ledger}")
    _demand({e.state.value for e in ledger.entries} <= {"taken"}, f"{ledger.entries}")
    if guest.is_running:
        _demand(not guest.domain.blockJobInfo("vda"), "a job is left")
        guest.domain.destroy()
    storage.assert_clean(folder)
    _demand(not guest.domain.hasManagedSaveImage(), "a managed save image")


def _each(wanted: list[Case]) -> Iterator[tuple[Case, int]]:
    with Lab.started() as lab:
        for case in wanted:
            with tempfile.TemporaryDirectory(prefix="faults-") as folder:
                try:
                    yield case, run(lab, Path(folder), case)
                except (AssertionError, VirtsnapError, libvirt.libvirtError) as error:
                    print(f"FAILED {case}: {error!r}", flush=True)


def record(*, is_all: bool) -> None:
    """Do what is not recorded yet, or all of it, and write down what is seen."""
    known = recorded.read()
    before = {} if is_all else known[recorded.GUESTS]
    found: dict[str, recorded.Seen] = {}
    missing = []
    for case in cases():
        name, at, fault = case.scenario.name, str(case.at), case.fault.value
        counts = before.get(name, {}).get(at, {}).get(fault)
        if counts is None:
            missing.append(case)
        else:
            found.setdefault(name, {}).setdefault(at, {})[fault] = counts
    for case, passes in _each(missing):
        print(f"{case}: {passes}", flush=True)
        at = found.setdefault(case.scenario.name, {}).setdefault(str(case.at), {})
        at |= recorded.counted([(case.at, case.fault, passes)])[str(case.at)]
    known[recorded.GUESTS] = found
    recorded.write(known)
