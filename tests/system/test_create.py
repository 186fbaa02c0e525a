"""Taking snapshots where libvirt's own defaults would go wrong."""

from pathlib import Path

import libvirt
import pytest
from lxml import etree

from tests.lab.domain_xml import DiskSpec, cdrom
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def new_image(path: Path, *, image_format: str = "qcow2") -> Path:
    """An empty image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    by_hand.run("qemu-img", "create", "-q", "-f", image_format, str(path), "32M")
    return path


def test_lv_01_disks_named_alike_get_an_overlay_each(site: Site) -> None:
    folder = site.folder / "images"
    specs = (
        DiskSpec(source=new_image(folder / "vm.root"), target="vda"),
        DiskSpec(source=new_image(folder / "vm.data"), target="vdb"),
    )
    guest = site.lab.guest_of(specs, "alike")
    site.declare(guest, "s1", prune="auto")
    site.apply()

    active = guest.active_images()
    assert len(set(active.values())) == 2
    for target, image in active.items():
        assert image.parent == folder
        assert target in image.name
    assert site.is_in_sync()


def test_lv_03_names_that_no_file_can_bear_are_refused_and_nothing_is_contacted(
    site: Site,
) -> None:
    site.environment["LIBVIRT_DEFAULT_URI"] = "qemu+unix:///system?socket=/nonexistent/socket"
    bad = ["a/b", ".hid", "", "x" * 300, "--force", " outer ", "bell\x07"]
    path = site.declare("web01", *bad)

    said = site.virtsnap("plan")

    assert said.code == 1
    assert "/nonexistent/socket" not in said.err
    lines = [line for line in said.err.splitlines() if f"{path.name}:" in line]
    for number in range(len(bad)):
        assert any(f"spec.snapshots[{number}].name" in line for line in lines), said.err


def test_lv_03_names_that_a_shell_would_trip_over_are_taken_as_they_are(site: Site) -> None:
    guest = site.lab.guest("odd", running=False)
    odd = ["x y", "snäp", "$(id);'\"", "ü" * 50]
    site.declare(guest, *odd, prune="auto")
    site.apply()

    assert by_hand.names(guest) == sorted(odd)
    for image in storage.images(guest.folder):
        assert image.name.isascii()
        assert " " not in image.name
    site.declare(guest, prune="auto")
    site.apply()
    assert site.is_in_sync()
    assert storage.images(guest.folder) == set(guest.disks.values())


def test_lv_05_a_zero_size_file_is_not_taken_over(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    foreign = guest.folder / "web01-vda-s1.qcow2"
    foreign.touch()
    site.declare(guest, "s1")

    site.apply()

    assert foreign.stat().st_size == 0
    assert guest.active_images()["vda"] == guest.folder / "web01-vda-s1.2.qcow2"
    assert by_hand.names(guest) == ["s1"]


def test_lv_07_a_shut_off_domain_is_snapshotted_into_private_files(site: Site) -> None:
    guest = site.lab.guest("web01", disks=2, running=False)
    site.declare(guest, "s1", prune="auto")
    site.apply()

    root = by_hand.record(guest, "s1")
    assert root.findtext("state") == "shutoff"
    for image in guest.active_images().values():
        assert image.stat().st_mode & 0o777 == 0o600
    assert not guest.is_running
    assert site.is_in_sync()
    storage.assert_tidy(guest)


def test_lv_09_an_internal_snapshot_is_refused_by_name_before_anything_is_touched(
    site: Site,
) -> None:
    folder = site.folder / "images"
    raw = DiskSpec(source=new_image(folder / "a.raw", image_format="raw"), image_format="raw")
    guest = site.lab.guest_of(
        (raw, DiskSpec(source=new_image(folder / "b.qcow2"), target="vdb")), "mixed"
    )
    site.declare(guest, {"name": "s1", "type": "internal"})

    said = site.refuses(guest)

    assert said["code"] == "DiskNotSupported"
    assert "vda" in said["message"]
    assert "raw" in said["message"]
    assert by_hand.names(guest) == []


def test_lv_09_a_raw_disk_beside_a_qcow2_one_comes_back_raw(site: Site) -> None:
    folder = site.folder / "images"
    base = new_image(folder / "a.raw", image_format="raw")
    guest = site.lab.guest_of(
        (
            DiskSpec(source=base, image_format="raw"),
            DiskSpec(source=new_image(folder / "b.qcow2"), target="vdb"),
        ),
        "mixed",
    )
    site.declare(guest, "s1", "s2", prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 3, 0x5A)

    site.declare(guest, prune="auto")
    site.apply()

    assert site.is_in_sync()
    assert guest.active_images()["vda"] == base
    root = etree.fromstring(guest.domain.XMLDesc(0))
    formats = [driver.get("type") for driver in root.iterfind("./devices/disk/driver")]
    assert formats == ["raw", "qcow2"]
    content = base.read_bytes()
    assert len(content) == 32 << 20
    assert content[3 << 20 : 4 << 20] == b"\x5a" * (1 << 20)
    assert content.count(b"\x5a") == 1 << 20
    assert {path.name for path in folder.iterdir()} == {"a.raw", "b.qcow2"}


def test_lv_11_cd_roms_and_read_only_disks_keep_what_they_have(site: Site) -> None:
    folder = site.folder / "images"
    iso = folder / "tools.iso"
    library = new_image(folder / "library.qcow2")
    specs = (
        DiskSpec(source=new_image(folder / "disk.qcow2")),
        DiskSpec(source=library, target="vdb", readonly=True),
        cdrom("sda", iso),
        cdrom("sdb"),
    )
    iso.write_bytes(b"CD001" * 4096)
    guest = site.lab.guest_of(specs, "media")
    site.declare(guest, "s1", prune="auto")
    site.apply()

    active = guest.active_images()
    assert active["sda"] == iso
    assert active["vdb"] == library
    assert active["vda"] != specs[0].source
    assert site.is_in_sync()
    site.declare(guest, prune="auto")
    site.apply()
    assert site.is_in_sync()
    assert guest.active_images()["vda"] == specs[0].source
    assert {path.name for path in folder.iterdir()} == {"tools.iso", "library.qcow2", "disk.qcow2"}


def test_lv_13_a_paused_guest_stays_paused(site: Site) -> None:
    guest = site.lab.guest("web01")
    guest.wait_for_record(3)
    guest.domain.suspend()
    site.declare(guest, {"name": "s1", "quiesce": "required"})

    assert site.refuses(guest)["code"] == "PowerState"
    assert by_hand.names(guest) == []

    site.declare(guest, {"name": "s1", "quiesce": "preferred"}, prune="auto")
    site.apply()
    assert guest.domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    assert by_hand.names(guest) == ["s1"]
    site.declare(guest, prune="auto")
    site.apply()
    assert guest.domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    assert guest.active_images() == guest.disks
    guest.domain.resume()
    guest.wait_for_record(guest.head() + 1)
    guest.verify()
    storage.assert_sound(guest)


def test_lv_15_a_create_that_fails_after_the_switch_adds_one_image_and_no_more(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 2, 0x22)
    before = storage.view(guest)
    obstacle = site.lab.daemon.directory / "lib" / "qemu" / "snapshot" / guest.name / "s2.xml"
    (obstacle / "in the way").mkdir(parents=True)
    site.declare(guest, "s1", "s2", prune="auto")

    depths = []
    for _ in range(3):
        assert site.virtsnap("apply", "--auto-approve").code in (1, 5, 10)
        depths.append(len(storage.chain(guest.active_images()["vda"])))
    assert max(depths) <= 3
    assert by_hand.names(guest) == ["s1"]
    assert storage.view(guest) == before

    (obstacle / "in the way").rmdir()
    obstacle.rmdir()
    site.apply()
    assert site.is_in_sync()
    assert by_hand.names(guest) == ["s1", "s2"]
    assert by_hand.current(guest) == "s2"
    assert storage.view(guest) == before
    storage.assert_tidy(guest)
