"""What else lies in a record survives its being marked."""

from collections.abc import Iterator

import libvirt
import pytest
from lxml import etree

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry
from reconciler.model.names import HostName, SnapshotName
from reconciler.planning import bookkeeping
from tests.hypervisor.acting import uuid_of
from tests.lab.guest import Guest
from tests.lab.lab import Lab
from tests.lab.versions import each_libvirt
from tests.system import by_hand

pytestmark = pytest.mark.qemu

_NOTE = "<note xmlns='urn:somebody:1'>kept</note>"
_GRAPHICS = "<graphics type='vnc' port='-1' autoport='yes' passwd='hunter2'/>"


@pytest.fixture(params=each_libvirt())
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An empty one of each libvirt."""
    found: Lab = request.getfixturevalue(request.param)
    yield found
    found.cleanup()


def marked(lab: Lab, guest: Guest, name: str) -> str:
    """Mark it; the record as it is then."""
    host = LibvirtHost(HostName("local"), lab.daemon.uri, is_readonly=False)
    uuid, named = uuid_of(guest), SnapshotName(name)
    entry = LedgerEntry(name=named, uid="u7", state=EntryState.TAKEN, is_held=True)
    mark = bookkeeping.mark(Ledger(uuid=uuid, serial=1, entries=(entry,)), named)
    try:
        host.mark_record(uuid, named, mark)
        domain = host.observe().domain(uuid)
    finally:
        host.close()
    record = domain.record(name) if domain else None
    assert record is not None
    assert (record.uid, record.is_held) == ("u7", True)
    return etree.tostring(by_hand.record(guest, name), encoding="unicode")


def test_passwords_and_the_metadata_of_others_survive(lab: Lab) -> None:
    guest = lab.guest(running=False, extra_devices=_GRAPHICS)
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    guest.domain.setMetadata(kind, _NOTE, "n", "urn:somebody:1", libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    by_hand.snapshot(guest, "s1")

    record = marked(lab, guest, "s1")

    assert "hunter2" in record
    assert ">kept<" in record


def test_a_snapshot_inside_its_image_is_still_one(lab: Lab) -> None:
    guest = lab.guest(running=False)
    by_hand.internal(guest, "i1")

    marked(lab, guest, "i1")

    found = guest.domain.snapshotLookupByName("i1")
    assert found.isCurrent()
    guest.domain.revertToSnapshot(found)
    assert by_hand.names(guest) == ["i1"]


def test_both_definitions_and_the_memory_of_a_running_one_survive(lab: Lab) -> None:
    guest = lab.guest()
    memory = guest.folder / "m1.save"
    by_hand.snapshot(guest, "m1", flags=0, memory=memory)

    record = etree.fromstring(marked(lab, guest, "m1"))

    kept = record.find("memory")
    assert kept is not None
    assert kept.get("file") == str(memory)
    for inner in ("domain", "inactiveDomain"):
        copies = record.findall(f"{inner}/metadata/{{urn:virtsnap:ledger:1}}ledger")
        assert len(copies) == 1
    assert guest.domain.snapshotLookupByName("m1").isCurrent()


@pytest.mark.parametrize("lab", each_libvirt(since=(9, 9)), indirect=True)
def test_what_a_native_revert_wrote_down_survives(lab: Lab) -> None:
    guest = lab.guest(running=False)
    for name in ("s1", "s2"):
        by_hand.snapshot(guest, name)
    root = by_hand.record(guest, "s1")
    overlay = by_hand.make_overlay(guest.disks["vda"], guest.folder / "reverted.qcow2")
    disks = root.find("disks")
    reverted = etree.fromstring(etree.tostring(disks))
    reverted.tag = "revertDisks"
    source = reverted.find("disk/source")
    assert source is not None
    source.set("file", str(overlay))
    root.append(reverted)
    by_hand.redefine(guest, root)

    record = marked(lab, guest, "s1")

    assert "revertDisks" in record
    assert str(overlay) in record
    assert by_hand.current(guest) == "s2"
    assert by_hand.record(guest, "s2").findtext("parent/name") == "s1"
