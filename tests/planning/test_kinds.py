"""Snapshots with memory, and snapshots inside the images: what is planned, and what refused."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.engine import reconcile
from reconciler.model.action import Risk
from reconciler.model.desired import CaptureType, DesiredSnapshot, Prune, Quiesce
from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import Consistency, EntryState
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.plan import DomainPlan
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest, Selection
from reconciler.planning import letting_go, planner
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from reconciler.report.refusals import explained
from tests.drawing import FOLDER, desired, domain, host, image, paused, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import LIBVIRT_9_0, LIBVIRT_11_3, LOCAL, Crash, crash_at
from tests.planning.reading import codes, kinds, plan_of, steps

AUTO = Prune.AUTO


def kept(name: str = "s1", **fields: object) -> DesiredSnapshot:
    """With memory."""
    return DesiredSnapshot(name=SnapshotName(name), memory=True, **fields)  # type: ignore[arg-type]


def inside(name: str = "i1", *, memory: bool = False, **fields: object) -> DesiredSnapshot:
    """Inside the images."""
    return DesiredSnapshot(
        name=SnapshotName(name),
        type=CaptureType.INTERNAL,
        memory=memory,
        **fields,  # type: ignore[arg-type]
    )


def with_memory(fake: FakeHost, *names: str) -> FakeHost:
    for name in names:
        Controller(fake).take("web01", name, memory=True)
        fake.guest_goes_on("web01")
    return fake


def with_inside(fake: FakeHost, *names: str) -> FakeHost:
    for name in names:
        Controller(fake).take("web01", name, inside=True)
        fake.guest_goes_on("web01")
    return fake


def memory(name: str) -> ImagePath:
    return ImagePath(f"{FOLDER}/web01-memory-{name}.save")


def planned_on(observed: ObservedHost, *snapshots: DesiredSnapshot) -> DomainPlan:
    wish = desired(wanted("web01", *snapshots, prune=AUTO))
    now = observed.observed_at
    (plan,) = planner.plan_host(wish, wish.hosts[0], observed, PlanRequest(), now=now)
    return plan


# --- memory


def test_memory_gets_a_file_beside_the_first_disks_image() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))

    plan = plan_of(fake, wanted("web01", kept()))

    (step,) = plan.steps
    assert steps(plan) == ["create s1 vda,vdb memory"]
    assert step.action.memory_file == memory("s1")  # type: ignore[union-attr]
    assert step.action.consistency is Consistency.MEMORY  # type: ignore[union-attr]
    assert step.estimate.bytes == fake.domain("web01").memory_bytes
    assert not step.estimate.downtime
    assert step.risk is Risk.SAFE


def test_a_memory_file_that_is_there_already_is_avoided() -> None:
    fake = with_memory(host(domain("web01", vda="base")), "s1")
    Person(fake).snapshot_delete_metadata("web01", "s1")
    fake.domain("web01").persistent.ledger = fake.domain("web01").live.ledger = None  # type: ignore[union-attr]
    fake.world.journal.known.clear()

    plan = plan_of(fake, wanted("web01", kept(overlay=f"{FOLDER}/a-{{{{ disk.target }}}}-s1.img")))
    assert plan.steps[0].action.memory_file == f"{FOLDER}/a-memory-s1.save"  # type: ignore[union-attr]

    plan = plan_of(fake, wanted("web01", kept()))
    assert plan.steps[0].action.memory_file == f"{FOLDER}/web01-memory-s1.2.save"  # type: ignore[union-attr]


def test_a_guest_that_prefers_to_be_quiesced_is_not_when_its_memory_is_kept() -> None:
    fake = host(domain("web01", vda="base"))

    plan = plan_of(fake, wanted("web01", kept(quiesce=Quiesce.PREFERRED)))

    assert steps(plan) == ["create s1 vda memory"]


def test_a_shut_off_domain_has_no_memory_and_is_not_taken_without() -> None:
    fake = host(domain("web01", shut_off, vda="base"))

    plan = plan_of(fake, wanted("web01", kept(), "s2"))

    assert steps(plan) == []
    assert codes(plan) == ["MemoryNotPossible s1", "OrderNotMet s2"]


def test_devices_whose_state_cannot_be_saved_are_named() -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").unsaved_devices = ("a passed-through device",)

    plan = plan_of(fake, wanted("web01", kept()))

    assert codes(plan) == ["MemoryNotPossible s1"]
    assert plan.refusals[0].fact("device") == "a passed-through device"
    assert steps(plan_of(fake, wanted("web01", "s1"))) == ["create s1 vda"]


@pytest.mark.parametrize("wish", [kept(), inside("s1", memory=True)])
def test_without_room_for_all_of_the_memory_it_is_refused(wish: DesiredSnapshot) -> None:
    fake = host(domain("web01", vda="base"))
    fake.world.storage.folder(FOLDER).free = fake.domain("web01").memory_bytes

    assert codes(plan_of(fake, wanted("web01", wish))) == ["NoSpace s1"]


def test_from_another_machine_no_file_can_be_proven_to_be_absent() -> None:
    fake = host(domain("web01", vda="base"))

    plan = planned_on(replace(fake.observe(), is_local=False, folders=()), kept())

    assert codes(plan) == ["NeedsLocalAccess s1"]
    fake.world.storage.folder(FOLDER).is_listed = False
    assert codes(plan_of(fake, wanted("web01", kept()))) == ["NeedsLocalAccess s1"]


def test_the_memory_goes_with_its_snapshot_before_the_record_does() -> None:
    fake = with_memory(host(domain("web01", vda="base")), "s1", "s2")

    plan = plan_of(fake, wanted("web01", kept("s2"), prune=AUTO))

    assert steps(plan) == [
        "commit vda base ← vda-s1 live",
        "redefine s2 vda=base",
        "remove memory-s1.save memory",
        "forget s1",
        "remove vda-s1 emptied",
    ]
    reconciled(fake, desired(wanted("web01", kept("s2"), prune=AUTO)), PlanRequest())
    assert memory("s1") not in fake.world.storage.files
    assert fake.snapshot_view("web01", "s2", "memory")
    assert not plan_of(fake, wanted("web01", kept("s2"), prune=AUTO)).steps


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_death_around_the_removal_of_the_memory_is_made_good(moment: str) -> None:
    wish = wanted("web01", prune=AUTO)
    whole = with_memory(host(domain("web01", vda="base")), "s1")
    reconciled(whole.copied(), desired(wish), PlanRequest())
    number = 1 + _changes_before_removal(whole, wish)
    whole.world.changes.clear()
    whole.world.fault = crash_at(number, moment)

    with pytest.raises(Crash):
        reconciled(whole, desired(wish), PlanRequest())
    whole.world.fault = None
    whole.world.clock.wait(3600)
    (entry,) = whole.observe().domains[0].ledger.entries  # type: ignore[union-attr]
    assert entry.state is EntryState.DELETING
    reconciled(whole, desired(wish), PlanRequest())

    assert sorted(whole.world.storage.files) == [image("base")]
    assert not plan_of(whole, wish).steps


def _changes_before_removal(fake: FakeHost, wish: object) -> int:
    tried = fake.copied()
    tried.world.changes.clear()
    reconciled(tried, desired(wish), PlanRequest())  # type: ignore[arg-type]
    return tried.world.changes.index("remove_image")


def test_a_missing_memory_makes_the_snapshot_dangle() -> None:
    fake = with_memory(host(domain("web01", vda="base")), "s1")
    Person(fake).remove_file(memory("s1"))

    plan = plan_of(fake, wanted("web01", kept(), prune=Prune.NEVER))

    assert kinds(plan) == ["RecordDangling s1"]
    assert codes(plan) == ["StorageAbsent s1"]


def test_memory_without_its_record_is_an_orphan_that_a_person_may_remove() -> None:
    fake = with_memory(host(domain("web01", vda="base")), "s1")
    Person(fake).snapshot_delete_metadata("web01", "s1")

    named = PlanRequest(selection=Selection(targets=("web01/s1", "web01/s2")))
    removal, wish = "remove memory-s1.save orphaned", wanted("web01", "s2", prune=AUTO)
    assert removal not in steps(plan_of(fake, wish))
    assert removal in steps(plan_of(fake, wish, request=named))


def test_a_create_that_failed_leaves_no_memory_behind() -> None:
    fake = with_memory(host(domain("web01", vda="base")), "s1")
    Controller(fake).take("web01", "s2", memory=True, until="unrecorded")
    fake.guest_goes_on("web01")
    before = fake.guest_view("web01", "vda")

    reconciled(fake, desired(wanted("web01", kept(), prune=AUTO)), PlanRequest())

    assert memory("s2") not in fake.world.storage.files
    assert memory("s1") in fake.world.storage.files
    assert fake.guest_view("web01", "vda") == before


def test_a_create_that_nobody_wrote_down_is_adopted_with_its_memory() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", memory=True, until="created")
    wish = wanted("web01", kept(), prune=AUTO)

    reconciled(fake, desired(wish), PlanRequest())

    ledger = fake.domain("web01").ledger
    assert ledger is not None
    assert memory("s1") in ledger.image_paths
    assert not plan_of(fake, wish).steps


def test_once_the_memory_of_a_paused_guest_was_saved_it_must_go_on_first() -> None:
    fake = host(domain("web01", paused, vda="base"))
    Controller(fake).take("web01", "s1", memory=True)

    assert codes(plan_of(fake, wanted("web01", prune=AUTO))) == ["PowerState s1"]
    assert codes(plan_of(fake, wanted("web01", kept(), kept("s2")))) == ["PowerState s2"]
    assert steps(plan_of(fake, wanted("web01", kept(), "s2"))) == ["create s2 vda"]
    Administrator(fake).resume("web01")
    assert steps(plan_of(fake, wanted("web01", prune=AUTO)))[0] == "commit vda base ← vda-s1 active"


def test_one_that_went_on_may_be_paused_again() -> None:
    fake = host(domain("web01", paused, vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    Administrator(fake).resume("web01")
    Administrator(fake).pause("web01")

    assert steps(plan_of(fake, wanted("web01", prune=AUTO)))[0] == "commit vda base ← vda-s1 active"
    assert codes(plan_of(fake, wanted("web01", kept(), kept("s2")))) == []


def test_where_the_locks_cannot_be_asked_one_that_wrote_went_on() -> None:
    fake = host(domain("web01", paused, vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    Administrator(fake).resume("web01")
    Administrator(fake).pause("web01")

    assert why_not_merged(fake) is RefusalCode.POWER_STATE
    fake.guest_writes("web01", "vda", 1, 7)
    assert why_not_merged(fake) is None


def why_not_merged(fake: FakeHost) -> RefusalCode | None:
    """Of a guest whose images lie where nobody can look at locks."""
    observed = fake.observe()
    (seen,) = observed.domains
    remote = replace(observed, domains=(replace(seen, holds_images=None),))
    index = index_of(remote)
    found = letting_go.why_not(world_of(index, remote.domains[0]), None)
    return found.code if found else None


def test_one_in_another_branch_is_another_qemu_and_may_be_paused() -> None:
    fake = host(domain("web01", paused, vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    Administrator(fake).shut_off("web01")
    other = Person(fake).overlay_on("base", "other")
    Administrator(fake).edit("web01", "vda", other)
    Administrator(fake).start("web01")
    Administrator(fake).pause("web01")

    assert "PowerState" not in str(codes(plan_of(fake, wanted("web01", kept(), kept("s2")))))


# --- inside the images


def test_a_shut_off_domain_is_taken_inside_its_images() -> None:
    fake = host(domain("web01", shut_off, vda="base", vdb="data"))

    plan = plan_of(fake, wanted("web01", inside()))

    assert steps(plan) == ["create i1 vda,vdb internal"]
    assert plan.steps[0].risk is Risk.SAFE


def test_a_running_one_only_with_its_memory_which_stops_it_for_a_while() -> None:
    fake = host(domain("web01", vda="base"))

    assert codes(plan_of(fake, wanted("web01", inside()))) == ["InternalNotPossible i1"]
    plan = plan_of(fake, wanted("web01", inside(memory=True)))
    assert steps(plan) == ["create i1 vda internal memory"]
    assert plan.steps[0].risk is Risk.DISRUPTIVE
    assert plan.steps[0].estimate.downtime


def test_a_raw_disk_is_named() -> None:
    fake = host(domain("web01", shut_off, vda="base", vdb="data.img"))

    plan = plan_of(fake, wanted("web01", inside()))

    assert codes(plan) == ["DiskNotSupported i1"]
    assert plan.refusals[0].fact("disk") == "vdb"


@pytest.mark.parametrize(
    "trait", [{"is_excluded": True}, {"is_transient": True}, {"format": "raw"}]
)
def test_nobody_is_told_to_leave_a_disk_out_of_an_internal_snapshot(trait: dict[str, Any]) -> None:
    """A manifest that says so is not valid."""
    fake = host(domain("web01", shut_off, vda="base", vdb="data"))
    seen = fake.observe()
    (web01,) = seen.domains
    assert web01.persistent is not None
    disks = tuple(replace(d, **trait) if d.target == "vdb" else d for d in web01.persistent)
    seen = replace(seen, domains=(replace(web01, persistent=disks),))

    now, wish = fake.world.clock.now(), desired(wanted("web01", inside()))
    (plan,) = reconcile.make_plan(wish, {LOCAL: seen}, PlanRequest(), now=now).domains
    (why,) = plan.refusals
    assert why.fact("disk") == "vdb"
    said = explained(why, domain="web01").hint
    assert "set `type: external`" in said
    assert not said.startswith("leave it out")


def test_a_snapshot_of_that_name_that_libvirt_does_not_know_is_refused() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Person(fake).image_snapshot(image("base"), "i1")

    plan = plan_of(fake, wanted("web01", inside()))

    assert codes(plan) == ["NameTaken i1"]
    assert plan.refusals[0].fact("image") == image("base")


@pytest.mark.parametrize(
    ("version", "is_off", "has_pflash", "expected"),
    [
        (LIBVIRT_9_0, True, True, ["InternalNotPossible i1"]),
        (LIBVIRT_9_0, True, False, ["create i1 vda internal"]),
        (LIBVIRT_11_3, True, True, ["create i1 vda internal"]),
        (LIBVIRT_11_3, False, True, ["InternalNotPossible i1"]),
    ],
)
def test_with_uefi_only_where_libvirt_does_it(
    version: int, *, is_off: bool, has_pflash: bool, expected: list[str]
) -> None:
    power = [shut_off] if is_off else []
    observed = host(domain("web01", *power, vda="base"), version=version).observe()
    (seen,) = observed.domains
    with_uefi = replace(observed, domains=(replace(seen, firmware="uefi", has_pflash=has_pflash),))

    plan = planned_on(with_uefi, inside(memory=not is_off))

    assert steps(plan) + codes(plan) == expected


def test_one_that_leaves_the_manifest_is_deleted() -> None:
    fake = with_inside(host(domain("web01", vda="base", vdb="data")), "i1", "i2")
    before = fake.views()
    wish = wanted("web01", inside("i2", memory=True), prune=AUTO)

    assert steps(plan_of(fake, wish)) == ["delete i1 vda=base,vdb=data"]
    reconciled(fake, desired(wish), PlanRequest())

    after = fake.views()
    assert all(after[key] == before[key] for key in after)
    assert [name for name, _ in fake.world.storage.file(image("base")).inside] == ["i2"]
    assert not plan_of(fake, wish).steps


def test_one_in_a_frozen_layer_waits_for_the_guest_to_be_off() -> None:
    fake = with_inside(host(domain("web01", vda="base")), "i1")
    Controller(fake).take("web01", "s1")
    nothing = wanted("web01", prune=AUTO)

    plan = plan_of(fake, nothing)
    assert codes(plan) == ["NeedsPowerOff i1", "InternalSnapshots s1"]
    assert plan.refusals[0].fact("snapshots") == "s1"
    assert codes(plan_of(fake, wanted("web01", "s1", prune=AUTO))) == ["NeedsPowerOff i1"]

    Administrator(fake).shut_off("web01")
    assert steps(plan_of(fake, wanted("web01", "s1", prune=AUTO))) == ["delete i1 vda=base"]
    assert steps(plan_of(fake, nothing))[:3] == [
        "delete i1 vda=base",
        "commit vda base ← vda-s1 offline",
        "forget s1",
    ]


@pytest.mark.parametrize("version", [LIBVIRT_9_0, LIBVIRT_11_3])
def test_a_disk_that_holds_no_snapshots_keeps_an_old_libvirt_from_deleting(version: int) -> None:
    fake = with_inside(host(domain("web01", shut_off, vda="base"), version=version), "i1")
    Administrator(fake).attach_disk("web01", "vdb", f"{FOLDER}/raw.img")
    Administrator(fake).start("web01")
    wish = wanted("web01", prune=AUTO)

    plan = plan_of(fake, wish)

    assert steps(plan) + codes(plan) == (
        ["NeedsPowerOff i1"] if version == LIBVIRT_9_0 else ["delete i1 vda=base"]
    )
    Administrator(fake).shut_off("web01")
    reconciled(fake, desired(wish), PlanRequest())
    assert not fake.domain("web01").records
    assert not fake.world.storage.file(image("base")).inside


def test_one_on_top_of_an_external_one_goes_first_when_both_go() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    with_inside(fake, "i1")

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert steps(plan)[:2] == ["delete i1 vda=vda-s1", "commit vda base ← vda-s1 active"]
    kept_ = wanted("web01", inside(memory=True), prune=AUTO)
    assert codes(plan_of(fake, kept_)) == ["InternalSnapshots s1"]


def test_one_that_somebody_deleted_from_its_image_is_only_a_record() -> None:
    fake = with_inside(host(domain("web01", vda="base")), "i1")
    fake.world.storage.file(image("base")).inside.clear()

    plan = plan_of(fake, wanted("web01", inside(memory=True), prune=Prune.NEVER))
    assert kinds(plan) == ["RecordDangling i1"]
    assert codes(plan) == ["SnapshotLost i1"]
    assert steps(plan_of(fake, wanted("web01", prune=AUTO))) == ["forget i1"]


def test_an_image_that_another_domain_stands_on_is_left_alone() -> None:
    fake = with_inside(host(domain("web01", vda="base")), "i1")
    Administrator(fake).shut_off("web01")
    Person(fake).overlay_on(image("base"), image("other"))
    Administrator(fake).define("web02", {"vda": image("other")})

    assert codes(plan_of(fake, wanted("web01", prune=AUTO))) == ["UnmanagedReader i1"]
    wish = wanted("web01", inside(), inside("i2"))
    assert "UnmanagedReader i2" in codes(plan_of(fake, wish))


# --- declared otherwise than taken


@pytest.mark.parametrize(
    ("taken", "wish", "field"),
    [
        ({"memory": True}, DesiredSnapshot(name=SnapshotName("s1")), "memory"),
        ({}, kept(), "memory"),
        ({"inside": True}, kept(), "type"),
        ({"inside": True}, inside("s1"), "memory"),
        ({"inside": True}, inside("s1", memory=True), None),
        ({"memory": True}, kept(take=frozenset({DiskTarget("vda")})), None),
    ],
)
def test_what_was_taken_otherwise_is_told(
    taken: dict[str, bool], wish: DesiredSnapshot, field: str | None
) -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", **taken)  # type: ignore[arg-type]

    plan = plan_of(fake, wanted("web01", wish))

    assert not plan.steps
    assert [d.field for d in plan.drift] == ([field] if field else [])  # type: ignore[union-attr]
