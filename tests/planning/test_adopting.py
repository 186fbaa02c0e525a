"""Snapshots that somebody else took become ours, when the manifest names them and asks for it."""

from dataclasses import replace

import pytest

from reconciler.model.chain import MEMORY_FORMAT
from reconciler.model.desired import (
    CaptureType,
    DesiredRevert,
    DesiredSnapshot,
    Prune,
    RevertPower,
    Unmanaged,
)
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.outcome import DomainStatus
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal, RefusalCode
from reconciler.model.request import Consent, PlanRequest, Selection
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from reconciler.planning import adopting
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.drawing import (
    desired,
    domain,
    host,
    image,
    paused,
    running,
    shut_off,
    unmanaged,
    wanted,
)
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.planning.reading import codes, kinds, plan_of, steps

ADOPT = Unmanaged.ADOPT


def why(fake: FakeHost, name: str = "u1") -> Refusal | None:
    index = index_of(fake.observe())
    found = index.host.domain("web01")
    assert found is not None
    return adopting.candidates(world_of(index, found))[SnapshotName(name)]


def test_only_what_the_manifest_names_is_adopted() -> None:
    fake = host(domain("web01", unmanaged("u1", "u2"), vda="base ← u1 ← s1 ← u2"))
    views = fake.views()
    files = set(fake.world.storage.files)

    plan = plan_of(fake, wanted("web01", "u1", "s1", unmanaged=ADOPT))
    result = reconciled(fake, desired(wanted("web01", "u1", "s1", unmanaged=ADOPT)), PlanRequest())

    assert steps(plan) == ["adopt u1 mark"]
    assert kinds(plan) == ["SnapshotUnmanaged u1", "SnapshotUnmanaged u2"]
    assert result.outcomes[0].status is DomainStatus.APPLIED
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    entry = ledger.entry(SnapshotName("u1"))
    assert entry is not None
    assert (entry.source, entry.manifest) == ("tests", "web01.yaml")
    assert (entry.consistency, entry.power) == (None, None)
    assert not {i.path for i in ledger.images if i.snapshot != "s1"}
    assert (fake.views(), set(fake.world.storage.files)) == (views, files)
    after = plan_of(fake, wanted("web01", "u1", "s1", unmanaged=ADOPT))
    assert steps(after) + codes(after) == []


def test_without_adopt_the_name_is_refused() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← u1"))

    for setting in (Unmanaged.REPORT, Unmanaged.IGNORE):
        plan = plan_of(fake, wanted("web01", "u1", unmanaged=setting))
        assert steps(plan) + codes(plan) == ["NameTaken u1"]


def test_what_is_adopted_is_described_held_and_removed_like_any_other() -> None:
    fake = host(domain("web01", unmanaged("u1", "u2"), vda="base ← u1 ← u2"))
    u1_wish = DesiredSnapshot(name=SnapshotName("u1"), description="mine now", protect=True)
    view = fake.guest_view("web01", "vda")

    plan = plan_of(fake, wanted("web01", u1_wish, "u2", unmanaged=ADOPT))
    assert steps(plan) == ["adopt u1 mark", "adopt u2 mark", "redefine u1 'mine now'"]
    reconciled(fake, desired(wanted("web01", u1_wish, "u2", unmanaged=ADOPT)), PlanRequest())

    gone = wanted("web01", prune=Prune.AUTO)
    assert steps(plan_of(fake, gone))[0] == "commit vda base.u1 ← base.u2 active"
    reconciled(fake, desired(gone), PlanRequest(consent=Consent.LOOP))
    assert set(fake.domain("web01").records) == {"u1"}

    reconciled(
        fake,
        desired(wanted("web01", replace(u1_wish, protect=False), prune=Prune.AUTO)),
        PlanRequest(),
    )
    reconciled(fake, desired(gone), PlanRequest())
    assert not fake.domain("web01").records
    assert set(fake.world.storage.files) == {image("base")}
    assert fake.guest_view("web01", "vda") == view


def test_a_mark_whose_adoption_was_cut_short_is_written_down_by_the_next_plan() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← u1"))
    Controller(fake).mark("web01", "u1")

    assert steps(plan_of(fake, wanted("web01", "u1", unmanaged=ADOPT))) == ["adopt u1 taken"]
    # nobody declares it any more: it stays as nobody's
    left = plan_of(fake, wanted("web01", prune=Prune.AUTO, unmanaged=ADOPT))
    assert steps(left) == []
    assert kinds(left) == ["SnapshotUnmanaged u1"]


def test_a_target_that_leaves_it_out_leaves_it_alone() -> None:
    fake = host(domain("web01", unmanaged("u1", "u2"), vda="base ← u1 ← u2"))
    request = PlanRequest(selection=Selection(targets=("web01/u2",)))

    plan = plan_of(fake, wanted("web01", "u1", "u2", unmanaged=ADOPT), request=request)

    assert steps(plan) + codes(plan) == ["adopt u2 mark"]


