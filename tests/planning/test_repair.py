"""What people, crashes and mishaps left behind."""

from dataclasses import replace

import pytest

from reconciler.model.desired import DesiredRevert, Prune
from reconciler.model.domain import JobKind
from reconciler.model.ledger import LedgerProblem
from reconciler.model.names import SnapshotName
from reconciler.model.request import Consent, PlanRequest, Selection
from tests.drawing import desired, domain, host, image, overlay, shut_off, unrecorded, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes, kinds, line, plan_of, steps

AUTO = Prune.AUTO
S1, S2, S3 = (overlay("web01", "vda", name) for name in ("s1", "s2", "s3"))


def pivoted_by_hand() -> FakeHost:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).blockcommit("web01", "vda", base=image("base"), top=S1)
    return fake


def went_back(fake: FakeHost, *, is_lost: bool = False) -> None:
    """The domain's file is that of an hour ago, with the same snapshots; or has no ledger at all."""
    uuid = fake.domain("web01").uuid
    known = fake.world.journal.known[uuid]
    fake.world.journal.known[uuid] = replace(known, serial=known.serial + 1)
    if is_lost:
        Administrator(fake).lose_ledger("web01")


def test_a_ledger_that_went_back_and_lacks_nothing_is_renewed_and_work_goes_on() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    went_back(fake)
    wish = wanted("web01", prune=AUTO)

    assert steps(plan_of(fake, wish)) == ["renew-ledger"]
    reconciled(fake, desired(wish), PlanRequest())

    assert "forget s1" in steps(plan_of(fake, wish))


def test_a_domain_without_ledger_and_records_is_not_stale_for_ever() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    reconciled(fake, desired(wanted("web01", prune=AUTO)), PlanRequest())
    went_back(fake, is_lost=True)

    assert steps(plan_of(fake, wanted("web01"))) == ["renew-ledger"]
    reconciled(fake, desired(wanted("web01")), PlanRequest())

    assert steps(plan_of(fake, wanted("web01", "n1"))) == ["create n1 vda"]


def test_a_request_that_was_done_is_written_down_also_where_nothing_else_may_be_done() -> None:
    """A managed save image blocks the domain; the ledger written anew must not lack the request."""
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    back = replace(wanted("web01", "s1"), revert=DesiredRevert(to=SnapshotName("s1"), request="r1"))
    reconciled(fake, desired(back), PlanRequest())
    Administrator(fake).lose_ledger("web01")
    Administrator(fake).start("web01")
    Administrator(fake).managed_save("web01")

    plan = plan_of(fake, wanted("web01", "s1"))

    assert [each for each in steps(plan) if each.startswith("adopt-request r1")]
    assert codes(plan) == ["ManagedSave"]


def test_a_guest_left_frozen_is_thawed_also_where_the_ledger_went_back() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    found = fake.domain("web01")
    ledger = fake.read_ledger(found.uuid)
    assert ledger is not None
    fake.remember(found.uuid, replace(ledger, is_freezing=True))
    found.agent.is_frozen = True
    went_back(fake)

    assert steps(plan_of(fake, wanted("web01", "s1"))) == ["thaw"]
    reconciled(fake, desired(wanted("web01", "s1")), PlanRequest())

    assert not found.agent.is_frozen
    assert not plan_of(fake, wanted("web01", "s1")).drift


def test_the_seed_case_is_put_right_where_pruning_allows_it() -> None:
    plan = plan_of(pivoted_by_hand(), wanted("web01", "s1", prune=AUTO))

    assert kinds(plan) == ["RecordDangling s1", "ImageOrphaned s1"]
    assert steps(plan) == ["forget s1 as lost"]
    assert codes(plan) == ["SnapshotLost s1"]


def test_what_no_merge_took_down_goes_only_when_a_person_names_it() -> None:
    fake, wish = pivoted_by_hand(), wanted("web01", "s1", prune=AUTO)

    for targets in ((), ("web01",), ("web01/*",), ("web01/s2",)):
        selection = Selection(targets=targets)
        plan = plan_of(fake, wish, request=PlanRequest(selection=selection))
        assert "remove vda-s1 orphaned" not in steps(plan)
    named = PlanRequest(selection=Selection(targets=("web01/s1",)))
    assert "remove vda-s1 orphaned" in steps(plan_of(fake, wish, request=named))


def test_the_seed_case_is_only_reported_under_prune_never() -> None:
    plan = plan_of(pivoted_by_hand(), wanted("web01", "s1"))

    assert not plan.steps
    assert codes(plan) == ["SnapshotLost s1"]


def test_a_loop_does_not_forget_a_record_that_would_not_come_back() -> None:
    wish = wanted("web01", "s1", prune=AUTO)

    plan = plan_of(pivoted_by_hand(), wish, request=PlanRequest(consent=Consent.LOOP))

    assert steps(plan) == ["forget s1 as lost"]
    assert [held.step for held in plan.held] == ["s1"]


