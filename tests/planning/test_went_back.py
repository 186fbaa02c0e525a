"""A definition that went back to an older one: what puts it right, and that nothing else is done."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.engine import executor
from reconciler.model.desired import Prune
from reconciler.model.ledger import EntryState, Ledger
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.outcome import DomainStatus
from reconciler.model.plan import HeldBecause
from reconciler.model.power import PowerOwed, PowerState
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import Consent, PlanRequest
from tests.drawing import desired, domain, host, image, overlay, shut_off, wanted
from tests.engine import oracle
from tests.engine.passes import planned, reconciled, tools
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import FakeDefinition
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes, kinds, plan_of, steps

BASE, S1, S2 = image("base"), overlay("web01", "vda", "s1"), overlay("web01", "vda", "s2")
DATA, DATA_S1 = image("data"), overlay("web01", "vdb", "s1")
LOOP = PlanRequest(consent=Consent.LOOP)
WISH = wanted("web01", "s1", "s2", prune=Prune.AUTO)
BOTH = wanted("web01", "s1", prune=Prune.AUTO)


def gone_back() -> FakeHost:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Administrator(fake).edit("web01", "vda", BASE)
    return fake


def both_gone_back(*, writes_to: tuple[str, ...]) -> FakeHost:
    """Two disks, and what was written since ``s1`` to some of them."""
    fake = host(domain("web01", shut_off, vda="base", vdb="data"))
    Controller(fake).take("web01", "s1")
    for number, target in enumerate(writes_to, start=1):
        fake.guest_writes("web01", target, 1, 70 + number)
    Administrator(fake).edit("web01", "vda", BASE)
    Administrator(fake).edit("web01", "vdb", DATA)
    return fake


def sources(fake: FakeHost) -> dict[str, ImagePath]:
    return {disk.target: disk.source for disk in fake.domain("web01").definition.disks}


def contents(fake: FakeHost) -> dict[ImagePath, dict[int, int]]:
    return {path: dict(file.clusters) for path, file in fake.world.storage.files.items()}


def older(fake: FakeHost) -> FakeDefinition:
    """What ``virsh dumpxml`` says now."""
    persistent = fake.domain("web01").persistent
    assert persistent is not None
    return persistent.copied()


def test_the_definition_is_put_right_by_a_person_and_all_is_as_it_was() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    before, files = oracle.seen(fake), contents(fake)
    Administrator(fake).edit("web01", "vda", BASE)

    plan = plan_of(fake, WISH)
    assert steps(plan) == ["switch-disk vda base → vda-s2"]
    assert not codes(plan)

    result = reconciled(fake, desired(WISH), PlanRequest())
    assert [outcome.status for outcome in result.outcomes] == [DomainStatus.APPLIED]
    assert sources(fake) == {"vda": S2}
    assert oracle.seen(fake) == before
    assert contents(fake) == files
    assert not plan_of(fake, WISH).drift


def test_a_loop_holds_it_until_a_person_agrees() -> None:
    fake = gone_back()

    plan = plan_of(fake, WISH, request=LOOP)
    assert [held.because for held in plan.held] == [HeldBecause.NEEDS_APPROVAL]
    for _ in range(2):
        reconciled(fake, desired(WISH), LOOP)

    assert sources(fake) == {"vda": BASE}


def test_nothing_else_is_done_before_it_and_the_rest_after_it() -> None:
    fake = gone_back()
    wish = wanted("web01", "s2", "s3", prune=Prune.AUTO)

    assert steps(plan_of(fake, wish)) == ["switch-disk vda base → vda-s2"]
    reconciled(fake, desired(wish), PlanRequest())
    after = steps(plan_of(fake, wish))
    assert "create s3 vda" in after
    assert any(step.startswith("commit vda base ← vda-s1") for step in after)


@pytest.mark.parametrize("written", [("vda", "vdb"), ("vda",)], ids=["both", "one of them"])
def test_every_disk_goes_over_at_once_also_one_to_which_nothing_was_written(
    written: tuple[str, ...],
) -> None:
    """One on what was frozen would be written to there, and be of another moment than the other.

    It goes first: should virtsnap die after it, the other still shows what happened.
    """
    fake = both_gone_back(writes_to=written)

    assert (
        sorted(steps(plan_of(fake, BOTH)), reverse=len(written) == 1)
        == [
            "switch-disk vda base → vda-s1",
            "switch-disk vdb data → vdb-s1",
        ][:: 1 if len(written) == 2 else -1]
    )
    reconciled(fake, desired(BOTH), PlanRequest())

    assert sources(fake) == {"vda": S1, "vdb": DATA_S1}
    assert not plan_of(fake, BOTH).drift


def test_where_one_disk_has_two_that_it_may_have_been_on_nothing_is_switched() -> None:
    fake = both_gone_back(writes_to=("vda", "vdb"))
    uuid = fake.domain("web01").uuid
    ledger = fake.read_ledger(uuid)
    assert ledger is not None
    stray = Person(fake).overlay_on(DATA, image("stray"))
    fake.world.storage.file(stray).clusters[3] = 3
    made = replace(ledger.images[-1], path=stray, disk=DiskTarget("vdb"))
    fake.remember(uuid, replace(ledger, images=(*ledger.images, made)))

    plan = plan_of(fake, BOTH)

    assert not plan.steps
    assert "DefinitionWentBack" in codes(plan)


def taken_by_another(fake: FakeHost) -> None:
    Administrator(fake).define("db01", {"vda": S2})


def written_below_by_another(fake: FakeHost) -> None:
    Administrator(fake).define("db01", {"vda": S1})


def not_looked_into(fake: FakeHost) -> None:
    fake.world.storage.file(S2).is_readable = False


def corrupt(fake: FakeHost) -> None:
    fake.world.storage.file(S1).is_corrupt = True


@pytest.mark.parametrize(
    "deed", [taken_by_another, written_below_by_another, not_looked_into, corrupt]
)
def test_what_is_not_whole_or_somebody_elses_too_is_not_put_under_the_guest(
    deed: Callable[[FakeHost], None],
) -> None:
    fake = gone_back()
    deed(fake)

    plan = plan_of(fake, WISH)

    assert not plan.steps
    assert plan.refusals
    reconciled(fake, desired(WISH), PlanRequest())
    assert sources(fake) == {"vda": BASE}


def test_what_stops_the_whole_domain_stops_this_too() -> None:
    fake = gone_back()
    fake.domain("web01").has_managed_save = True

    plan = plan_of(fake, WISH)

    assert not plan.steps
    assert codes(plan) == ["ManagedSave", "DefinitionWentBack"]


def test_what_another_process_has_open_is_not_put_under_the_guest() -> None:
    fake = gone_back()
    fake.world.read_elsewhere.add(S2)

    result = reconciled(fake, desired(WISH), PlanRequest())

    (outcome,) = result.outcomes
    assert outcome.status is DomainStatus.REFUSED
    assert [refusal.code for refusal in outcome.refusals] == [RefusalCode.DOMAIN_BUSY]
    assert sources(fake) == {"vda": BASE}


def written_meanwhile(fake: FakeHost) -> None:
    """A guest went on from the older image, and is off again."""
    Administrator(fake).start("web01")
    fake.guest_writes("web01", "vda", 4, 44)
    Administrator(fake).shut_off("web01")


def read_meanwhile(fake: FakeHost) -> None:
    Administrator(fake).define("db01", {"vda": S2})


@pytest.mark.parametrize("deed", [written_meanwhile, read_meanwhile])
def test_right_before_it_everything_is_looked_at_once_more(
    deed: Callable[[FakeHost], None],
) -> None:
    fake = gone_back()
    plan = planned(fake, desired(WISH), PlanRequest())

    def fault(_number: int, method: str, when: str) -> None:
        if (method, when) == ("write_ledger", "before"):
            fake.world.fault = None
            deed(fake)

    fake.world.fault = fault
    (outcome,) = executor.apply(plan, desired(WISH), PlanRequest(), tools(fake, desired(WISH)))

    assert outcome.status is DomainStatus.REFUSED
    assert sources(fake) == {"vda": BASE}


def test_a_guest_that_is_owed_a_start_is_started_on_the_newer_image_alone() -> None:
    """Started on the older one it would write into what a snapshot froze."""
    fake = gone_back()
    uuid = fake.domain("web01").uuid
    ledger = fake.read_ledger(uuid)
    assert ledger is not None
    fake.remember(uuid, replace(ledger, owed=PowerOwed(state=PowerState.RUNNING)))

    plan = plan_of(fake, WISH, request=LOOP)
    assert steps(plan) == ["switch-disk vda base → vda-s2", "start running"]
    assert plan.held_steps == {"s1", "s2"}
    reconciled(fake, desired(WISH), LOOP)
    assert not fake.domain("web01").is_active

    reconciled(fake, desired(WISH), PlanRequest())
    assert sources(fake) == {"vda": S2}
    assert fake.domain("web01").is_active


@pytest.mark.parametrize("before", ["s1", "s2"])
def test_a_definition_from_before_a_snapshot_is_known_by_the_journal_to_have_gone_back(
    before: str,
) -> None:
    """With it the ledger went; what the frozen image was like is with this machine too."""
    fake = host(domain("web01", shut_off, vda="base"))
    dumped = {"s1": older(fake)}
    Controller(fake).take("web01", "s1")
    fake.guest_goes_on("web01")
    dumped["s2"] = older(fake)
    reconciled(fake, desired(WISH), PlanRequest())
    fake.guest_goes_on("web01")
    views, files = oracle.seen(fake), contents(fake)
    Administrator(fake).define_older("web01", dumped[before])

    assert "LedgerStale" in kinds(plan_of(fake, WISH))
    reconciled(fake, desired(WISH), LOOP)
    on = {"s1": "base", "s2": "vda-s1"}[before]
    assert steps(plan_of(fake, WISH)) == [f"switch-disk vda {on} → vda-s2"]
    reconciled(fake, desired(WISH), PlanRequest())

    assert sources(fake) == {"vda": S2}
    assert oracle.seen(fake) == views
    assert contents(fake) == files
    assert not plan_of(fake, WISH).drift


def test_what_was_written_to_since_is_not_taken_for_what_the_journal_knows() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    dumped = older(fake)
    reconciled(fake, desired(wanted("web01", "s1")), PlanRequest())
    fake.guest_goes_on("web01")
    Administrator(fake).define_older("web01", dumped)
    written_meanwhile(fake)

    for _ in range(3):
        reconciled(fake, desired(wanted("web01", "s1", prune=Prune.AUTO)), PlanRequest())

    assert sources(fake) == {"vda": BASE}
    assert S1 in fake.world.storage.files


def test_without_the_records_the_ledger_alone_still_tells() -> None:
    """``undefine --snapshots-metadata``, and ``define`` of an older dump with the ledger of now."""
    fake = host(domain("web01", shut_off, vda="base"))
    dumped = older(fake)
    reconciled(fake, desired(BOTH), PlanRequest())
    fake.guest_goes_on("web01")
    view = fake.guest_view("web01", "vda")
    Administrator(fake).define_older("web01", dumped, is_first_undefined=True, keeps_ledger=True)

    plan = plan_of(fake, BOTH)
    assert steps(plan) == ["switch-disk vda base → vda-s1"]
    assert codes(plan) == ["SnapshotLost s1"]
    reconciled(fake, desired(BOTH), PlanRequest())

    assert fake.guest_view("web01", "vda") == view
    assert codes(plan_of(fake, BOTH)) == ["SnapshotLost s1"]


def test_without_records_and_ledger_nothing_is_known_and_nothing_is_lost() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    dumped = older(fake)
    reconciled(fake, desired(BOTH), PlanRequest())
    fake.guest_goes_on("web01")
    files = contents(fake)
    Administrator(fake).define_older("web01", dumped, is_first_undefined=True)

    for request in (PlanRequest(), LOOP, PlanRequest()):
        result = reconciled(fake, desired(BOTH), request)

    assert codes(result.domain) == ["SnapshotLost s1"]
    assert contents(fake) == files
    found = ledger_of(fake)
    assert [(entry.name, entry.state) for entry in found.entries] == [("s1", EntryState.LOST)]


def ledger_of(fake: FakeHost) -> Ledger:
    found = fake.domain("web01").ledger
    assert found is not None
    return found


def with_work_in_a_branch() -> FakeHost:
    """Somebody went back from s2 to s1 by hand; what the guest wrote after s2 lies in a branch."""
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Controller(fake)
    fake.world.storage.file(overlay("web01", "vda", "s2")).clusters[5] = 55
    Person(fake).revert("web01", "s1", redefine_disks=True)
    return fake


def test_work_in_a_branch_goes_with_its_snapshot_only_when_a_person_agrees() -> None:
    fake = with_work_in_a_branch()
    wish = wanted("web01", "s1", prune=Prune.AUTO)
    leaf = overlay("web01", "vda", "s2")

    for _ in range(3):
        reconciled(fake, desired(wish), PlanRequest(consent=Consent.LOOP))

    assert leaf in fake.world.storage.files
    assert SnapshotName("s2") in fake.domain("web01").records
    plan = plan_of(fake, wish, request=PlanRequest(consent=Consent.LOOP))
    assert {held.because for held in plan.held} <= {
        HeldBecause.NEEDS_APPROVAL,
        HeldBecause.BEHIND_HELD,
    }
    assert plan.held
    reconciled(fake, desired(wish), PlanRequest())
    assert leaf not in fake.world.storage.files
    assert SnapshotName("s2") not in fake.domain("web01").records
