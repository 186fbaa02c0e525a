"""Records the captures anew, from guests of the lab: ``python -m tests.captures.record``."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import libvirt

from reconciler.hypervisor import definitions
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry, LedgerImage
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from tests.captures import FOLDER
from tests.lab.daemon import Daemon
from tests.lab.domain_xml import DiskSpec, cdrom
from tests.lab.guest import Guest
from tests.lab.lab import Lab

_DISK_ONLY = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
)
_INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
Scenario = Callable[[Lab, Path], None]


def _write(folder: Path, phase: str, text: str) -> None:
    (folder / f"{phase}.xml").write_text(text)


def _snapshot(guest: Guest, name: str) -> str:
    text: str = guest.domain.snapshotLookupByName(name).getXMLDesc(0)
    return text


def _take(guest: Guest, name: str, disks: str, flags: int = _DISK_ONLY, memory: str = "") -> None:
    guest.domain.snapshotCreateXML(
        f"<domainsnapshot><name>{name}</name>{memory}<disks>{disks}</disks></domainsnapshot>", flags
    )


def _external(guest: Guest, name: str, *targets: str) -> str:
    return "".join(
        f"<disk name='{target}' snapshot='external'>"
        f"<source file='{guest.folder}/{target}-{name}.qcow2'/></disk>"
        for target in targets
    )


def external_two_disks(lab: Lab, folder: Path) -> None:
    """A running guest, two snapshots of both disks, then shut off."""
    guest = lab.guest("two-disks", disks=2)
    _write(folder, "01-running", guest.domain.XMLDesc(0))
    for name in ("s1", "s2"):
        _take(guest, name, _external(guest, name, "vda", "vdb"))
    _write(folder, "02-snapshot-s1", _snapshot(guest, "s1"))
    _write(folder, "03-snapshot-s2", _snapshot(guest, "s2"))
    _write(folder, "04-live", guest.domain.XMLDesc(0))
    _write(folder, "05-persistent", guest.domain.XMLDesc(_INACTIVE))
    guest.destroy()
    _write(folder, "06-shut-off", guest.domain.XMLDesc(0))


def external_subset(lab: Lab, folder: Path) -> None:
    """Only one of two disks is taken; the other is left out by name."""
    guest = lab.guest("subset", disks=2)
    _take(guest, "s1", _external(guest, "s1", "vda") + "<disk name='vdb' snapshot='no'/>")
    _write(folder, "01-snapshot", _snapshot(guest, "s1"))


def external_shut_off(lab: Lab, folder: Path) -> None:
    """A shut-off domain with an empty drive; its definition gets no chain."""
    plain = lab.guest("plain", running=False)
    guest = lab.guest_of((DiskSpec(source=plain.disks["vda"]), cdrom()), "shut-off")
    _take(guest, "s1", _external(guest, "s1", "vda"))
    _write(folder, "01-snapshot", _snapshot(guest, "s1"))
    _write(folder, "02-shut-off", guest.domain.XMLDesc(0))


def internal(lab: Lab, folder: Path) -> None:
    """Internal snapshots: with memory while running, without when off."""
    guest = lab.guest("internal")
    _take(guest, "running", "", 0)
    _write(folder, "01-running", _snapshot(guest, "running"))
    guest.destroy()
    _take(guest, "off", "", 0)
    _write(folder, "02-off", _snapshot(guest, "off"))


def external_memory(lab: Lab, folder: Path) -> None:
    """Memory in a file of its own."""
    guest = lab.guest("memory")
    file = guest.folder / "memory.save"
    memory = f"<memory snapshot='external' file='{file}'/>"
    _take(guest, "s1", _external(guest, "s1", "vda"), 0, memory)
    _write(folder, "01-snapshot", _snapshot(guest, "s1"))


def active_commit(lab: Lab, folder: Path) -> None:
    """An active block commit: before, running, ready, pivoted."""
    guest = lab.guest("active-commit")
    _take(guest, "s1", _external(guest, "s1", "vda"))
    guest.fill("vda", 4, 1)
    _write(folder, "01-before", guest.domain.XMLDesc(0))
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
    flags |= libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES
    guest.domain.blockCommit("vda", None, None, 1 << 18, flags)
    _write(folder, "02-running", guest.domain.XMLDesc(0))
    guest.domain.blockJobSetSpeed("vda", 0, 0)
    while "ready='yes'" not in guest.domain.XMLDesc(0):
        time.sleep(0.05)
    _write(folder, "03-ready", guest.domain.XMLDesc(0))
    guest.domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    _write(folder, "04-pivoted", guest.domain.XMLDesc(0))


def ledger(lab: Lab, folder: Path) -> None:
    """A snapshot born with our intent, and one that only inherits the ledger around it."""
    guest = lab.guest("ledger")
    uuid = DomainUuid(guest.uuid)
    image = LedgerImage(
        path=ImagePath(f"{guest.folder}/vda-s1.qcow2"),
        disk=DiskTarget("vda"),
        snapshot=SnapshotName("s1"),
    )
    entry = LedgerEntry(name=SnapshotName("s1"), uid="uid-of-s1", state=EntryState.CREATING)
    definitions.write_ledger(
        guest.domain, Ledger(uuid=uuid, serial=7, entries=(entry,), images=(image,))
    )
    _take(guest, "s1", _external(guest, "s1", "vda"))
    _take(guest, "by-hand", _external(guest, "by-hand", "vda"))
    _write(folder, "01-live", guest.domain.XMLDesc(0))
    _write(folder, "02-persistent", guest.domain.XMLDesc(_INACTIVE))
    _write(folder, "03-snapshot", _snapshot(guest, "s1"))
    _write(folder, "04-by-hand", _snapshot(guest, "by-hand"))


_SCENARIOS: dict[str, Scenario] = {
    "external-two-disks": external_two_disks,
    "external-subset": external_subset,
    "external-shut-off": external_shut_off,
    "internal": internal,
    "external-memory": external_memory,
    "active-commit": active_commit,
    "ledger": ledger,
}


def main() -> None:
    """Every scenario on one daemon; its folder has a fixed name, so that paths stay the same."""
    directory = Path("/tmp/virtsnap-captures")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    with Daemon(directory) as daemon:
        lab = Lab(daemon)
        for name, scenario in _SCENARIOS.items():
            folder = FOLDER / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            scenario(lab, folder)
            lab.cleanup()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
