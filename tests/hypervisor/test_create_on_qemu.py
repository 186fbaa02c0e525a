"""Taking snapshots of real guests."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest

from reconciler.errors import AgentError, HypervisorError, StepRefused
from reconciler.model.names import ImagePath
from reconciler.model.power import PowerState
from reconciler.model.snapshot import DiskCapture
from tests.hypervisor.acting import (
    VDA,
    VDB,
    chain_of,
    creation,
    head_in,
    host_of,
    overlay_path,
    seen,
    take,
    uuid_of,
)
from tests.lab.domain_xml import DiskSpec, cdrom
from tests.lab.lab import Lab

pytestmark = pytest.mark.qemu


def test_a_quiesced_snapshot_freezes_both_disks_at_one_moment(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(disks=2)

    take(host, guest, "s1", quiesce=True)

    record = seen(host, guest).record("s1")
    assert record is not None
    assert record.is_current
    assert record.is_external
    assert record.description == "about s1"
    assert record.frozen(VDA) == str(guest.disks["vda"])
    assert chain_of(host, guest, VDB) == (str(guest.disks["vdb"]), overlay_path(guest, "s1", VDB))
    assert not host.freeze_status(uuid_of(guest))
    assert guest.verify()["vda"] > head_in(guest.disks["vda"]) > 0


def test_a_disk_that_is_not_named_is_left_alone(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(disks=2)

    take(host, guest, "s1", disks=(VDA,))

    record = seen(host, guest).record("s1")
    assert record is not None
    assert [(d.target, d.capture) for d in record.disks] == [
        ("vda", DiskCapture.EXTERNAL),
        ("vdb", DiskCapture.SKIPPED),
    ]
    assert record.disks[1].source == str(guest.disks["vdb"])
    assert len(chain_of(host, guest, VDB)) == 1


def test_a_shut_off_domain_gets_a_private_overlay_and_its_drives_none(lab_clean: Lab) -> None:
    host, plain = host_of(lab_clean), lab_clean.guest(running=False)
    guest = lab_clean.guest_of(
        (DiskSpec(source=plain.disks["vda"]), cdrom(), cdrom("sdb", plain.disks["vda"]))
    )
    plain.disks["vda"].chmod(0o640)
    os.chown(plain.disks["vda"], 65534, 65534)

    take(host, guest, "s1")

    status = Path(overlay_path(guest, "s1")).stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == 65534
    domain = seen(host, guest)
    assert domain.power is PowerState.SHUT_OFF
    assert chain_of(host, guest) == (str(plain.disks["vda"]), overlay_path(guest, "s1"))
    assert [d.source for d in domain.disks[1:]] == [None, str(plain.disks["vda"])]


@pytest.mark.parametrize("content", [b"", b"data"])
def test_a_file_that_exists_is_never_overwritten(lab_clean: Lab, content: bytes) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    action = creation(host, guest, "s1")
    with open(overlay_path(guest, "s1"), "wb") as file:
        file.write(content)

    with pytest.raises(StepRefused, match="exists already"):
        host.create_snapshot(uuid_of(guest), action, quiesce=False)

    with open(overlay_path(guest, "s1"), "rb") as file:
        assert file.read() == content


def test_a_disk_that_has_moved_on_is_refused(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    action = creation(host, guest, "s1")
    stale = replace(action.overlays[0], frozen=ImagePath("/nowhere/else.qcow2"))

    with pytest.raises(StepRefused, match="not on /nowhere"):
        host.create_snapshot(uuid_of(guest), replace(action, overlays=(stale,)), quiesce=False)


def test_an_agent_that_hangs_leaves_no_snapshot_and_no_frozen_guest(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean, agent_timeout=2), lab_clean.guest()
    action = creation(host, guest, "s1")
    guest.hang_agent(20)

    with pytest.raises(AgentError):
        host.create_snapshot(uuid_of(guest), action, quiesce=True)

    guest.wait_for_agent()
    assert not host.freeze_status(uuid_of(guest))
    assert seen(host, guest).records == ()
    guest.verify()


def test_an_agent_that_has_ended_is_an_agent_error(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    action = creation(host, guest, "s1")
    guest.stop_agent()

    with pytest.raises(AgentError):
        host.create_snapshot(uuid_of(guest), action, quiesce=True)

    host.create_snapshot(uuid_of(guest), action, quiesce=False)
    assert len(chain_of(host, guest)) == 2


def test_a_guest_frozen_by_somebody_else_stays_frozen_until_thawed(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    action = creation(host, guest, "s1")
    guest.domain.fsFreeze()

    with pytest.raises(AgentError, match="frozen already"):
        host.create_snapshot(uuid_of(guest), action, quiesce=True)

    assert host.freeze_status(uuid_of(guest))
    host.thaw(uuid_of(guest))
    assert not host.freeze_status(uuid_of(guest))
    guest.verify()


def test_a_failing_create_leaves_the_guest_thawed(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    action = creation(host, guest, "s1")
    nowhere = replace(action.overlays[0], overlay=ImagePath("/nowhere/at-all.qcow2"))

    with pytest.raises(HypervisorError, match="take snapshot s1"):
        host.create_snapshot(uuid_of(guest), replace(action, overlays=(nowhere,)), quiesce=True)

    assert not host.freeze_status(uuid_of(guest))
    assert seen(host, guest).records == ()
    guest.verify()


def test_a_readonly_connection_observes_and_changes_nothing(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    action = creation(host, guest, "s1")
    reader = host_of(lab_clean, is_readonly=True)

    assert seen(reader, guest) == seen(host, guest)
    with pytest.raises(HypervisorError, match="cannot take snapshot") as caught:
        reader.create_snapshot(uuid_of(guest), action, quiesce=False)

    assert caught.value.code == libvirt.VIR_ERR_OPERATION_DENIED
    assert caught.value.hint is not None
    assert "read-write" in caught.value.hint
