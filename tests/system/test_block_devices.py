"""Disks on block devices: overlays go to a declared folder, and the data comes back to the device."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree

from reconciler.model.desired import (
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
    Shutdown,
)
from reconciler.model.names import SnapshotName
from tests.lab.domain_xml import DiskSpec, block_device
from tests.lab.guest import Guest, Lab
from tests.lab.journal import sha256_of_guest_view
from tests.lab.loop import LoopDevices
from tests.lab.versions import each_libvirt
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk, desk
from tests.system.site import Site
from tests.system.test_readers import host_manifest

pytestmark = pytest.mark.qemu

MIB = 1 << 20


@dataclass
class Volumes:
    """A host with volumes, a folder for overlays, and virtsnap in this process."""

    lab: Lab
    desk: Desk
    devices: LoopDevices
    folder: Path
    released: list[str] = field(default_factory=list)

    @property
    def overlays(self) -> Path:
        """The Host's folder, which the manifest knows by a link."""
        return self.folder / "somewhere else"

    def volume(self, name: str, *, content: Path | None = None, size: int = 32 * MIB) -> Path:
        """``/dev/vg0/NAME``, a link as LVM makes it, below a folder of the test's own."""
        file = self.folder / f"{name}.raw"
        if content is None:
            by_hand.run("truncate", "-s", str(size), str(file))
        else:
            by_hand.run("cp", "--sparse=always", str(content), str(file))
        return self.devices.named(file, self.folder / "dev" / "vg0" / name)

    def wish(self, guest: Guest, *names: str, **spec: Any) -> DesiredDomain:
        """These snapshots, and every other removed."""
        wanted = [DesiredSnapshot(name=SnapshotName(name)) for name in names]
        wanted += [DesiredSnapshot(name=SnapshotName(n), protect=False) for n in self.released]
        return DesiredDomain(
            host=LOCAL,
            domain=guest.name,
            snapshots=tuple(wanted),
            origin=Origin(manifest="volumes"),
            prune=Prune.AUTO,
            shutdown=Shutdown(timeout=30, then_destroy=True),
            **spec,
        )

    def apply(self, guest: Guest, *names: str, **spec: Any) -> None:
        """One pass that ends well, after which nothing is left to do."""
        wish = self.wish(guest, *names, **spec)
        outcome = self.desk.apply(wish)
        assert outcome.error is None, outcome.error
        assert not outcome.refusals
        assert not self.desk.plan(wish).steps

    def refuses(self, guest: Guest, *names: str) -> dict[str, str]:
        """The one refusal of a plan that does nothing: its facts, and ``code``."""
        plan = self.desk.plan(self.wish(guest, *names))
        assert not plan.steps
        (refused,) = plan.refusals
        return {"code": refused.code, **{name: str(value) for name, value in refused.facts}}


@pytest.fixture(params=each_libvirt())
def volumes(
    request: pytest.FixtureRequest, loop_devices: LoopDevices, tmp_path: Path
) -> Iterator[Volumes]:
    """On each libvirt."""
    lab: Lab = request.getfixturevalue(request.param)
    (tmp_path / "somewhere else").mkdir()
    (tmp_path / "overlays").symlink_to(tmp_path / "somewhere else")
    with desk(lab, tmp_path, folders=(str(tmp_path / "overlays"),)) as at:
        yield Volumes(lab, at, loop_devices, tmp_path)


def checksum(device: Path) -> str:
    """The sum over all of a device that ``storage.view`` has for a disk with the same bytes."""
    return sha256_of_guest_view(device, "raw")


def spelled(guest: Guest) -> list[tuple[str, dict[str, str], str]]:
    """What each definition says of vda: type, source and format; and no definition a mirror."""
    found = []
    for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
        disk = etree.fromstring(guest.domain.XMLDesc(flags)).find("./devices/disk[target]")
        assert disk is not None
        found.append(of_disk(disk))
    return found


def of_disk(disk: etree._Element) -> tuple[str, dict[str, str], str]:
    """Type, attributes of the source, and format."""
    source, driver = disk.find("source"), disk.find("driver")
    assert source is not None
    assert driver is not None
    attributes = {str(k): str(v) for k, v in source.attrib.items() if k != "index"}
    return str(disk.get("type")), attributes, str(driver.get("type"))


def frozen(guest: Guest, snapshot: str) -> tuple[str, dict[str, str], str]:
    """The same of the disk as the record has it."""
    disk = by_hand.record(guest, snapshot).find("./domain/devices/disk")
    assert disk is not None
    return of_disk(disk)


def test_a_running_guest_comes_back_to_its_volume_and_goes_back_to_a_moment(
    volumes: Volumes,
) -> None:
    volume = volumes.volume("web01", content=volumes.lab.files.data_disk)
    guest = volumes.lab.guest_of((block_device(volume),), "web01")
    on_volume = ("block", {"dev": str(volume)}, "raw")
    guest.start()
    volumes.apply(guest, "s1")
    assert guest.active_images()["vda"] == volumes.overlays / "web01-vda-s1.qcow2"
    moment = checksum(volume)
    guest.wait_for_record(guest.head() + 2)
    volumes.apply(guest, "s1", "s2")
    head = guest.wait_for_record(guest.head() + 2)
    assert checksum(volume) == moment

    volumes.apply(guest, "s2")  # a live commit: s2 froze the device itself now
    assert frozen(guest, "s2") == on_volume
    volumes.apply(guest)  # an active commit, with a pivot
    assert spelled(guest) == [on_volume] * 2
    assert not list(volumes.overlays.iterdir())
    assert guest.verify()["vda"] >= head

    volumes.apply(guest, "s1")
    moment = checksum(volume)
    guest.wait_for_record(guest.head() + 2)
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)
    volumes.apply(guest, "s1", revert=back)
    assert guest.is_running
    assert checksum(volume) == moment
    volumes.apply(guest)
    assert spelled(guest) == [on_volume] * 2
    assert not list(volumes.overlays.iterdir())
    assert volume.is_symlink()
    assert volume.is_block_device()


