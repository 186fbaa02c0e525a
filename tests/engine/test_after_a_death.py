"""Ends that ``tests/faults`` and ``tests/mutations`` found nobody testing: one test for each."""

import pytest

from reconciler.model.action import CreateSnapshot, NewOverlay, RevertSnapshot
from reconciler.model.desired import DesiredDomain, DesiredRevert, Prune, RevertConfig
from reconciler.model.ledger import CommitState, Consistency, Ledger, LedgerCommit
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.request import PlanRequest
from reconciler.planning import bookkeeping
from tests.drawing import desired, domain, host, image, overlay, running, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import Crash
from tests.planning.reading import codes, plan_of, steps

AUTO = Prune.AUTO
S1, S2 = (overlay("web01", "vda", name) for name in ("s1", "s2"))


def dies(fake: FakeHost, wish: DesiredDomain, method: str, moment: str = "after") -> None:
    """A pass that dies there."""

    def fault(_number: int, called: str, when: str) -> None:
        if (called, when) == (method, moment):
            raise Crash

    fake.world.fault = fault
    with pytest.raises(Crash):
        reconciled(fake, desired(wish), PlanRequest())
    fake.world.fault = None


def applied(fake: FakeHost, *names: str, revert: DesiredRevert | None = None) -> None:
    reconciled(fake, desired(wanted("web01", *names, prune=AUTO, revert=revert)), PlanRequest())
    fake.guest_goes_on("web01")


def test_a_new_image_under_the_name_of_a_removed_one_was_not_merged() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    dies(fake, wanted("web01", prune=AUTO), "remove_image")
    applied(fake, "s1")
    applied(fake, "s1", "s2")
    assert fake.domain("web01").record(SnapshotName("s2")).disks[DiskTarget("vda")].source == S1
    held = fake.snapshot_view("web01", "s2", "vda")

    applied(fake, "s1", "s2", revert=DesiredRevert(to=SnapshotName("s1"), request="r1"))

    assert fake.snapshot_view("web01", "s2", "vda") == held


@pytest.mark.parametrize("intends", [True, False], ids=["taken", "gone back to"])
def test_what_is_made_anew_is_in_no_commit_from_before(intends: bool) -> None:
    new = NewOverlay(
        target=DiskTarget("vda"), frozen=image("base"), frozen_format="qcow2", overlay=S1
    )
    merged = LedgerCommit(
        disk=new.target,
        base=image("base"),
        merged=(S1, S2),
        snapshots=(SnapshotName("s1"),),
        state=CommitState.MERGED,
    )
    fake = host(domain("web01", vda="base"))
    before = Ledger(uuid=fake.domain("web01").uuid, commits=(merged,))
    action = taking(new) if intends else going_back(new)

    after = bookkeeping.intended(before, action, bookkeeping.Provenance(uid="u1"))

    assert after.emptied == {S2}
    assert after.image_paths == {S1}


def taking(new: NewOverlay) -> CreateSnapshot:
    return CreateSnapshot(
        snapshot=SnapshotName("s1"),
        description="",
        overlays=(new,),
        skipped=(),
        parent=None,
        quiesce=False,
        may_degrade=False,
        consistency=Consistency.CRASH,
        power=running,
        manifest=None,
    )


def going_back(new: NewOverlay) -> RevertSnapshot:
    return RevertSnapshot(
        snapshot=SnapshotName("s1"),
        request="r1",
        disks=(new,),
        config=RevertConfig.DISKS,
        discards=False,
        owed=None,
    )


def test_what_the_ledger_lists_of_a_removed_file_is_dropped_by_the_next_plan() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    dies(fake, wanted("web01", prune=AUTO), "remove_image")

    assert steps(plan_of(fake, wanted("web01", "s2"))) == ["remove vda-s1 emptied", "create s2 vda"]
    applied(fake, "s2")

    ledger = fake.domain("web01").ledger
    assert ledger is not None
    assert not ledger.commits
    assert [image.snapshot for image in ledger.images] == ["s2"]


def test_what_is_listed_in_a_folder_that_cannot_be_read_is_not_dropped() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    dies(fake, wanted("web01", prune=AUTO), "remove_image")
    fake.world.storage.folder("/images").is_listed = False

    assert "remove vda-s1 emptied" not in steps(plan_of(fake, wanted("web01", "s2")))


def with_a_side_branch() -> FakeHost:
    """``base ← s1 ← s2 ← s3``, and the guest on another overlay over what s2 froze."""
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))
    Person(fake).revert("web01", "s2", redefine_disks=True)
    fake.guest_goes_on("web01")
    Administrator(fake).start("web01")
    return fake


@pytest.mark.parametrize("when", ["during", "after"])
def test_a_branch_beside_a_merged_image_is_put_on_the_base_by_the_next_plan(when: str) -> None:
    fake = with_a_side_branch()
    held = fake.snapshot_view("web01", "s3", "vda")
    wish = wanted("web01", "s2", "s3", prune=AUTO)
    dies(fake, wish, "commit_live", when)

    applied(fake, "s2", "s3")

    assert fake.world.storage.file(S2).backing == image("base")
    assert S1 not in fake.world.storage.files
    assert fake.snapshot_view("web01", "s3", "vda") == held
    assert not plan_of(fake, wish).drift


def test_an_image_elsewhere_that_nobody_can_look_into_may_stand_on_any_other() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    theirs = Person(fake).overlay_on(image("base"), "/elsewhere/other.qcow2")
    Administrator(fake).define("other", {"vda": theirs})
    Person(fake).make_unreadable(theirs)

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert codes(plan) == ["NeedsLocalAccess s1"]
    assert not plan.steps


def test_the_journal_knows_of_a_request_that_no_ledger_and_no_record_knows_of() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")
    applied(fake, "s1", "s2", revert=back)
    for record in fake.domain("web01").records.values():
        record.ledger = None
    Administrator(fake).lose_ledger("web01")

    plan = plan_of(fake, wanted("web01", "s1", "s2", prune=AUTO, revert=back))

    assert "adopt-request r1 done" in steps(plan)
    assert "RevertUnproven s1" not in codes(plan)