def test_a_middle_commit_by_hand_loses_one_snapshot_and_repairs_the_next() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))
    Person(fake).blockcommit("web01", "vda", base=S1, top=S2)

    plan = plan_of(fake, wanted("web01", "s1", "s2", "s3", prune=AUTO))

    assert codes(plan) == ["SnapshotLost s2"]
    assert "redefine s3 vda=vda-s1" in steps(plan)
    assert "forget s2 as lost" in steps(plan)


def test_a_moved_current_pointer_is_put_back() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    Person(fake).snapshot_current("web01", "s1")

    plan = plan_of(fake, wanted("web01", "s1", "s2"))

    assert steps(plan) == ["redefine s2 current"]


def test_a_foreign_overlay_refuses_the_domain() -> None:
    fake = host(domain("web01", unrecorded("b"), vda="base ← s1 ← b"))

    plan = plan_of(fake, wanted("web01", "s2", prune=AUTO))

    assert not plan.steps
    assert codes(plan) == ["ForeignOverlay"]


def test_a_foreign_block_job_is_waited_for() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).job("web01", "vda", JobKind.COPY)

    plan = plan_of(fake, wanted("web01", "s2"))

    assert not plan.steps
    assert codes(plan) == ["BlockJobRunning"]


@pytest.mark.parametrize(
    "until", ["intended", "started", "ready", "aborted", "merged", "confirmed"]
)
@pytest.mark.parametrize("power", ["running", "shut off"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_removal_that_was_begun_is_finished_whatever_pruning_says(
    until: str, power: str, declared: bool
) -> None:
    traits = (shut_off,) if power == "shut off" else ()
    fake = host(domain("web01", *traits, vda="base ← s1 ← s2"))
    before = fake.guest_view("web01", "vda"), fake.snapshot_view("web01", "s2", "vda")
    assert Controller(fake).begin_removal("web01", "s1", until=until)
    wish = wanted("web01", *(["s1"] if declared else []), "s2")

    result = reconciled(fake, _desired(wish), PlanRequest(consent=Consent.LOOP))

    assert result.outcomes[0].error is None
    assert (fake.guest_view("web01", "vda"), fake.snapshot_view("web01", "s2", "vda")) == before
    seen = fake.observe().domains[0]
    assert sorted(record.name for record in seen.records) == (["s1", "s2"] if declared else ["s2"])
    assert seen.ledger is not None
    assert not seen.ledger.commits
    assert not plan_of(fake, wish).steps


def _desired(wish: object):  # type: ignore[no-untyped-def]
    from tests.drawing import desired

    return desired(wish)  # type: ignore[arg-type]


def test_a_create_that_died_before_libvirt_was_called_is_done() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", until="intended")

    plan = plan_of(fake, wanted("web01", "s1"))

    assert steps(plan) == ["forget s1 entry", "create s1 vda"]


def test_a_create_that_died_after_libvirt_was_called_is_confirmed() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", until="created")

    plan = plan_of(fake, wanted("web01", "s1"))

    assert steps(plan) == ["adopt s1 taken"]


def test_a_create_that_libvirt_could_not_record_is_merged_and_made_again() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Controller(fake).take("web01", "s2", until="unrecorded")

    plan = plan_of(fake, wanted("web01", "s1", "s2"))

    assert steps(plan) == [
        "commit vda vda-s1 ← vda-s2 active",
        "remove vda-s2 emptied",
        "forget s2 entry",
        "redefine s1 current",
        "create s2 vda",
    ]


def test_a_lost_ledger_is_only_rebuilt_and_what_has_no_record_is_lost() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    Administrator(fake).lose_ledger("web01")
    wish = wanted("web01", "s1", "s3", prune=AUTO)

    plan = plan_of(fake, wish)

    assert steps(plan) == ["adopt s1 taken", "adopt s2 taken", "adopt s3 lost"]
    assert kinds(plan) == ["LedgerStale", "SnapshotLost s3"]
    assert codes(plan) == ["SnapshotLost s3"]
    reconciled(fake, _desired(wish), PlanRequest())
    assert codes(plan_of(fake, wish)) == ["SnapshotLost s3"]
    assert steps(plan_of(fake, wish))[0].startswith("commit vda vda-s1 ← vda-s2")


@pytest.mark.parametrize("problem", [LedgerProblem.NEWER, LedgerProblem.DAMAGED])
def test_a_ledger_that_cannot_be_read_refuses_everything(problem: LedgerProblem) -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Administrator(fake).spoil_ledger("web01", problem)

    plan = plan_of(fake, wanted("web01", "s2", prune=AUTO))

    assert not plan.steps
    assert "LedgerUnreadable" in codes(plan)


def test_a_detached_disk_keeps_its_files() -> None:
    fake = host(domain("web01", vda="base ← s1", vdb="data ← s1"))
    Administrator(fake).detach_disk("web01", "vdb")

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert steps(plan) == ["commit vda base ← vda-s1 active", "forget s1", "remove vda-s1 emptied"]


def test_a_missing_image_in_the_own_chain_refuses_the_domain() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Person(fake).remove_file(S1)

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert not plan.steps
    assert codes(plan) == ["StorageAbsent"]


def test_an_internal_snapshot_in_an_overlay_refuses_the_commit() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Person(fake).snapshot_internal("web01", "i1")

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert not plan.steps
    assert codes(plan) == ["InternalSnapshots s1"]


def test_files_that_cannot_be_read_need_local_access() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Person(fake).make_unreadable(image("base"))

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert not plan.steps
    assert codes(plan) == ["NeedsLocalAccess s1"]


def test_branches_that_stay_refuse_and_a_leaf_that_goes_ends_the_branch() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))
    Person(fake).revert("web01", "s1", redefine_disks=True)

    kept = plan_of(fake, wanted("web01", "s2", "s3", prune=AUTO))
    assert codes(kept) == ["SnapshotHasBranches s1"]

    ended = plan_of(fake, wanted("web01", "s1", prune=AUTO))
    assert [step for step in steps(ended) if step.startswith("remove")] == [
        "remove vda-s3 abandoned",
        "remove vda-s2 abandoned",
        "remove vda-s1 abandoned",
    ]
    assert {step.risk.value for step in ended.steps if step.action.name == "remove-image"} == {
        "destructive"
    }


