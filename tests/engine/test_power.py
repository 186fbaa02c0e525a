"""``power: off``: shut down, taken, started again; and a debt that a crash leaves is paid."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.engine import executor
from reconciler.errors import HypervisorError
from reconciler.model.action import (
    CreateSnapshot,
    RevertSnapshot,
    Risk,
    ShutDownDomain,
    StartDomain,
)
from reconciler.model.desired import (
    Desired,
    DesiredRevert,
    DesiredSnapshot,
    Power,
    Prune,
    Quiesce,
    RevertPower,
    Shutdown,
)
from reconciler.model.ledger import Consistency, Ledger
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.outcome import DomainStatus
from reconciler.model.power import PowerOwed, PowerState
from reconciler.model.request import Consent, PlanRequest
from tests.drawing import desired, domain, host, paused, running, shut_off, wanted
from tests.engine.passes import Pass, planned, reconciled, tools
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import Obedience
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import line

PERSON = PlanRequest(consent=Consent.PERSON)
TIMEOUT = timedelta(seconds=120)


def off(name: str, **rest: object) -> DesiredSnapshot:
    """A snapshot to be taken shut off."""
    return DesiredSnapshot(name=SnapshotName(name), power=Power.OFF, **rest)  # type: ignore[arg-type]


def wish(*snapshots: DesiredSnapshot | str, destroy: bool = False, **rest: object) -> Desired:
    """What web01 shall have."""
    of_domain = wanted("web01", *snapshots, **rest)  # type: ignore[arg-type]
    return desired(replace(of_domain, shutdown=Shutdown(timeout=120, then_destroy=destroy)))


def applied(fake: FakeHost, wished: Desired) -> Pass:
    return reconciled(fake, wished, PERSON)


def words(fake: FakeHost, wished: Desired, request: PlanRequest = PERSON) -> list[str]:
    """The actions of the plan."""
    return [s.action.name for d in planned(fake, wished, request).domains for s in d.steps]


def codes(result: Pass) -> list[str]:
    (outcome,) = result.outcomes
    return [refusal.code.value for refusal in outcome.refusals]


def owed(fake: FakeHost) -> PowerOwed | None:
    ledger = fake.domain("web01").ledger
    return ledger.owed if ledger else None


def owe(fake: FakeHost, state: PowerState = PowerState.RUNNING) -> None:
    """An earlier virtsnap shut it down and died."""
    uuid = fake.domain("web01").uuid
    ledger = fake.read_ledger(uuid) or Ledger(uuid=uuid)
    fake.remember(uuid, replace(ledger, owed=PowerOwed(state=state)))


def test_one_shut_down_and_one_start_for_all_that_is_taken_shut_off() -> None:
    fake = host(domain("web01", vda="base"))
    plan = planned(fake, wish(off("s1"), off("s2")), PERSON).domains[0]

    assert [s.action.name for s in plan.steps] == ["shut-down", "create", "create", "start"]
    assert plan.steps[0].risk is Risk.DISRUPTIVE
    assert [s.estimate.downtime for s in plan.steps] == [True, False, False, False]
    result = applied(fake, wish(off("s1"), off("s2")))

    assert result.outcomes[0].status is DomainStatus.APPLIED
    assert (fake.domain("web01").power, owed(fake)) == (running, None)
    for record in fake.domain("web01").records.values():
        assert record.state == "shutoff"
        assert record.ledger is not None
        assert record.ledger.owed == PowerOwed(state=running)
    entries = fake.domain("web01").ledger.entries  # type: ignore[union-attr]
    assert [(e.power, e.consistency) for e in entries] == [(running, Consistency.OFFLINE)] * 2


def test_a_domain_that_is_off_already_stays_off() -> None:
    fake = host(domain("web01", shut_off, vda="base"))

    assert words(fake, wish(off("s1"))) == ["create"]
    applied(fake, wish(off("s1")))

    assert fake.domain("web01").power is shut_off
    assert fake.domain("web01").ledger.entries[0].power is shut_off  # type: ignore[union-attr]


def test_a_paused_guest_hears_nothing_and_is_destroyed_only_where_that_is_declared() -> None:
    fake = host(domain("web01", paused, vda="base"))

    assert codes(applied(fake, wish(off("s1")))) == ["ShutDownRefused"]
    assert fake.domain("web01").power is paused
    assert owed(fake) is None
    applied(fake, wish(off("s1"), destroy=True))

    assert fake.domain("web01").power is paused
    (entry,) = fake.domain("web01").ledger.entries  # type: ignore[union-attr]
    assert (entry.power, entry.consistency) == (paused, Consistency.CRASH)


def test_nobody_is_destroyed_for_a_snapshot_that_must_be_consistent() -> None:
    fake = host(domain("web01", vda="base"))
    strict = wish(off("s1"), off("s2", quiesce=Quiesce.REQUIRED), destroy=True)

    action = planned(fake, strict, PERSON).domains[0].steps[0].action

    assert action == ShutDownDomain(timeout=120, then_destroy=False, owes=running)


def test_a_guest_that_does_not_obey_is_left_alone_and_owed_for_one_more_timeout() -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").obedience = Obedience.NEVER

    result = applied(fake, wish(off("s1")))

    assert codes(result) == ["ShutDownRefused"]
    assert result.outcomes[0].status is DomainStatus.REFUSED
    assert fake.domain("web01").power is running
    assert not fake.domain("web01").records
    until = owed(fake).until  # type: ignore[union-attr]
    assert until == fake.world.clock.now() + TIMEOUT
    assert words(fake, wish()) == []
    fake.world.clock.wait(121)
    (start,) = planned(fake, wish(), PERSON).domains[0].steps
    assert start.action == StartDomain(state=running, is_off=False)
    applied(fake, wish())
    assert owed(fake) is None
    assert words(fake, wish()) == []


def test_a_guest_that_obeys_late_is_started_by_the_next_plan() -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").obedience = Obedience.LATE
    applied(fake, wish(off("s1")))
    fake.world.clock.wait(90)
    assert fake.observe().domains[0].power is shut_off

    assert words(fake, wish(off("s1"))) == ["create", "start"]
    applied(fake, wish(off("s1")))

    assert (fake.domain("web01").power, owed(fake)) == (running, None)
    (entry,) = fake.domain("web01").ledger.entries  # type: ignore[union-attr]
    assert entry.power is running


def test_a_create_that_fails_leaves_no_guest_shut_off() -> None:
    fake = host(domain("web01", vda="base"))

    def fault(_at: int, method: str, when: str) -> None:
        if (method, when) == ("create_snapshot", "before"):
            raise HypervisorError("cannot take it: injected", code=38)

    fake.world.fault = fault
    result = applied(fake, wish(off("s1")))

    assert result.outcomes[0].status is DomainStatus.FAILED
    assert (fake.domain("web01").power, owed(fake)) == (running, None)


@pytest.mark.parametrize("obedience", [Obedience.AT_ONCE, Obedience.NEVER])
def test_ctrl_c_leaves_no_guest_shut_off(obedience: Obedience) -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").obedience = obedience
    stop = threading.Event()

    def fault(_at: int, method: str, when: str) -> None:
        if (method, when) == ("shut_down", "during"):
            stop.set()

    fake.world.fault = fault
    plan = planned(fake, wish(off("s1")), PERSON)
    (outcome,) = executor.apply(plan, wish(off("s1")), PERSON, tools(fake, wish(off("s1")), stop))

    assert outcome.status is DomainStatus.INTERRUPTED
    assert fake.domain("web01").power is running
    # asked in vain, it may obey late
    assert (owed(fake) is None) is (obedience is Obedience.AT_ONCE)


def test_a_running_snapshot_waits_for_the_guest_to_be_started_again() -> None:
    fake = host(domain("web01", vda="base"))
    both = wish(off("s1"), DesiredSnapshot(name=SnapshotName("s2"), power=Power.RUNNING))

    result = applied(fake, both)

    assert codes(result) == ["PowerState"]
    assert list(fake.domain("web01").records) == ["s1"]
    assert words(fake, both) == ["create"]


def test_a_transient_domain_is_not_shut_down() -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").persistent = None

    assert codes(applied(fake, wish(off("s1"), destroy=True))) == ["DomainTransient"]
    assert fake.domain("web01").power is running


def test_a_guest_that_would_lose_a_disk_is_not_shut_down() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))
    persistent = fake.domain("web01").persistent
    assert persistent is not None
    del persistent.disks[1]

    assert codes(applied(fake, wish(off("s1")))) == ["DefinitionsDisagree"]
    assert fake.domain("web01").power is running


def test_a_guest_that_could_not_start_again_is_not_shut_down() -> None:
    fake = host(domain("web01", vda="base"))
    Administrator(fake).attach_disk("web01", "sda", "/images/debian.iso", cdrom=True)
    Person(fake).remove_file("/images/debian.iso")

    assert codes(applied(fake, wish(off("s1")))) == ["StorageAbsent"]
    assert fake.domain("web01").power is running


# --- debts of an earlier virtsnap


@pytest.mark.parametrize("state", [running, paused])
def test_a_debt_is_paid_last_of_all(state: PowerState) -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    owe(fake, state)

    assert words(fake, wish("s2", prune=Prune.AUTO))[-1] == "start"
    applied(fake, wish("s2", prune=Prune.AUTO))

    assert (fake.domain("web01").power, owed(fake)) == (state, None)
    entry = fake.domain("web01").ledger.entry(SnapshotName("s2"))  # type: ignore[union-attr]
    assert entry is not None
    assert entry.power is state


def test_a_guest_that_runs_again_is_left_as_it_is() -> None:
    fake = host(domain("web01", paused, vda="base"))
    owe(fake)
    boots = fake.domain("web01").boots

    applied(fake, wish())

    assert (fake.domain("web01").power, owed(fake)) == (paused, None)
    assert fake.domain("web01").boots == boots


def test_a_saved_domain_is_left_to_the_one_who_saved_it() -> None:
    fake = host(domain("web01", vda="base"))
    Administrator(fake).managed_save("web01")
    owe(fake)

    assert codes(applied(fake, wish(off("s1")))) == ["ManagedSave"]
    assert fake.domain("web01").power is shut_off
    assert owed(fake) is not None


def test_a_guest_with_a_broken_chain_is_not_started() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    owe(fake)
    Person(fake).remove_file("/images/base.qcow2")

    assert "StorageAbsent" in codes(applied(fake, wish("s1")))
    assert fake.domain("web01").power is shut_off


def test_what_blocks_snapshots_does_not_keep_a_guest_off() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Person(fake).snapshot_create("web01", "backup", ["vda"], has_metadata=False)
    owe(fake)

    result = applied(fake, wish("s1", off("s2")))

    assert codes(result) == ["ForeignOverlay"]
    assert (fake.domain("web01").power, owed(fake)) == (running, None)


def test_a_loop_starts_what_is_owed_though_a_removal_waits_for_a_person() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    owe(fake)
    loop = PlanRequest(consent=Consent.LOOP)

    (plan,) = planned(fake, wish(prune=Prune.CONFIRM), loop).domains
    assert plan.held
    assert plan.steps[-1].id not in plan.held_steps
    reconciled(fake, wish(prune=Prune.CONFIRM), loop)

    assert fake.domain("web01").power is running
    assert list(fake.domain("web01").records) == ["s1"]


def test_a_debt_in_a_copy_of_the_ledger_is_void() -> None:
    fake = host(domain("web01", vda="base"))
    applied(fake, wish(off("s1")))
    Administrator(fake).shut_off("web01")
    copy = fake.domain("web01").records[SnapshotName("s1")].ledger
    assert copy is not None
    assert copy.owed is not None
    Administrator(fake).put_ledger("web01", copy)  # as a revert by hand does

    for _ in range(2):
        applied(fake, wish(off("s1")))

    assert (fake.domain("web01").power, owed(fake)) == (shut_off, None)


def test_a_debt_without_a_manifest_is_paid_too() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    owe(fake)

    applied(fake, desired())

    assert fake.domain("web01").power is running


def test_a_memory_image_that_no_snapshot_has_is_left_out() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    uuid = fake.domain("web01").uuid
    debt = PowerOwed(state=running, memory=ImagePath("/images/gone.save"))
    fake.remember(uuid, Ledger(uuid=uuid, owed=debt))

    assert not codes(applied(fake, wish()))
    assert fake.domain("web01").power is running
    assert not fake.domain("web01").went_on_from


def test_a_create_says_what_the_domain_did() -> None:
    fake = host(domain("web01", paused, vda="base"))
    (step,) = planned(fake, wish("s1"), PERSON).domains[0].steps

    assert isinstance(step.action, CreateSnapshot)
    assert step.action.power is paused


def test_memory_is_left_out_when_somebody_wrote_to_the_disks_after_the_plan() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    Administrator(fake).shut_off("web01")
    memory = fake.domain("web01").record(SnapshotName("s1")).memory_file
    ledger = fake.domain("web01").ledger
    assert ledger is not None
    fake.remember(ledger.uuid, replace(ledger, owed=PowerOwed(state=running, memory=memory)))
    source = wish()
    plan = planned(fake, source, PlanRequest())
    starts = [s.action for d in plan.domains for s in d.steps if isinstance(s.action, StartDomain)]
    assert [start.memory for start in starts] == [memory]

    fake.guest_goes_on("web01")
    executor.apply(plan, source, PlanRequest(), tools(fake, source))

    assert fake.domain("web01").power is running
    assert not fake.domain("web01").went_on_from


@pytest.mark.parametrize("how", ["suspended", "dependsOn", "loop", "suspended, to be off"])
def test_a_start_that_is_owed_does_not_wait_for_a_revert_that_is_held(how: str) -> None:
    """Law 6: it goes, and nothing else of what is held."""
    fake = host(domain("web01", vda="base ← s1"), domain("db01", vda="other"))
    Controller(fake).shut_down("web01", until="off")
    power = RevertPower.OFF if "off" in how else RevertPower.RECORDED
    web = replace(
        wanted("web01", "s1", "s2", prune=Prune.CONFIRM),
        revert=DesiredRevert(to=SnapshotName("s1"), request="r1", power=power),
        is_suspended="suspended" in how,
        depends_on=("db01",) if how == "dependsOn" else (),
    )
    refused = wanted("db01", off("n1"))
    fake.domain("db01").obedience = Obedience.NEVER
    wished = desired(web, refused)
    request = PlanRequest(consent=Consent.LOOP if how == "loop" else Consent.PERSON)

    result = reconciled(fake, wished, request)

    outcome = next(o for o in result.outcomes if o.domain == "web01")
    assert fake.domain("web01").power is PowerState.RUNNING
    if how != "loop":  # a loop may go back while the guest is off
        assert [line(s.action) for s in outcome.plan.steps] == ["start running"]
        assert outcome.steps_done == 1
    if "suspended" in how:
        later = planned(fake, wished, request)
        (plan,) = (d for d in later.domains if d.domain == "web01")
        assert any(isinstance(s.action, RevertSnapshot) for s in plan.steps)
        assert plan.held_steps == {s.id for s in plan.steps}


@pytest.mark.parametrize("word", ["restart", "preserve", "rename-restart"])
@pytest.mark.parametrize("destroy", [False, True])
def test_a_guest_that_libvirt_starts_again_is_not_asked(word: str, *, destroy: bool) -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").on_poweroff = word
    boots = fake.domain("web01").boots

    result = applied(fake, wish(off("s1"), destroy=destroy))

    (refused,) = result.domain.refusals
    assert refused.code == "ShutDownRefused"
    assert word in refused.fact("cause")
    assert "set-lifecycle-action" in refused.fact("way")
    assert not result.domain.steps
    assert fake.domain("web01").boots == boots
    assert owed(fake) is None
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)
    discarding = host(domain("web01", vda="base ← s1 ← s2"))
    discarding.domain("web01").on_poweroff = word
    assert codes(applied(discarding, wish("s1", "s2", revert=back))) == ["ShutDownRefused"]
    keeping = replace(back, discards=False)
    assert not codes(applied(discarding, wish("s1", "s2", revert=keeping)))
