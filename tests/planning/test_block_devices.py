"""Disks on block devices: where their overlays go, and what may be merged into a device."""

from dataclasses import replace

import pytest

from reconciler.model.action import CommitOverlays, CreateSnapshot
from reconciler.model.desired import DesiredSnapshot, Prune
from reconciler.model.domain import DiskKind
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.plan import DomainPlan
from reconciler.planning import creation, safety, simulate, space
from reconciler.planning.diagnosis import diagnose
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.drawing import domain, host, wanted
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.planning.reading import codes, plan_of, steps

VOLUME = ImagePath("/dev/vg0/web01")
IMAGES = ("/images",)
AUTO = Prune.AUTO


def on_volume(*snapshots: str, **disks: str) -> FakeHost:
    """web01 with these snapshots, vda on a logical volume."""
    fake = host(domain("web01", vda=" ← ".join((VOLUME, *snapshots)), **disks))
    fake.world.storage.folder("/images")
    fake.world.extra_folders = IMAGES
    return fake


def overlays(plan: DomainPlan) -> list[str]:
    (step,) = plan.steps
    assert isinstance(step.action, CreateSnapshot)
    return [new.overlay for new in step.action.overlays]


def facts(plan: DomainPlan) -> dict[str, str]:
    (refused,) = plan.refusals
    return {name: str(value) for name, value in refused.facts}


def test_without_a_declared_folder_there_is_nowhere_to_put_an_overlay() -> None:
    plan = plan_of(on_volume(), wanted("web01", "s1"))

    assert codes(plan) == ["OutsideFolders s1"]
    assert facts(plan)["device"] == VOLUME


@pytest.mark.parametrize("folder", ["/dev/vg0", "/dev", "/dev/"])
def test_a_folder_of_devices_is_none_even_if_it_is_declared(folder: str) -> None:
    plan = plan_of(on_volume(), wanted("web01", "s1"), folders=(folder,))

    assert codes(plan) == ["OutsideFolders s1"]


def test_the_first_declared_folder_stands_for_the_folder_of_the_image() -> None:
    folders = ("/dev/shm", "/srv/overlays/", "/images")

    plan = plan_of(on_volume(vdb="data"), wanted("web01", "s1"), folders=folders)

    assert overlays(plan) == ["/srv/overlays/web01-vda-s1.qcow2", "/images/web01-vdb-s1.qcow2"]


def test_a_template_may_name_any_declared_folder_and_no_other() -> None:
    def planned(folder: str) -> DomainPlan:
        template = f"{folder}/{{{{ disk.target }}}}-{{{{ snapshot.name }}}}.qcow2"
        snapshot = DesiredSnapshot(name=SnapshotName("s1"), overlay=template)
        return plan_of(on_volume(), wanted("web01", snapshot), folders=("/a", "/b"))

    assert overlays(planned("/b")) == ["/b/vda-s1.qcow2"]
    assert codes(planned("/dev/vg0")) == ["OutsideFolders s1"]
    assert codes(planned("/c")) == ["OutsideFolders s1"]


def test_further_overlays_stay_in_the_folder_of_the_first() -> None:
    fake = on_volume("s1")

    assert overlays(plan_of(fake, wanted("web01", "s1", "s2"))) == ["/images/web01-vda-s2.qcow2"]


def test_the_room_that_counts_is_where_the_overlay_goes() -> None:
    fake = on_volume()
    fake.world.storage.folder("/images").free = 1000

    plan = plan_of(fake, wanted("web01", "s1"), folders=IMAGES)

    assert codes(plan) == ["NoSpace s1"]
    assert facts(plan)["folder"] == "/images"


def test_all_goes_back_into_the_device_and_it_is_not_removed() -> None:
    plan = plan_of(on_volume("s1", "s2"), wanted("web01", prune=AUTO), folders=IMAGES)

    assert steps(plan) == [
        "commit vda web01 ← vda-s1, vda-s2 active",
        "forget s2",
        "forget s1",
        "remove vda-s2 emptied",
        "remove vda-s1 emptied",
    ]


def test_the_definition_is_foreseen_to_name_a_device_again() -> None:
    fake = on_volume("s1")
    plan = plan_of(fake, wanted("web01", prune=AUTO), folders=IMAGES)
    world = world_of(index_of(fake.observe()), fake.observe().domains[0])
    seen = [world.domain.disks[0].kind]
    for step in plan.steps:
        world = simulate.after(world, step.action)
        seen.append(world.domain.disks[0].kind)

    assert seen[:2] == [DiskKind.FILE, DiskKind.BLOCK]
    assert (world.domain.disks[0].source, world.domain.disks[0].format) == (VOLUME, "raw")


