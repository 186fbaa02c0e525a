"""A real host as it is observed: definitions, records, images, folders, and what is odd about them."""

import subprocess
from pathlib import Path

import libvirt
import pytest

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.chain import Presence
from reconciler.model.domain import AgentState, DiskKind, JobKind
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry, LedgerProblem
from reconciler.model.names import DomainUuid, HostName, ImagePath, SnapshotName
from reconciler.model.power import PowerState
from tests.hypervisor.acting import (
    VDA,
    chain_of,
    creation,
    host_of,
    overlay_path,
    seen,
    take,
    uuid_of,
)
from tests.lab.domain_xml import DiskSpec
from tests.lab.lab import Lab

pytestmark = pytest.mark.qemu

_LEDGER_NAMESPACE = "urn:virtsnap:ledger:1"


def test_a_running_domain_is_seen_with_all_it_has(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(disks=2)
    take(host, guest, "s1")

    observed = host.observe()

    domain = observed.domain(guest.uuid)
    assert domain is not None
    assert (domain.power, domain.power_detail) == (PowerState.RUNNING, "running")
    assert domain.agent is AgentState.CONNECTED
    assert domain.live is not None
    assert domain.persistent is not None
    assert [d.chain for d in domain.live] == [d.chain for d in domain.persistent]
    assert [d.stated for d in domain.persistent] == [d.chain for d in domain.live]
    assert domain.domain_job is None
    assert domain.current is not None
    assert observed.is_local
    assert (observed.libvirt_version, observed.qemu_version) > (9_000_000, 0)
    assert [folder.path for folder in observed.folders] == [str(guest.folder)]
    assert {image.path for image in observed.images} >= {
        overlay_path(guest, "s1"),
        ImagePath(str(guest.disks["vda"])),
    }


def test_paused_and_transient_domains_are_told_apart(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    guest.domain.suspend()

    assert seen(host, guest).power is PowerState.PAUSED
    assert seen(host, guest).power_detail == "paused: by a user"

    guest.domain.resume()
    guest.domain.undefine()
    domain = seen(host, guest)
    assert (domain.power, domain.persistent) == (PowerState.RUNNING, None)
    assert domain.live is not None


def test_managed_save_and_checkpoints_are_seen(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    guest.domain.checkpointCreateXML("<domaincheckpoint><name>c1</name></domaincheckpoint>", 0)
    assert seen(host, guest).checkpoints == ("c1",)

    guest.domain.managedSave(0)

    domain = seen(host, guest)
    assert domain.has_managed_save
    assert (domain.power, domain.power_detail) == (PowerState.SHUT_OFF, "shut off: saved")


def test_a_backup_is_a_job_of_the_domain(lab_clean: Lab, tmp_path: Path) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    guest.domain.backupBegin(
        "<domainbackup mode='pull'><server transport='unix' socket='/tmp/virtsnap-nbd'/>"
        f"<disks><disk name='vda' backup='yes' type='file'><scratch file='{tmp_path}/scratch'/>"
        "</disk></disks></domainbackup>",
        None,
        0,
    )

    domain = seen(host, guest)

    assert domain.domain_job == "backup"
    assert [job.kind for job in domain.jobs] in ([], [JobKind.BACKUP])
    guest.domain.abortJob()
    assert seen(host, guest).domain_job is None


def test_an_orphan_is_seen_with_what_it_stands_on(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    base = str(guest.disks["vda"])
    orphan = guest.folder / "left-behind.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, orphan], check=True
    )

    images = {image.path: image for image in host.observe().images}

    assert images[ImagePath(str(orphan))].backing == base


def test_a_missing_base_leaves_no_chain_and_its_name(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    take(host, guest, "s1")
    guest.disks["vda"].unlink()

    observed = host.observe()

    assert observed.domains[0].disks[0].chain is None
    missing = [i.path for i in observed.images if i.presence is Presence.MISSING]
    assert missing == [str(guest.disks["vda"])]


def test_a_stale_chain_in_the_definition_is_shown_beside_the_true_one(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    take(host, guest, "s1")
    take(host, guest, "s2")
    base, one, two = chain_of(host, guest)
    guest.shut_down()
    subprocess.run(["qemu-img", "commit", "-q", "-d", "-b", base, one], check=True)
    subprocess.run(
        ["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", base, two], check=True
    )

    domain = seen(host, guest)

    disk = domain.disk(VDA)
    assert disk is not None
    assert disk.chain is not None
    assert disk.stated is not None
    assert disk.chain.images == (base, two)
    assert disk.stated.images == (base, one, two)
    assert domain.merged_by_hand == ((one, base),)


def test_symlinks_are_one_image(lab_clean: Lab) -> None:
    host, plain = host_of(lab_clean), lab_clean.guest(running=False)
    link = plain.folder / "link.qcow2"
    link.symlink_to(plain.disks["vda"])
    guest = lab_clean.guest_of((DiskSpec(source=link),))

    assert seen(host, guest).disks[0].source == seen(host, plain).disks[0].source
    host.create_snapshot(uuid_of(guest), creation(host, guest, "s1"), quiesce=False)
    assert chain_of(host, guest)[0] == str(plain.disks["vda"])


def test_a_ledger_is_kept_where_it_is_written_and_read_through_every_state(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    uuid = uuid_of(guest)
    entry = LedgerEntry(name=SnapshotName("s1"), uid="u", state=EntryState.TAKEN)
    assert host.read_ledger(uuid) is None

    host.write_ledger(uuid, Ledger(uuid=uuid, serial=1, entries=(entry,)))
    host.write_ledger(uuid, Ledger(uuid=uuid, serial=2, entries=(entry,)))

    ledger = seen(host, guest).ledger
    assert ledger is not None
    assert ledger == host.read_ledger(uuid)
    assert guest.domain.XMLDesc(0).count("</ledger>") == 1
    guest.shut_down()
    assert host.read_ledger(uuid) == ledger
    host.write_ledger(uuid, Ledger(uuid=uuid, serial=3))
    found = host.read_ledger(uuid)
    assert found is not None
    assert found.serial == 3


def test_the_ledger_of_a_clone_is_not_its_own(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    other = DomainUuid("00000000-0000-4000-8000-000000000001")

    host.write_ledger(uuid_of(guest), Ledger(uuid=other, serial=9))

    assert host.read_ledger(uuid_of(guest)) is None
    assert seen(host, guest).ledger_problem is LedgerProblem.FOREIGN


def test_folders_of_pools_and_those_asked_for_are_scanned(lab_clean: Lab, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.mkdir()
    host = LibvirtHost(
        HostName("lab"),
        lab_clean.daemon.uri,
        is_readonly=True,
        extra_folders=(str(asked), str(tmp_path / "gone")),
    )

    folders = {folder.path: folder for folder in host.observe().folders}

    assert folders[str(asked)].is_listed
    assert not folders[str(tmp_path / "gone")].is_listed


def test_a_disk_without_a_file_has_no_chain(lab_clean: Lab) -> None:
    host, plain = host_of(lab_clean), lab_clean.guest(running=False)
    guest = lab_clean.guest_of((DiskSpec(source=plain.disks["vda"]),))
    xml = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    network = (
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
        "<source protocol='nbd' name='x'><host name='h' port='1'/></source>"
        "<target dev='vdz' bus='virtio'/></disk>"
    )
    lab_clean.define_raw(xml.replace("<controller", f"{network}<controller", 1))

    disk = seen(host, guest).disks[-1]

    assert (disk.kind, disk.source, disk.chain) == (DiskKind.NETWORK, None, None)
