"""Passwords survive being written back; a host elsewhere is read through libvirt alone."""

import threading
import time

import libvirt
import pytest

from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.host import LibvirtHost
from reconciler.hypervisor.observe import Observer
from reconciler.model.action import RedefineSnapshot
from reconciler.model.chain import Presence
from reconciler.model.domain import DiskKind, ObservedHost
from reconciler.model.ledger import Ledger, Remembered
from reconciler.model.names import HostName, SnapshotName
from tests.hypervisor.acting import (
    VDA,
    chain_of,
    host_of,
    overlay_path,
    seen,
    take,
    uuid_of,
)
from tests.lab.lab import Lab

pytestmark = pytest.mark.qemu

_SECURE = libvirt.VIR_DOMAIN_XML_SECURE
_GRAPHICS = "<graphics type='vnc' port='-1' autoport='yes' passwd='hunter2'/>"


def test_passwords_and_the_ledger_survive_being_written_back(lab_clean: Lab) -> None:
    host = host_of(lab_clean)
    guest = lab_clean.guest(running=False, extra_devices=_GRAPHICS)
    uuid = uuid_of(guest)
    base = chain_of(host, guest)[0]
    for name in ("s1", "s2"):
        take(host, guest, name)
    host.write_ledger(uuid, Ledger(uuid=uuid, serial=5))

    host.redefine_snapshot(uuid, RedefineSnapshot(snapshot=SnapshotName("s2"), description="d"))
    host.forget_snapshot(uuid, SnapshotName("s1"))
    host.switch_disk(uuid, VDA, to=base, image_format="qcow2")

    record = guest.domain.snapshotLookupByName("s2").getXMLDesc(
        libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE
    )
    assert "hunter2" in record
    assert "hunter2" in guest.domain.XMLDesc(_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert host.read_ledger(uuid) == Ledger(uuid=uuid, serial=5)
    assert chain_of(host, guest) == (base,)


class _Elsewhere(Connection):
    """The lab's daemon as if it were on another machine."""

    @property
    def is_local(self) -> bool:
        return False


def observed_from_elsewhere(lab: Lab) -> ObservedHost:
    connection = _Elsewhere(lab.daemon.uri_ro, is_readonly=True)
    observer = Observer(
        HostName("far"), connection, extra_folders=(), remembered=lambda _uuid: Remembered()
    )
    with connection:
        return observer.host()


def test_a_running_domain_elsewhere_is_read_from_its_definition(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    take(host, guest, "s1")

    far = observed_from_elsewhere(lab_clean)

    near, domain = seen(host, guest), far.domain(guest.name)
    assert domain is not None
    assert domain.persistent is not None
    assert (far.is_local, far.folders) == (False, ())
    assert domain.live == near.live
    assert domain.persistent[0].chain == near.disks[0].chain
    assert [(i.path, i.presence, i.backing, i.is_examined) for i in far.images] == [
        (overlay_path(guest, "s1"), Presence.UNKNOWN, str(guest.disks["vda"]), False),
        (str(guest.disks["vda"]), Presence.UNKNOWN, None, False),
    ]


def test_a_shut_off_domain_elsewhere_has_no_chain(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    take(host, guest, "s1")

    domain = observed_from_elsewhere(lab_clean).domain(guest.name)

    assert domain is not None
    assert domain.disks[0].chain is None
    assert domain.records == seen(host, guest).records


def test_a_volume_is_read_as_the_image_it_is(lab_clean: Lab) -> None:
    host, plain = host_of(lab_clean), lab_clean.guest(running=False)
    connection = lab_clean.connection
    pool = connection.storagePoolCreateXML(
        f"<pool type='dir'><name>p</name><target><path>{plain.folder}</path></target></pool>", 0
    )
    guest = lab_clean.guest_of(())
    disk = (
        f"<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source pool='p' volume='{plain.disks['vda'].name}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    xml = guest.domain.XMLDesc(0).replace("<devices>", f"<devices>{disk}")
    lab_clean.define_raw(xml)

    found = seen(host, guest).disks[0]

    assert (found.kind, found.source) == (DiskKind.OTHER, str(plain.disks["vda"]))
    assert found.chain is not None
    assert str(plain.folder) in [folder.path for folder in host.observe().folders]
    pool.destroy()


def test_a_domain_held_by_a_hung_agent_does_not_hold_up_observing(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    assert seen(host, guest).records == ()
    guest.domain.agentSetResponseTimeout(8, 0)
    guest.hang_agent(12)
    flags = (
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
    )
    errors: list[int] = []

    def take_quiesced() -> None:
        try:
            guest.domain.snapshotCreateXML("<domainsnapshot/>", flags)
        except libvirt.libvirtError as error:
            errors.append(error.get_error_code())

    taking = threading.Thread(target=take_quiesced)
    taking.start()
    time.sleep(0.5)
    begun = time.monotonic()
    domain = seen(host, guest)

    assert time.monotonic() - begun < 3
    assert taking.is_alive()
    assert domain.domain_job is not None
    taking.join()
    assert errors == [libvirt.VIR_ERR_AGENT_UNRESPONSIVE]
    # 9.0 gives up at guest-sync, before a freeze was sent; thawing waits for the agent all the same.
    host.thaw(uuid_of(guest))
    assert not host.freeze_status(uuid_of(guest))
    guest.verify()


def test_libvirts_test_driver_is_observed_too() -> None:
    host = LibvirtHost(HostName("t"), "test:///default", is_readonly=False)

    observed = host.observe()

    assert [domain.name for domain in observed.domains] == ["test"]