def test_an_image_that_outgrew_the_device_is_not_merged_into_it() -> None:
    fake = on_volume("s1")
    device = fake.world.storage.file(VOLUME)
    device.virtual_size //= 2

    plan = plan_of(fake, wanted("web01", prune=AUTO), folders=IMAGES)

    assert codes(plan) == ["NoSpace s1"]
    assert facts(plan)["device"] == VOLUME
    assert int(facts(plan)["need"]) == 2 * int(facts(plan)["whole"])


def why_not_merged(fake: FakeHost, path: ImagePath, **facts: object) -> str | None:
    """What is said of the first commit planned once *path* is seen to be otherwise."""
    plan, seen = plan_of(fake, wanted("web01", prune=AUTO), folders=IMAGES), fake.observe()
    images = tuple(replace(i, **facts) if i.path == path else i for i in seen.images)  # type: ignore[arg-type]
    world = world_of(index_of(replace(seen, images=images)), seen.domains[0], IMAGES)
    commit = plan.steps[0].action
    assert isinstance(commit, CommitOverlays)
    refused = safety.why_not_commit(world, commit, frozenset(commit.snapshots))
    return refused.code if refused else None


@pytest.mark.parametrize(("room", "expected"), [(0, None), (-1, "NoSpace")])
def test_qcow2_on_a_device_is_merged_into_only_if_all_of_it_has_room(
    room: int, expected: str | None
) -> None:
    size = space.full_qcow2(1 << 30) + room

    assert why_not_merged(on_volume("s1"), VOLUME, format="qcow2", device_size=size) == expected


def test_a_device_of_unknown_size_is_not_merged_into() -> None:
    assert why_not_merged(on_volume("s1"), VOLUME, device_size=None) == "NoSpace"


def test_an_overlay_that_somebody_put_on_a_device_is_not_merged() -> None:
    overlay = ImagePath("/images/web01-vda-s1.qcow2")

    assert why_not_merged(on_volume("s1"), overlay, is_device=True) == "DiskNotSupported"


def test_a_volume_that_is_not_there_stops_the_domain() -> None:
    fake = on_volume("s1")
    Person(fake).remove_file(VOLUME)

    plan = plan_of(fake, wanted("web01", prune=AUTO), folders=IMAGES)

    assert codes(plan) == ["StorageAbsent"]


def test_another_domain_on_the_same_device_is_a_reader() -> None:
    fake = on_volume("s1")
    Administrator(fake).define("backup", {"vda": VOLUME})

    plan = plan_of(fake, wanted("web01", prune=AUTO), folders=IMAGES)

    assert codes(plan) == ["UnmanagedReader s1"]
    assert facts(plan)["readers"] == "backup"


@pytest.mark.parametrize("is_below", [True, False], ids=["below", "above"])
def test_another_domain_on_what_shares_its_bytes_is_a_reader(is_below: bool) -> None:
    fake = on_volume("s1")
    Administrator(fake).define("backup", {"vda": "/dev/sdb"})
    seen = fake.observe()
    upper, lower = (VOLUME, "/dev/sdb") if is_below else ("/dev/sdb", VOLUME)
    images = tuple(
        replace(i, lies_on=(ImagePath(lower),)) if i.path == upper else i for i in seen.images
    )
    world = world_of(index_of(replace(seen, images=images)), seen.domains[1], IMAGES)

    assert world.domain.name == "web01"
    assert [naming.domain for naming in world.foreign[VOLUME]] == ["backup"]


def test_a_name_that_may_mean_another_device_tomorrow_is_refused() -> None:
    fake = on_volume()
    seen = fake.observe()
    world = world_of(index_of(seen), seen.domains[0], IMAGES)
    disk = replace(world.domain.disks[0], is_passing_name=True)

    cause = creation.why_not_supported(world, disk)

    assert cause
    assert cause.endswith(f"name it {VOLUME}")


def test_an_image_on_a_volume_beside_it_is_a_reader() -> None:
    fake = on_volume("s1")
    beside = ImagePath("/dev/vg0/stray")
    fake.world.storage.add(FakeFile(path=beside, backing=VOLUME, backing_format="raw"))

    plan = plan_of(fake, wanted("web01", prune=AUTO), folders=IMAGES)

    assert codes(plan) == ["UnmanagedReader s1"]
    assert facts(plan)["readers"] == beside


def test_a_device_on_another_machine_is_refused_by_name() -> None:
    fake = on_volume()
    seen = replace(fake.observe(), is_local=False)
    world = world_of(index_of(seen), seen.domains[0], IMAGES)

    cause = creation.why_not_supported(world, world.domain.disks[0])

    assert cause
    assert cause.startswith("a block device on another machine")


def test_doctor_names_a_device_that_has_no_folder_for_overlays() -> None:
    fake = on_volume()
    causes = [f.fact("cause") for f in diagnose(fake.observe())]

    assert causes == [
        "a block device, and no folder for overlays is declared (spec.folders of the Host)"
    ]
