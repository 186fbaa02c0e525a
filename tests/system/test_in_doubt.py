"""A machine of which the definition does not tell all, on each libvirt; nothing boots in it."""

from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.hypervisor import ledger as ledger_xml
from reconciler.model.desired import (
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Power,
    RevertPower,
    Shutdown,
)
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainStatus
from tests.lab.domain_xml import DiskSpec, cdrom, disk_xml, virtualisation_type
from tests.lab.guest import Lab
from tests.system import by_hand
from tests.system.desk import LOCAL, Desk
from tests.system.test_walks import small_disk

pytestmark = pytest.mark.qemu

NAME = "bare"
S1 = DesiredSnapshot(name=SnapshotName("s1"))


def defined(lab: Lab, disk: DiskSpec, iso: Path, nvme: Path) -> libvirt.virDomain:
    """A PC with a disk that only its QEMU knows of, and a medium that may be missing; libvirt
    starts it again when it has shut down."""
    own = f"file={nvme},format=raw,if=none,id=own"
    arguments = ("-drive", own, "-device", "nvme,serial=own,drive=own,addr=0x1a")
    drive = disk_xml(cdrom("sda", iso)).replace("<source ", "<source startupPolicy='optional' ")
    return lab.define_raw(f"""\
<domain type='{virtualisation_type()}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{NAME}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
  <on_poweroff>restart</on_poweroff>
  <devices>{disk_xml(disk)}{drive}
    <controller type='usb' model='none'/><memballoon model='none'/></devices>
  <qemu:commandline>{"".join(f"<qemu:arg value='{a}'/>" for a in arguments)}</qemu:commandline>
</domain>""")


def wish(*snapshots: DesiredSnapshot, revert: DesiredRevert | None = None) -> DesiredDomain:
    return DesiredDomain(
        host=LOCAL,
        domain=NAME,
        snapshots=snapshots,
        origin=Origin(manifest="bare"),
        revert=revert,
        shutdown=Shutdown(timeout=1, then_destroy=True),
    )


def sources(domain: libvirt.virDomain, flags: int = 0) -> dict[str, str | None]:
    root = etree.fromstring(domain.XMLDesc(flags))
    found = {}
    for disk in root.iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        assert target is not None
        found[target.get("dev", "")] = None if source is None else source.get("file")
    return found


def test_nothing_is_asked_of_it_in_vain(place: tuple[Lab, Desk]) -> None:
    lab, desk = place
    iso, nvme = desk.folder / "tools.iso", desk.folder / "nvme.raw"
    for image in (iso, nvme):
        image.write_bytes(bytes(1 << 20))
        image.chmod(0o644)
    domain = defined(lab, small_disk(desk.folder, "vda"), iso, nvme)
    domain.create()
    number = domain.ID()
    assert desk.apply(wish(S1)).error is None

    # libvirt would start it again, and QEMU cannot save it: both are known before
    off = DesiredSnapshot(name=SnapshotName("s2"), power=Power.OFF)
    (refused,) = desk.plan(wish(S1, off)).refusals
    assert refused.code == "ShutDownRefused"
    with_memory = DesiredSnapshot(name=SnapshotName("s2"), memory=True)
    outcome = desk.apply(wish(S1, with_memory))
    assert outcome.status is DomainStatus.STALE, outcome.error
    assert "nvme" in str(outcome.error)
    assert domain.ID() == number
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING

    # the ledger goes from the definition that outlives the guest
    domain.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_ELEMENT,
        None,
        None,
        ledger_xml.NAMESPACE,
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )
    assert [d.kind for d in desk.plan(wish(S1)).drift] == ["LedgerStale"]
    assert desk.apply(wish(S1)).error is None
    persistent = etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    assert ledger_xml.element_of(persistent) is not None
    assert not desk.plan(wish(S1)).drift

    # allowed to stay off it goes back, its present kept without its memory, and starts without a
    # medium that may be missing
    domain.setLifecycleAction(
        libvirt.VIR_DOMAIN_LIFECYCLE_POWEROFF,
        libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY,
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )
    iso.unlink()
    back = DesiredRevert(to=S1.name, request="r1", power=RevertPower.RUNNING)
    outcome = desk.apply(wish(S1, revert=back))
    assert outcome.error is None, outcome.error
    assert not outcome.refusals
    assert domain.isActive()
    assert sources(domain)["sda"] is None
    assert sources(domain, libvirt.VIR_DOMAIN_XML_INACTIVE)["sda"] == str(iso)
    assert "before-revert-r1" in [snapshot.getName() for snapshot in domain.listAllSnapshots()]
    assert not desk.plan(wish(S1, revert=back)).drift
    by_hand.run("qemu-img", "check", "-U", str(sources(domain)["vda"]))
