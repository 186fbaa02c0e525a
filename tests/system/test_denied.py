"""What the machine does not let us do: QEMU kept out of an image, a path that is taken meanwhile."""

import os
import uuid

import libvirt
import pytest

from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Origin, Prune
from reconciler.model.names import SnapshotName
from tests.lab.domain_xml import DiskSpec, disk_xml, virtualisation_type
from tests.lab.guest import Guest, Lab
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk

pytestmark = pytest.mark.qemu

NOBODY = 65534


def wish(name: str, *names: str) -> DesiredDomain:
    """These snapshots, and no other."""
    return DesiredDomain(
        host=LOCAL,
        domain=name,
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(n)) for n in names),
        origin=Origin(manifest="denied"),
        prune=Prune.AUTO,
    )


def guest_of_nobody(lab: Lab) -> Guest:
    """A machine that boots no system; its QEMU runs as nobody, who owns the image.

    It lies in the daemon's folder, into which everybody may look.
    """
    number = uuid.uuid4()
    image = lab.daemon.directory / f"of-nobody-{number}" / "web01.qcow2"
    image.parent.mkdir()
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "8M")
    for path in (image, image.parent):
        os.chown(path, NOBODY, NOBODY)
    disk = DiskSpec(source=image)
    xml = f"""\
<domain type='{virtualisation_type()}'>
  <name>web01</name><uuid>{number}</uuid>
  <memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>{disk_xml(disk)}<controller type='usb' model='none'/><memballoon model='none'/></devices>
  <seclabel type='static' model='dac' relabel='no'><label>+{NOBODY}:+{NOBODY}</label></seclabel>
</domain>"""
    domain = lab.define_raw(xml)
    log = image.parent / "console"
    return Guest(domain, folder=image.parent, disks={"vda": image}, log=log, agent=False)


def test_lv_60_qemu_is_kept_out_of_the_base_and_that_is_said_with_path_and_user(
    place: tuple[Lab, Desk],
) -> None:
    lab, desk = place
    guest = guest_of_nobody(lab)
    assert desk.apply(wish("web01", "s1")).error is None
    guest.domain.create()
    overlay = guest.active_images()["vda"]
    os.chown(guest.disks["vda"], 0, 0)
    guest.disks["vda"].chmod(0o600)
    os.chown(guest.folder, 0, 0)
    guest.folder.chmod(0o700)
    before = guest.disks["vda"].read_bytes()

    for _ in range(2):
        outcome = desk.apply(wish("web01"))

        assert outcome.error is not None
        assert "nobody" in outcome.error.message
        assert str(guest.folder) in outcome.error.message
        assert str(guest.disks["vda"]) in str(outcome.error.hint)
        assert outcome.steps_done == 0
        assert guest.domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        assert guest.active_images()["vda"] == overlay
        assert guest.domain.blockJobInfo("vda") == {}
        assert guest.disks["vda"].read_bytes() == before

    guest.folder.chmod(0o711)
    os.chown(guest.disks["vda"], NOBODY, NOBODY)
    assert desk.apply(wish("web01")).error is None
    assert guest.active_images() == guest.disks
    assert storage.images(guest.folder) == set(guest.disks.values())


def test_lv_05_a_file_that_appears_between_plan_and_apply_is_not_taken_over(
    place: tuple[Lab, Desk],
) -> None:
    lab, desk = place
    guest = lab.guest("web01")
    foreign = guest.folder / "web01-vda-s1.qcow2"

    outcome = desk.apply(wish("web01", "s1"), meanwhile=foreign.touch)

    assert outcome.error is None
    assert [refused.code for refused in outcome.refusals] == ["ImageNameTaken"]
    assert outcome.steps_done == 0
    assert foreign.stat().st_size == 0
    assert guest.active_images() == guest.disks
    assert by_hand.names(guest) == []
    assert desk.apply(wish("web01", "s1")).error is None
    assert guest.active_images()["vda"].name == "web01-vda-s1.2.qcow2"
    assert foreign.stat().st_size == 0
    guest.verify()
