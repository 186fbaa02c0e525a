"""Definitions that somebody edited, on each libvirt: what no snapshot takes, and a disk renamed."""

from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.model.desired import Prune
from tests.drawing import wanted
from tests.lab.domain_xml import DiskSpec, cdrom
from tests.lab.guest import Guest, Lab
from tests.system import by_hand, storage
from tests.system.desk import Desk
from tests.system.test_create import new_image

pytestmark = pytest.mark.qemu


def applied(at: Desk, guest: Guest, *names: str) -> None:
    """A pass that ends well."""
    outcome = at.apply(wanted(guest.name, *names, prune=Prune.AUTO))
    assert outcome.error is None, outcome.error
    assert not outcome.refusals


def drive(guest: Guest, target: str) -> etree._Element:
    (found,) = etree.fromstring(guest.domain.XMLDesc(0)).xpath(
        f"devices/disk[target/@dev='{target}']"
    )
    return found


@pytest.mark.parametrize("definition", ["live", "config"])
def test_a_medium_ejected_in_one_definition_alone_keeps_nothing_back(
    place: tuple[Lab, Desk], tmp_path: Path, definition: str
) -> None:
    lab, at = place
    medium = tmp_path / "medium.iso"
    medium.write_bytes(bytes(1 << 20))
    guest = lab.guest_of(
        (DiskSpec(source=new_image(tmp_path / "web01-vda.qcow2")), cdrom("sda", medium)), "web01"
    )
    guest.domain.create()
    disk = drive(guest, "sda")
    for source in disk.findall("source"):
        disk.remove(source)
    flags = {"live": libvirt.VIR_DOMAIN_AFFECT_LIVE, "config": libvirt.VIR_DOMAIN_AFFECT_CONFIG}
    guest.domain.updateDeviceFlags(
        etree.tostring(disk, encoding="unicode"),
        flags[definition] | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE,
    )

    applied(at, guest, "s1")
    assert by_hand.names(guest) == ["s1"]
    applied(at, guest)

    assert by_hand.names(guest) == []
    assert guest.active_images()["vda"] == guest.disks["vda"]
    assert medium.exists()


def test_a_snapshot_follows_its_image_to_another_target(
    place: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, at = place
    vda, vdb, other = (new_image(tmp_path / f"{name}.qcow2") for name in ("vda", "vdb", "other"))
    guest = lab.guest_of((DiskSpec(source=vda), DiskSpec(source=vdb, target="vdb")), "web01")
    applied(at, guest, "s1")
    for number, image in enumerate(guest.active_images().values(), start=1):
        by_hand.write(image, number, number)
    applied(at, guest, "s1", "s2")
    for number, image in enumerate(guest.active_images().values(), start=3):
        by_hand.write(image, number, number)
    before, moments = storage.view(guest), storage.moments(guest)
    rename(guest, "vdb", to="vdc", takes=other)

    applied(at, guest, "s2")
    assert storage.moments(guest) == {key: sum_ for key, sum_ in moments.items() if key[0] == "s2"}
    applied(at, guest)

    assert by_hand.names(guest) == []
    assert guest.active_images() == {"vda": vda, "vdb": other, "vdc": vdb}
    now = storage.view(guest)
    assert (now["vda"], now["vdc"]) == (before["vda"], before["vdb"])


def rename(guest: Guest, target: str, *, to: str, takes: Path) -> None:
    """``virsh edit``: the disk is called otherwise, and another image gets its name."""
    root = etree.fromstring(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    (disk,) = root.xpath(f"devices/disk[target/@dev='{target}']")
    for address in disk.findall("address"):
        disk.remove(address)
    second = etree.fromstring(etree.tostring(disk))
    disk.find("target").set("dev", to)
    second.find("source").set("file", str(takes))
    disk.addnext(second)
    guest.domain.connect().defineXML(etree.tostring(root, encoding="unicode"))