def test_while_nothing_may_be_changed_no_record_is_marked() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← u1"))
    Person(fake).domain_job("web01", "backup")

    plan = plan_of(fake, wanted("web01", "u1", unmanaged=ADOPT))

    assert steps(plan) == []
    assert codes(plan) == ["DomainBusy"]


def test_a_lost_ledger_is_written_anew_first() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← u1"))
    Administrator(fake).lose_ledger("web01")
    wish = wanted("web01", "s1", "u1", unmanaged=ADOPT)

    first = plan_of(fake, wish)
    reconciled(fake, desired(wish), PlanRequest())

    assert steps(first) + codes(first) == ["adopt s1 taken"]
    assert steps(plan_of(fake, wish)) == ["adopt u1 mark"]


def test_one_with_memory_takes_its_memory_file_along_and_leaves_what_it_stands_on() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))
    Person(fake).snapshot_with_memory("web01", "u1")
    fake.guest_goes_on("web01")
    view = fake.guest_view("web01", "vda")
    files = set(fake.world.storage.files)
    u1 = DesiredSnapshot(name=SnapshotName("u1"), memory=True)

    taken = plan_of(fake, wanted("web01", u1, unmanaged=ADOPT))
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT)), PlanRequest())

    assert steps(taken) + codes(taken) == ["adopt u1 mark"]
    assert set(fake.world.storage.files) == files
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    assert not ledger.images
    gone = wanted("web01", prune=Prune.AUTO)
    assert "remove base.u1.mem memory" in steps(plan_of(fake, gone))
    reconciled(fake, desired(gone), PlanRequest())
    assert set(fake.world.storage.files) == {image("base"), image("data")}
    assert fake.guest_view("web01", "vda") == view


def test_a_memory_file_whose_record_somebody_dropped_is_nobodys_again() -> None:
    fake = host(domain("web01", vda="base"))
    Person(fake).snapshot_with_memory("web01", "u1")
    memory = fake.domain("web01").record(SnapshotName("u1")).memory_file
    u1 = DesiredSnapshot(name=SnapshotName("u1"), memory=True)
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT)), PlanRequest())
    Person(fake).snapshot_delete_metadata("web01", "u1")

    reconciled(fake, desired(wanted("web01", prune=Prune.AUTO)), PlanRequest())

    assert memory in fake.world.storage.files


def test_a_memory_file_that_must_not_be_removed_keeps_the_snapshot_from_going() -> None:
    fake = host(domain("web01", vda="base"))
    Person(fake).snapshot_with_memory("web01", "u1")
    u1 = DesiredSnapshot(name=SnapshotName("u1"), memory=True)
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT)), PlanRequest())
    fake.world.storage.folder("/images").is_shared = True

    plan = plan_of(fake, wanted("web01", prune=Prune.AUTO))

    assert steps(plan) + codes(plan) == ["SharedStorage u1"]


def test_a_memory_file_that_another_record_names_stays() -> None:
    fake = host(domain("web01", vda="base"))
    Person(fake).snapshot_with_memory("web01", "u1")
    u1 = DesiredSnapshot(name=SnapshotName("u1"), memory=True)
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT)), PlanRequest())
    Person(fake).snapshot_with_memory("web01", "u2")
    records = fake.domain("web01").records
    memory = records[SnapshotName("u1")].memory_file
    records[SnapshotName("u2")].memory_file = memory

    refused = why(fake, "u2")
    reconciled(fake, desired(wanted("web01", prune=Prune.AUTO)), PlanRequest())

    assert refused is not None
    assert refused.code is RefusalCode.NOT_ADOPTABLE
    assert "u1 has the same memory file" in refused.fact("cause")
    assert memory in fake.world.storage.files


@pytest.mark.parametrize("power", [running, shut_off])
def test_an_internal_one_is_adopted_and_deleted(power: PowerState) -> None:
    fake = host(domain("web01", power, vda="base", vdb="data"))
    Person(fake).snapshot_internal("web01", "u1")
    view = fake.guest_view("web01", "vda")
    u1 = DesiredSnapshot(
        name=SnapshotName("u1"), type=CaptureType.INTERNAL, memory=power is running
    )

    taken = plan_of(fake, wanted("web01", u1, unmanaged=ADOPT))
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT)), PlanRequest())

    assert steps(taken) + codes(taken) == ["adopt u1 mark"]
    after = plan_of(fake, wanted("web01", u1, unmanaged=ADOPT))
    assert kinds(after) == []
    gone = wanted("web01", prune=Prune.AUTO)
    assert steps(plan_of(fake, gone))[0].startswith("delete u1")
    reconciled(fake, desired(gone), PlanRequest())
    assert not fake.domain("web01").records
    assert not any(file.inside for file in fake.world.storage.files.values())
    assert fake.guest_view("web01", "vda") == view


