"""What a block device is called: told from folders as /dev and /sys have them, without devices."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.hypervisor.devices import DeviceNames
from reconciler.hypervisor.folders import device_folders
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.paths import PathBook
from reconciler.model.names import ImagePath

DM_3, DM_4, SDB = os.makedev(253, 3), os.makedev(253, 4), os.makedev(8, 16)
NODES = {"dm-3": DM_3, "dm-4": DM_4, "sdb": SDB}


@dataclass
class Machine:
    """A /dev with nodes (plain files here) and links, and what the kernel says of the nodes."""

    folder: Path
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "dev").mkdir()
        for name, number in NODES.items():
            node = self.folder / "dev" / name
            node.touch()
            self.numbers[str(node)] = number

    def link(self, name: str, node: str) -> str:
        """``/dev/NAME`` → ``/dev/NODE``."""
        path = self.folder / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.folder / "dev" / node)
        return str(path)

    def kernel(self, number: int, **facts: str) -> None:
        """``dm__name="vg0-lv"`` is what /sys says in ``dm/name``."""
        for fact, value in facts.items():
            device = f"{os.major(number)}:{os.minor(number)}"
            path = self.folder / "sys/dev/block" / device / fact.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")

    def volume(self, number: int, name: str) -> None:
        """A logical volume, as device-mapper calls it."""
        self.kernel(number, dm__name=name, dm__uuid=f"LVM-{name}")

    def names(self) -> DeviceNames:
        """As one observation has them."""
        return DeviceNames(
            dev=str(self.folder / "dev"),
            sys=str(self.folder / "sys"),
            number_of=lambda path: self.numbers.get(os.path.realpath(path)),
        )

    def called(self, number: int, asked: str) -> str:
        """The name, without the folder of this test."""
        return self.names().name(number, asked).removeprefix(str(self.folder))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_logical_volume_is_called_as_lvm_calls_it(machine: Machine) -> None:
    machine.volume(DM_3, "vg0-web01")
    machine.link("vg0/web01", "dm-3")
    machine.link("mapper/vg0-web01", "dm-3")
    machine.link("disk/by-id/dm-name-vg0-web01", "dm-3")

    for asked in ("/dev/dm-3", "/dev/mapper/vg0-web01", "/dev/disk/by-id/dm-name-vg0-web01"):
        assert machine.called(DM_3, asked) == "/dev/vg0/web01"


def test_hyphens_of_a_name_are_told_from_the_one_between_group_and_volume(
    machine: Machine,
) -> None:
    machine.volume(DM_3, "my--group-web--01")
    machine.link("my-group/web-01", "dm-3")

    assert machine.called(DM_3, "/dev/dm-3") == "/dev/my-group/web-01"


@pytest.mark.parametrize("elsewhere", ["dm-4", None])
def test_a_name_counts_only_if_it_leads_to_that_device(
    machine: Machine, elsewhere: str | None
) -> None:
    machine.volume(DM_3, "vg0-web01")
    machine.link("mapper/vg0-web01", "dm-3")
    if elsewhere:
        machine.link("vg0/web01", elsewhere)

    assert machine.called(DM_3, "/dev/dm-3") == "/dev/mapper/vg0-web01"


def test_other_mapped_devices_are_called_by_their_map(machine: Machine) -> None:
    machine.kernel(DM_4, dm__name="mpath-a", dm__uuid="mpath-3600")
    machine.link("mpath/a", "dm-4")
    machine.link("mapper/mpath-a", "dm-4")

    assert machine.called(DM_4, "/dev/dm-4") == "/dev/mapper/mpath-a"


def test_a_disk_is_called_by_its_first_id_and_never_by_what_the_guest_wrote_on_it(
    machine: Machine,
) -> None:
    machine.link("disk/by-id/lvm-pv-uuid-Abc", "sdb")
    machine.link("disk/by-id/wwn-0x5000", "sdb")
    machine.link("disk/by-id/scsi-3600", "sdb")
    machine.link("disk/by-id/a-other", "dm-4")
    by_uuid = machine.link("disk/by-uuid/1234", "sdb")

    assert machine.called(SDB, by_uuid) == "/dev/disk/by-id/scsi-3600"


def test_a_device_that_nobody_names_for_good_keeps_the_name_it_was_asked_for_first(
    machine: Machine,
) -> None:
    names = machine.names()

    assert names.name(SDB, "/srv/links/disk") == "/srv/links/disk"
    assert names.name(SDB, "/dev/sdb") == "/srv/links/disk"


def test_where_there_is_no_id_the_place_in_the_machine_names_a_disk(machine: Machine) -> None:
    machine.link("disk/by-id/wwn-0x5000", "dm-4")
    machine.link("disk/by-path/pci-0000:00:05.0", "sdb")

    assert machine.called(SDB, "/dev/sdb") == "/dev/disk/by-path/pci-0000:00:05.0"


def test_the_kernels_own_name_is_told_from_others(machine: Machine) -> None:
    machine.kernel(SDB, uevent="MAJOR=8\nMINOR=16\nDEVNAME=sdb")
    names = machine.names()

    assert names.is_kernels(str(machine.folder / "dev/sdb"), SDB)
    assert not names.is_kernels(machine.link("disk/by-id/wwn-0x5000", "sdb"), SDB)


def test_all_that_a_volume_lies_on_is_found(machine: Machine) -> None:
    sda, sda1 = os.makedev(8, 0), os.makedev(8, 1)
    machine.kernel(sda, uevent="DEVNAME=sda", dev="8:0", sda1__dev="8:1", sda1__partition="1")
    partition = machine.folder / "sys/dev/block/8:1"
    partition.symlink_to(machine.folder / "sys/dev/block/8:0/sda1")
    machine.kernel(sda1, uevent="DEVNAME=sda1", dev="8:1")
    machine.kernel(DM_3, slaves__sda1__dev="8:1", slaves__sdb__dev="8:16")
    machine.kernel(SDB, uevent="DEVNAME=sdb", loop__backing_file="/srv/disk.img")

    found = sorted(path.removeprefix(str(machine.folder)) for path in machine.names().below(DM_3))

    assert found == ["/dev/sda", "/dev/sda1", "/dev/sdb", "/srv/disk.img"]


def test_the_size_is_the_kernels(machine: Machine) -> None:
    machine.kernel(SDB, size="65536")

    assert machine.names().size(SDB) == 32 << 20
    assert machine.names().size(DM_3) is None


def test_the_volumes_of_its_group_lie_beside_a_volume_and_nothing_beside_a_disk(
    machine: Machine,
) -> None:
    machine.volume(DM_3, "vg0-web01")
    web01 = machine.link("vg0/web01", "dm-3")
    db01 = machine.link("vg0/db01", "dm-4")
    (machine.folder / "dev/vg0/note").touch()

    assert machine.names().beside(web01, DM_3) == [db01]
    assert machine.names().beside(str(machine.folder / "dev/sdb"), SDB) == []


def test_files_are_called_as_before(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    (tmp_path / "link").symlink_to(image)
    book = PathBook(is_local=True)

    assert book.canonical(str(tmp_path / "link")) == book.canonical(str(image)) == str(image)


def test_a_folder_of_devices_has_no_room_and_is_not_written_to(tmp_path: Path) -> None:
    shelf = ImageShelf(PathBook(is_local=True), is_local=True)

    (folder,) = device_folders([ImagePath(str(tmp_path / "vg0" / "web01"))], shelf)

    assert folder.path == str(tmp_path / "vg0")
    assert folder.is_listed
    assert not folder.is_writable
    assert folder.free is None
