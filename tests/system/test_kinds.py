"""Snapshots with memory and internal ones, on each libvirt, as people declare them."""

from pathlib import Path
from typing import Any

import libvirt
import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def save_images(guest: Guest) -> set[Path]:
    """The finished memory images in the guest's folder."""
    magic = b"LibvirtQemudSave"
    return {p for p in guest.folder.glob("*.save") if p.read_bytes()[:16] == magic}


def inside(image: Path) -> list[str]:
    """The internal snapshots of an image."""
    listed = by_hand.run("qemu-img", "snapshot", "-l", "-U", str(image)).splitlines()[2:]
    return [line.split()[1] for line in listed]


def kept(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "memory": True, **fields}


def test_lv_58_a_snapshot_with_memory_comes_and_goes_with_its_file(any_site: Site) -> None:
    guest = any_site.lab.guest("web01", disks=2)
    guest.wait_for_record(3)
    any_site.declare(guest, "s1", kept("s2"), prune="auto")
    any_site.apply()
    assert any_site.is_in_sync()
    head = guest.head()
    memory = guest.folder / "web01-memory-s2.save"
    assert save_images(guest) == {memory}
    assert memory.stat().st_mode & 0o777 == 0o600
    (tree,) = any_site.virtsnap("tree", "-o", "json").document["domains"]
    (shown,) = [s for s in tree["snapshots"] if s["memory"] == "external"]
    assert shown["memoryImage"]["path"] == str(memory)
    assert shown["memoryImage"]["allocated"] > 1 << 20
    assert shown["consistency"] == "memory"
    guest.wait_for_record(head + 3)

    any_site.declare(guest, "s1", prune="auto")
    any_site.apply()

    assert save_images(guest) == set()
    assert by_hand.names(guest) == ["s1"]
    assert by_hand.current(guest) == "s1"
    assert any_site.is_in_sync()
    guest.verify()
    any_site.declare(guest, prune="auto")
    any_site.apply()
    storage.assert_sound(guest)
    storage.assert_tidy(guest)


def test_lv_58_of_memory_files_only_the_recorded_one_goes(any_site: Site) -> None:
    guest = any_site.lab.guest("web01")
    theirs = guest.folder / "web01-memory-s1.save"
    theirs.write_bytes(b"LibvirtQemudSave, somebody else's")
    near = guest.folder / "web01-memory-s1.save.bak"
    near.write_bytes(b"too")
    any_site.declare(guest, kept("s1"), prune="auto")
    any_site.apply()
    (ours,) = save_images(guest) - {theirs}

    any_site.declare(guest, prune="auto")
    any_site.apply()

    assert not ours.exists()
    assert save_images(guest) == {theirs}
    assert theirs.read_bytes().endswith(b"somebody else's")
    assert near.exists()
    guest.verify()


def test_internal_snapshots_of_a_running_and_of_a_shut_off_guest(any_site: Site) -> None:
    guest = any_site.lab.guest("web01", disks=2)
    guest.wait_for_record(3)
    running = kept("i1", type="internal")
    any_site.declare(guest, running, prune="auto")
    any_site.apply()
    assert any_site.is_in_sync()
    assert all(inside(image) == ["i1"] for image in guest.disks.values())
    head = guest.head()
    guest.wait_for_record(head + 2)
    guest.shut_down()
    off = {"name": "i2", "type": "internal"}
    any_site.declare(guest, running, off, prune="auto")
    any_site.apply()
    assert any_site.is_in_sync()
    assert by_hand.record(guest, "i2").findtext("state") == "shutoff"

    view = storage.view(guest)
    any_site.declare(guest, running, prune="auto")
    any_site.apply()
    assert storage.view(guest) == view
    assert all(inside(image) == ["i1"] for image in guest.disks.values())

    guest.start()
    any_site.declare(guest, prune="auto")
    any_site.apply()
    assert by_hand.names(guest) == []
    assert all(inside(image) == [] for image in guest.disks.values())
    storage.assert_sound(guest)


def test_an_internal_one_below_an_external_one_goes_once_the_guest_is_off(any_site: Site) -> None:
    guest = any_site.lab.guest("web01")
    guest.wait_for_record(3)
    any_site.declare(guest, kept("i1", type="internal"), "s1", prune="auto")
    any_site.apply()
    any_site.declare(guest, "s1", prune="auto")
    assert any_site.refuses(guest)["code"] == "NeedsPowerOff"

    guest.shut_down()
    moments, view = storage.moments(guest), storage.view(guest)
    any_site.apply()
    assert (storage.moments(guest), storage.view(guest)) == (moments, view)
    assert by_hand.names(guest) == ["s1"]
    any_site.declare(guest, prune="auto")
    any_site.apply()
    assert storage.view(guest) == view
    storage.assert_sound(guest)
    storage.assert_tidy(guest)


def test_memory_is_never_left_out_silently(any_site: Site) -> None:
    guest = any_site.lab.guest("web01", running=False)
    any_site.declare(guest, kept("s1"))

    said = any_site.refuses(guest)

    assert said["code"] == "MemoryNotPossible"
    assert "memory: false" in said["hint"]
    assert "virsh start" in said["hint"]


def test_a_snapshot_in_an_image_that_libvirt_does_not_know_is_told_and_not_doubled(
    any_site: Site,
) -> None:
    guest = any_site.lab.guest("web01", running=False)
    image = guest.disks["vda"]
    by_hand.run("qemu-img", "snapshot", "-c", "i1", str(image))
    any_site.declare(guest, {"name": "i1", "type": "internal"})

    assert any_site.refuses(guest)["code"] == "NameTaken"
    assert inside(image) == ["i1"]
    doctor = any_site.virtsnap("doctor", "-o", "json").document
    assert "InternalSnapshots" in str(doctor)


def test_memory_alone_taken_by_hand_is_seen_and_left(any_site: Site) -> None:
    guest = any_site.lab.guest("web01")
    memory = guest.folder / "by-hand.mem"
    by_hand.snapshot(guest, "theirs", disks=(), flags=0, memory=memory)
    any_site.declare(guest, "s1", prune="auto")
    any_site.apply()
    any_site.declare(guest, prune="auto")
    any_site.apply()

    assert by_hand.names(guest) == ["theirs"]
    assert memory.exists()
    if any_site.lab.connection.getLibVersion() < 9_001_000:
        with pytest.raises(libvirt.libvirtError):
            guest.domain.snapshotLookupByName("theirs").delete()
    guest.verify()


def test_a_machine_with_uefi_is_taken_inside_its_image_only_while_off(any_site: Site) -> None:
    guest = any_site.lab.uefi_guest("web01", tpm=False)
    any_site.declare(guest, {"name": "i1", "type": "internal"}, prune="auto")
    assert any_site.planned(guest)["warnings"] == ["web01: the NVRAM is not part of a snapshot"]
    any_site.apply()
    assert by_hand.names(guest) == ["i1"]

    guest.domain.create()
    any_site.declare(guest, kept("i2", type="internal"), prune="auto")
    is_old = any_site.lab.connection.getLibVersion() < 10_009_000
    refused = {r["snapshot"]: r["code"] for r in any_site.planned(guest)["refusals"]}
    too_early = {"i1": "NeedsPowerOff"} if is_old else {}
    assert refused == {"i2": "InternalNotPossible", **too_early}
    said = any_site.virtsnap("apply", "--auto-approve")
    assert said.code == 5, said.out + said.err
    assert by_hand.names(guest) == (["i1"] if is_old else [])
    guest.destroy()
    any_site.declare(guest, prune="auto")
    any_site.apply()
    assert inside(guest.disks["vda"]) == []
