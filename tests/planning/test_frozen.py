"""What a snapshot froze: ledger, record, headers and files, and what follows where they disagree."""

from dataclasses import replace

import pytest

from reconciler.model.desired import DesiredRevert, DesiredSnapshot, Prune
from reconciler.model.ledger import EntryState, Ledger
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.request import Consent, PlanRequest
from reconciler.planning.frozen import as_proven
from tests.drawing import desired, domain, host, image, overlay, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes, kinds, plan_of, steps

BASE, S1, S2 = image("base"), overlay("web01", "vda", "s1"), overlay("web01", "vda", "s2")
LOOP = PlanRequest(consent=Consent.LOOP)


def ledger_of(fake: FakeHost) -> Ledger:
    found = fake.domain("web01").ledger
    assert found is not None
    return found


def frozen(fake: FakeHost) -> dict[str, list[ImagePath]]:
    return {entry.name: [d.path for d in entry.frozen] for entry in ledger_of(fake).entries}


def undefine(fake: FakeHost, name: str) -> None:
    Administrator(fake).shut_off(name)
    del fake.world.domains[fake.domain(name).uuid]


def branched() -> FakeHost:
    """``s2`` stands off the live chain, and nothing is left above what it froze."""
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Person(fake).revert("web01", "s1", redefine_disks=True)
    Person(fake).remove_file(S2)
    return fake


def test_a_ledger_says_what_its_snapshots_froze_and_what_those_images_were_like() -> None:
    fake = host(domain("web01", vda="base"))

    reconciled(fake, desired(wanted("web01", "s1", "s2")), PlanRequest())

    assert frozen(fake) == {"s1": [BASE], "s2": [S1]}
    known = {identity.path: identity for identity in ledger_of(fake).identities}
    assert set(known) == {BASE, S1}
    assert known[S1].backing == BASE
    assert known[S1].file is not None


def test_a_ledger_of_the_version_before_is_completed_with_the_next_write() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    before = Controller(fake, remembers=False)
    before.take("web01", "s1")
    before.take("web01", "s2")
    assert frozen(fake) == {"s1": [], "s2": []}

    reconciled(fake, desired(wanted("web01", "s1", "s2", "s3")), PlanRequest())

    assert frozen(fake)["s1"] == [BASE]
    assert frozen(fake)["s2"] == [S1]


def test_what_a_record_of_the_version_before_says_is_not_taken_over_where_a_header_says_otherwise() -> (
    None
):
    fake = host(domain("web01", shut_off, vda="base"))
    before = Controller(fake, remembers=False)
    for name in ("s1", "s2"):
        before.take("web01", name)
        fake.guest_goes_on("web01")
    fake.domain("web01").records[SnapshotName("s2")].disks["vda"].source = BASE

    plan = plan_of(fake, wanted("web01", "s1", "s2"))

    assert "RecordOutdated s2" in kinds(plan)
    assert steps(plan) == ["redefine s2 vda=vda-s1"]


@pytest.mark.parametrize("to", [BASE, S2], ids=["lower", "higher"])
def test_a_record_that_names_another_image_is_put_right(to: ImagePath) -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2 ← s3"))
    fake.domain("web01").records[SnapshotName("s2")].disks["vda"].source = to

    plan = plan_of(fake, wanted("web01", "s1", "s2", "s3"))

    assert kinds(plan) == ["RecordOutdated s2"]
    assert steps(plan) == ["redefine s2 vda=vda-s1"]
    reconciled(fake, desired(wanted("web01", "s1", "s2", "s3")), PlanRequest())
    assert not plan_of(fake, wanted("web01", "s1", "s2", "s3")).drift


def test_records_whose_sources_were_swapped_are_both_put_right() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    records = fake.domain("web01").records
    one, two = (records[SnapshotName(name)].disks["vda"] for name in ("s1", "s2"))
    one.source, two.source = two.source, one.source

    plan = plan_of(fake, wanted("web01", "s1", "s2"))

    assert steps(plan) == ["redefine s1 vda=base", "redefine s2 vda=vda-s1"]


def test_a_record_without_its_overlay_is_put_right_by_the_ledger_and_the_unchanged_image() -> None:
    fake = branched()
    fake.domain("web01").records[SnapshotName("s2")].disks["vda"].source = BASE

    plan = plan_of(fake, wanted("web01", "s1", "s2"))

    assert "RecordOutdated s2" in kinds(plan)
    assert steps(plan) == ["redefine s2 vda=vda-s1"]