def test_shut_off_the_data_is_merged_into_the_volume(volumes: Volumes) -> None:
    volume = volumes.volume("web01")
    guest = volumes.lab.guest_of((block_device(volume),), "web01")
    on_volume = ("block", {"dev": str(volume)}, "raw")
    for number, names in enumerate((["s1"], ["s1", "s2"], ["s1", "s2", "s3"]), start=1):
        volumes.apply(guest, *names)
        by_hand.write(guest.active_images()["vda"], number, number)
    present, moments = storage.view(guest), storage.moments(guest)

    back = DesiredRevert(to=SnapshotName("s2"), request="r1")
    volumes.apply(guest, "s1", "s2", "s3", revert=back)
    assert storage.view(guest)["vda"] == moments["s2", "vda"]
    again = DesiredRevert(to=SnapshotName("before-revert-r1"), request="r2", discards=True)
    volumes.apply(guest, "s1", "s2", "s3", revert=again)
    assert storage.view(guest) == present
    volumes.released = [name for name in by_hand.names(guest) if name.startswith("before")]
    volumes.apply(guest, "s1", "s2", "s3", revert=again)
    volumes.released = []

    volumes.apply(guest, "s2", "s3", revert=again)
    assert frozen(guest, "s2") == on_volume
    assert storage.chain(guest.active_images()["vda"])[-1] == volume
    assert storage.moments(guest) == {key: sum_ for key, sum_ in moments.items() if key[0] != "s1"}
    volumes.apply(guest, revert=again)
    assert spelled(guest) == [on_volume] * 2
    assert checksum(volume) == present["vda"]
    assert not list(volumes.overlays.iterdir())
    assert volume.is_block_device()


def test_one_volume_by_two_names_is_one_image(volumes: Volumes) -> None:
    volume = volumes.volume("web01")
    other = volumes.folder / "dev" / "mapper" / "vg0-web01"
    other.parent.mkdir()
    other.symlink_to(volume.resolve())
    guest = volumes.lab.guest_of((block_device(volume),), "web01")
    volumes.apply(guest, "s1")
    by_hand.write(guest.active_images()["vda"], 1, 1)
    before = checksum(volume)
    volumes.lab.guest_of((block_device(other),), "backup")
    volumes.lab.guest_of((block_device(volume.resolve()),), "another")
    behind = DiskSpec(source=volumes.folder / "web01.raw", image_format="raw")
    volumes.lab.guest_of((behind,), "behind")

    said = volumes.refuses(guest)

    assert said["code"] == "UnmanagedReader"
    assert said["readers"] == "another, backup, behind"
    assert not volumes.desk.apply(volumes.wish(guest)).plan.steps
    assert checksum(volume) == before


@pytest.mark.parametrize("mebibytes", [64, 32])
def test_qcow2_on_a_volume_is_merged_into_where_all_of_it_has_room(
    volumes: Volumes, mebibytes: int
) -> None:
    volume = volumes.volume("web01", size=mebibytes * MIB)
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(volume), "32M")
    guest = volumes.lab.guest_of((block_device(volume, image_format="qcow2"),), "web01")
    volumes.apply(guest, "s1")
    by_hand.write(guest.active_images()["vda"], 1, 1)
    present = storage.view(guest)

    if mebibytes == 32:
        said = volumes.refuses(guest)
        assert (said["code"], said["device"]) == ("NoSpace", str(volume))
        return
    volumes.apply(guest)

    assert spelled(guest) == [("block", {"dev": str(volume)}, "qcow2")] * 2
    assert storage.view(guest) == present
    assert not list(volumes.overlays.iterdir())


def test_without_a_declared_folder_nothing_is_made_and_the_other_disks_can_be_taken(
    loop_devices: LoopDevices, site: Site
) -> None:
    content, overlays = site.folder / "web01.raw", site.folder / "overlays"
    overlays.mkdir()
    by_hand.run("truncate", "-s", "8M", str(content))
    volume = loop_devices.named(content, site.folder / "dev" / "vg0" / "web01")
    beside = site.folder / "beside.qcow2"
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(beside), "8M")
    specs = (block_device(volume), DiskSpec(source=beside, target="vdb"))
    guest = site.lab.guest_of(specs, "web01")
    site.declare(guest, "s1", prune="auto")

    said = site.refuses(guest)

    assert said["code"] == "OutsideFolders"
    assert str(volume) in said["message"]
    assert "spec.folders" in said["hint"]
    assert "no folder for overlays" in site.virtsnap("doctor").out
    site.declare(guest, {"name": "s1", "disks": {"vda": "skip"}}, prune="auto")
    site.apply()
    assert guest.active_images()["vda"] == volume
    host_manifest(site, folders=f"[{overlays}]")
    site.declare(guest, {"name": "s1", "disks": {"vda": "skip"}}, "s2", prune="auto")
    site.apply()
    assert guest.active_images()["vda"] == overlays / "web01-vda-s2.qcow2"
    assert "web01 (holds s2) ← web01-vda-s2.qcow2" in site.virtsnap("tree").out
    assert list(volume.parent.iterdir()) == [volume]