@pytest.mark.parametrize("power", [running, paused])
def test_what_the_guest_did_is_known_where_its_memory_was_kept(power: PowerState) -> None:
    fake = host(domain("web01", power, vda="base"))
    Person(fake).snapshot_with_memory("web01", "u1")
    Administrator(fake).shut_off("web01")
    u1 = DesiredSnapshot(name=SnapshotName("u1"), memory=True)
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT)), PlanRequest())
    back = DesiredRevert(to=SnapshotName("u1"), request="r1", power=RevertPower.RECORDED)

    plan = plan_of(fake, wanted("web01", u1, unmanaged=ADOPT, revert=back))
    reconciled(fake, desired(wanted("web01", u1, unmanaged=ADOPT, revert=back)), PlanRequest())

    assert not plan.warnings
    assert fake.domain("web01").power is power
    assert len(fake.domain("web01").went_on_from) == 1


def internal(fake: FakeHost) -> None:
    Person(fake).snapshot_delete_metadata("web01", "u1")
    Person(fake).snapshot_internal("web01", "u1")
    fake.world.storage.file(image("base.u1")).inside.append((SnapshotName("u1"), {}))


def deleted_inside(fake: FakeHost) -> None:
    Person(fake).snapshot_delete_metadata("web01", "u1")
    Person(fake).snapshot_internal("web01", "u1")
    fake.world.storage.file(image("base.u1")).inside.clear()


def mixed(fake: FakeHost) -> None:
    disk = fake.domain("web01").record(SnapshotName("u1")).disks[DiskTarget("vda")]
    disk.capture = DiskCapture.MANUAL


def memory_alone(fake: FakeHost) -> None:
    record = fake.domain("web01").record(SnapshotName("u1"))
    record.memory, record.memory_file = MemoryCapture.EXTERNAL, image("u1.mem")
    record.disks[DiskTarget("vda")].capture = DiskCapture.SKIPPED


def without_its_memory(fake: FakeHost) -> None:
    record = fake.domain("web01").record(SnapshotName("u1"))
    record.memory, record.memory_file = MemoryCapture.EXTERNAL, image("u1.mem")


def memory_on_a_device(fake: FakeHost) -> None:
    without_its_memory(fake)
    record = fake.domain("web01").record(SnapshotName("u1"))
    record.memory_file = ImagePath("/dev/vg/memory")
    fake.world.storage.add(FakeFile(path=record.memory_file, format=MEMORY_FORMAT))


def missing(fake: FakeHost) -> None:
    Person(fake).remove_file(image("base"))


def unreadable(fake: FakeHost) -> None:
    Person(fake).make_unreadable(image("base"))


def overwritten(fake: FakeHost) -> None:
    disk = fake.domain("web01").definition.disks[0]
    disk.source, disk.stated = image("base"), None


def half_deleted(fake: FakeHost) -> None:
    fake.domain("web01").record(SnapshotName("u1")).is_delete_unfinished = True


def lost_before(fake: FakeHost) -> None:
    Person(fake).snapshot_delete_metadata("web01", "u1")
    Controller(fake).take("web01", "u1")
    Person(fake).snapshot_delete_metadata("web01", "u1")
    fake.world.storage.add(FakeFile(path=image("other")))
    Person(fake).snapshot_create("web01", "u1")


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        (internal, RefusalCode.NOT_ADOPTABLE),
        (deleted_inside, RefusalCode.NOT_ADOPTABLE),
        (mixed, RefusalCode.NOT_ADOPTABLE),
        (memory_alone, RefusalCode.NOT_ADOPTABLE),
        (without_its_memory, RefusalCode.STORAGE_ABSENT),
        (memory_on_a_device, RefusalCode.NOT_ADOPTABLE),
        (missing, RefusalCode.STORAGE_ABSENT),
        (unreadable, RefusalCode.NEEDS_LOCAL_ACCESS),
        (overwritten, RefusalCode.NOT_ADOPTABLE),
        (half_deleted, RefusalCode.NOT_ADOPTABLE),
        (lost_before, RefusalCode.NOT_ADOPTABLE),
    ],
)
def test_what_is_not_whole_or_of_another_kind_is_left_alone(deed: object, code: str) -> None:
    fake = host(domain("web01", shut_off, unmanaged("u1"), vda="base ← u1"))
    assert why(fake) is None
    assert callable(deed)
    deed(fake)

    refused = why(fake)
    assert refused is not None
    assert refused.code is code
    plan = plan_of(fake, wanted("web01", "u1", unmanaged=ADOPT, prune=Prune.AUTO))
    assert not any(step.startswith("adopt") for step in steps(plan))
    assert plan.refusals


def test_one_above_a_removal_that_was_begun_is_adopted_first_and_the_removal_finished() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    Controller(fake).begin_removal("web01", "s1", until="intended")
    Person(fake).snapshot_create("web01", "u1")

    plan = plan_of(fake, wanted("web01", "s2", "u1", unmanaged=ADOPT))

    assert steps(plan)[:2] == ["adopt u1 mark", "commit vda base ← vda-s1 offline rebase vda-s2"]
    assert codes(plan) == []