def doubted() -> FakeHost:
    """The ledger names an image that was changed since, the record another one."""
    fake = branched()
    fake.world.storage.file(S1).clusters[7] = 7
    fake.domain("web01").records[SnapshotName("s2")].disks["vda"].source = BASE
    return fake


def test_a_snapshot_of_which_nothing_is_proven_is_no_target_of_a_revert() -> None:
    fake = doubted()
    before = dict(fake.world.storage.files)
    back = DesiredRevert(to=SnapshotName("s2"), request="r1")

    result = reconciled(
        fake, desired(wanted("web01", "s1", "s2", prune=Prune.AUTO, revert=back)), PlanRequest()
    )

    assert "SnapshotUnproven s2" in codes(result.plan.domains[0])
    assert "RevertNotPossible s2" in codes(result.plan.domains[0])
    why = next(r for r in result.domain.refusals if r.code == "RevertNotPossible")
    assert str(S1) in why.fact("cause")
    assert str(BASE) in why.fact("cause")
    assert fake.world.storage.files == before


@pytest.mark.parametrize("declared", [("s1",), ("s2",), ()])
def test_nothing_that_any_truth_names_for_an_unproven_snapshot_is_merged_or_removed(
    declared: tuple[str, ...],
) -> None:
    fake = doubted()

    plan = plan_of(fake, wanted("web01", *declared, prune=Prune.AUTO))

    assert "SnapshotUnproven s2" in codes(plan)
    assert not [step for step in steps(plan) if step.startswith(("commit", "remove"))]


@pytest.mark.parametrize("declared", [("s1", "s2"), ("s1",)])
def test_an_image_that_a_managed_entry_froze_is_no_orphan_when_its_record_is_dropped(
    declared: tuple[str, ...],
) -> None:
    fake = branched()
    Person(fake).snapshot_delete_metadata("web01", "s2")
    wish = desired(wanted("web01", *declared, prune=Prune.AUTO))

    for _ in range(3):
        reconciled(fake, wish, PlanRequest())

    assert S1 in fake.world.storage.files
    assert fake.world.storage.file(S1).clusters


def test_a_definition_that_may_write_to_a_frozen_image_is_a_danger_and_no_loss() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = wanted("web01", "s1", prune=Prune.AUTO)
    Administrator(fake).define("db01", {"vda": BASE}, running=False)

    plan = plan_of(fake, wish)

    assert kinds(plan) == ["RecordDangling s1"]
    assert codes(plan) == ["SnapshotExposed s1"]
    assert not plan.steps
    reconciled(fake, desired(wish), PlanRequest())
    undefine(fake, "db01")
    assert not plan_of(fake, wish).drift


def test_what_was_really_written_is_lost_and_its_record_stays_for_a_person_to_look_at() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    wish = wanted("web01", "s1", prune=Prune.AUTO)
    Administrator(fake).define("db01", {"vda": BASE}, running=True)
    fake.guest_writes("db01", "vda", 3, 33)
    undefine(fake, "db01")

    for request in (LOOP, PlanRequest()):
        plan = plan_of(fake, wish, request=request)
        assert codes(plan) == ["SnapshotLost s1"]
        assert not plan.steps


def test_the_own_definition_put_back_to_a_frozen_image_loses_nothing() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    wish = wanted("web01", "s1", "s2", prune=Prune.AUTO)
    before = set(fake.world.storage.files)
    Administrator(fake).edit("web01", "vda", BASE)
    plan = plan_of(fake, wish)
    assert "DefinitionWentBack" in [word.split()[0] for word in kinds(plan)]

    for _ in range(3):
        reconciled(fake, desired(wish), LOOP)

    assert set(fake.world.storage.files) >= before
    assert {entry.state for entry in ledger_of(fake).entries} == {EntryState.TAKEN}
    Administrator(fake).edit("web01", "vda", S2)
    assert not plan_of(fake, wish).drift


def test_an_empty_layer_pulled_away_by_hand_is_no_merge_into_what_lies_below() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1")
    Controller(fake).take("web01", "s2")
    fake.guest_goes_on("web01")
    Person(fake).blockpull("web01", "vda", base=BASE)
    wish = wanted("web01", "s1", "s2", prune=Prune.AUTO)

    for _ in range(2):
        reconciled(fake, desired(wish), PlanRequest())

    assert set(fake.domain("web01").records) == {"s1", "s2"}
    assert "SnapshotLost s1" not in codes(plan_of(fake, wish))