def test_a_branch_on_an_image_that_a_guest_writes_to_waits_until_it_is_off() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3", vdb="data ← s1 ← s2 ← s3"))
    Controller(fake).hold("web01", "s3")
    Person(fake).revert("web01", "s1", redefine_disks=True)
    Administrator(fake).start("web01")
    back = fake.domain("web01").definition.disks[0].source
    Person(fake).blockcommit("web01", "vda", base=image("base"), top=back)
    fake.guest_writes("web01", "vda", 3, 33)

    running = plan_of(fake, wanted("web01", prune=AUTO))
    assert "NeedsPowerOff s2" in codes(running)
    assert not [step for step in steps(running) if step.startswith("commit")]

    Administrator(fake).shut_off("web01")
    off = plan_of(fake, wanted("web01", prune=AUTO))
    assert "NeedsPowerOff s2" not in codes(off)
    assert [step for step in steps(off) if step.startswith("commit vda")]


def test_an_image_that_would_be_given_up_with_a_snapshot_inside_stays() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))
    Person(fake).revert("web01", "s1", redefine_disks=True)
    Person(fake).image_snapshot(overlay("web01", "vda", "s3"), "i1")

    plan = plan_of(fake, wanted("web01", "s1", "s2", prune=AUTO))

    assert not [step for step in steps(plan) if step.startswith("remove")]
    assert codes(plan) == ["InternalSnapshots s3"]


def test_a_missing_image_is_no_proof_for_a_loop() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Administrator(fake).edit("web01", "vda", image("base"))
    Person(fake).remove_file(S1)
    loop = PlanRequest(consent=Consent.LOOP)

    plan = plan_of(fake, wanted("web01", prune=AUTO), request=loop)

    by_itself = [line(s.action) for s in plan.steps if s.id not in plan.held_steps]
    assert by_itself == ["forget s1"]  # its layer is there, and written since
    assert "forget s2" in steps(plan)


def test_a_revert_by_hand_in_a_removal_that_died_loses_nothing_silently() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    assert Controller(fake).begin_removal("web01", "s1", until="aborted")
    Person(fake).revert("web01", "s1", redefine_disks=True)

    plan = plan_of(fake, wanted("web01"), request=PlanRequest(consent=Consent.LOOP))

    assert not any(step.startswith("remove vda-s1") for step in steps(plan))


def test_a_record_that_an_old_libvirt_rewrote_is_put_right() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2 ← s3"))
    kept = fake.snapshot_view("web01", "s3", "vda")
    Person(fake).snapshot_delete_metadata("web01", "s2")
    assert fake.snapshot_view("web01", "s3", "vda") != kept  # libvirt 9.0 made it lie
    wish = wanted("web01", "s1", "s2", "s3", prune=AUTO)

    plan = plan_of(fake, wish)

    assert steps(plan) == ["redefine s3 vda=vda-s2"]
    assert codes(plan) == ["SnapshotLost s2"]
    reconciled(fake, _desired(wish), PlanRequest())
    assert fake.snapshot_view("web01", "s3", "vda") == kept
    assert not plan_of(fake, wish).steps


def test_a_merge_by_hand_into_a_template_takes_nothing_of_ours_down_there() -> None:
    fake = host(domain("web01", vda="(gold) ← base ← s1 ← s2"))
    Person(fake).blockcommit("web01", "vda", base=image("gold"), top=S1)
    wish = wanted("web01", "s2", prune=AUTO)

    plan = plan_of(fake, wish)

    assert not [step for step in steps(plan) if "gold" in step]