def test_a_commit_of_ours_moves_what_stood_on_it() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))

    reconciled(fake, desired(wanted("web01", "s2", prune=Prune.AUTO)), PlanRequest())

    assert frozen(fake) == {"s2": [BASE]}
    assert [known.path for known in ledger_of(fake).identities] == [BASE]
    assert not plan_of(fake, wanted("web01", "s2", prune=Prune.AUTO)).drift


def test_a_memory_that_a_managed_entry_names_stays_when_its_record_is_dropped() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    memory = fake.domain("web01").records[SnapshotName("s1")].memory_file
    Person(fake).snapshot_delete_metadata("web01", "s1")

    reconciled(fake, desired(wanted("web01", "s1", prune=Prune.AUTO)), PlanRequest())

    assert memory in fake.world.storage.files


def with_memory() -> FakeHost:
    """``s1`` with its memory, shut off since, and a revert to it is to be had."""
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    fake.guest_goes_on("web01")
    return fake


def test_a_ledger_says_what_the_saved_memory_calls_the_disks() -> None:
    fake = with_memory()

    (entry,) = ledger_of(fake).entries

    assert [(disk.path, disk.in_memory) for disk in entry.frozen] == [(BASE, BASE)]
    assert entry.memory in {known.path for known in ledger_of(fake).identities}


@pytest.mark.parametrize("how", ["other file", "other definition", "written disk"])
def test_a_memory_is_not_resumed_over_what_may_be_another_moment(how: str) -> None:
    fake = with_memory()
    path = fake.domain("web01").records[SnapshotName("s1")].memory_file
    assert path is not None
    file = fake.world.storage.file(path)
    assert file.saved is not None
    match how:
        case "other file":
            file.clusters = {0: 99}
        case "other definition":
            file.saved = replace(file.saved, disks=((file.saved.disks[0][0], S1),))
        case _:
            fake.world.storage.file(BASE).clusters[5] = 55
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")
    view = fake.guest_view("web01", "vda")

    result = reconciled(fake, desired(wanted("web01", "s1", revert=back)), PlanRequest())

    assert "RevertNotPossible s1" in codes(result.plan.domains[0])
    assert fake.guest_view("web01", "vda") == view
    assert fake.domain("web01").is_active


def test_an_untouched_memory_is_resumed() -> None:
    fake = with_memory()
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")

    result = reconciled(fake, desired(wanted("web01", "s1", revert=back)), PlanRequest())

    assert not result.plan.domains[0].refusals
    assert fake.domain("web01").is_active


def test_a_record_that_lies_is_drawn_on_the_image_that_holds_the_moment() -> None:
    fake = branched()
    fake.domain("web01").records[SnapshotName("s2")].disks["vda"].source = BASE

    ((drawn, _),) = as_proven(fake.observe())

    record = drawn.record("s2")
    assert record is not None
    assert record.frozen(DiskTarget("vda")) == S1


def test_what_a_saved_memory_names_goes_once_its_data_was_merged_and_the_moment_stays() -> None:
    """The memory goes on naming the image it was saved with, which our commit has emptied."""
    fake = host(domain("web01", vda="base"))
    moment = DesiredSnapshot(name=SnapshotName("s2"), memory=True)
    reconciled(fake, desired(wanted("web01", "s1")), PlanRequest())
    fake.guest_goes_on("web01")
    reconciled(fake, desired(wanted("web01", "s1", moment)), PlanRequest())
    fake.guest_goes_on("web01")

    result = reconciled(fake, desired(wanted("web01", moment, prune=Prune.AUTO)), PlanRequest())

    assert not result.domain.refusals
    assert frozen(fake) == {"s2": [BASE]}
    assert S1 not in fake.world.storage.files
    assert not plan_of(fake, wanted("web01", moment, prune=Prune.AUTO)).steps


def test_a_record_that_names_a_missing_image_is_not_forgotten_where_its_overlay_stands_on_another() -> (
    None
):
    """Somebody edited the record, and the ledger was rebuilt from it."""
    fake = host(domain("web01", shut_off, vda="base"))
    before = Controller(fake, remembers=False)
    before.take("web01", "s1")
    fake.guest_goes_on("web01")
    fake.domain("web01").records[SnapshotName("s1")].disks["vda"].source = image("gone")
    wish = wanted("web01", "s1", prune=Prune.AUTO)

    for _ in range(2):
        result = reconciled(fake, desired(wish), PlanRequest())

    assert "SnapshotUnproven s1" in codes(result.plan.domains[0])
    assert SnapshotName("s1") in fake.domain("web01").records
