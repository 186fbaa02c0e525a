"""The lab's own proof: its guests are real, its checks catch damage, and it leaves nothing."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from tests.lab.domain_xml import DiskSpec, cdrom
from tests.lab.guest import Guest, GuestError, Lab
from tests.lab.journal import check_image, sha256_of_guest_view

pytestmark = pytest.mark.qemu

Edit = Callable[[bytes], bytes]


def snapshot(guest: Guest, name: str) -> dict[str, Path]:
    """An external, quiesced snapshot of every disk; target → the new overlay."""
    overlays = {target: guest.folder / f"{guest.name}-{target}.{name}" for target in guest.disks}
    disks = "".join(
        f"<disk name='{target}' snapshot='external'><source file='{overlay}'/></disk>"
        for target, overlay in overlays.items()
    )
    guest.domain.snapshotCreateXML(
        f"<domainsnapshot><name>{name}</name><disks>{disks}</disks></domainsnapshot>",
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE,
    )
    return overlays


def commit_active_layer(guest: Guest, target: str) -> None:
    """Block commit the active layer into the base and pivot."""
    guest.domain.blockCommit(target, None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
    deadline = time.monotonic() + 60
    while "ready='yes'" not in guest.domain.XMLDesc(0):
        assert time.monotonic() < deadline, guest.domain.blockJobInfo(target)
        time.sleep(0.01)
    guest.domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)


def shut_off_image(lab: Lab) -> Path:
    """The image of a guest that wrote a while and was shut down."""
    guest = lab.guest()
    guest.wait_for_record(5)
    guest.shut_down()
    return guest.disks["vda"]


def damage(image: Path, request: str, tmp_path: Path, edit: Edit) -> Path:
    """A copy of *image* in which one file of the guest's file system went through *edit*."""
    raw, file, damaged = tmp_path / "raw", tmp_path / "file", tmp_path / "damaged.qcow2"
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}

    def debugfs(command: str) -> None:
        subprocess.run(["debugfs", "-w", "-R", command, raw], check=True, env=environment)

    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    debugfs(f"dump {request} {file}")
    file.write_bytes(edit(file.read_bytes()))
    debugfs(f"rm {request}")
    debugfs(f"write {file} {request}")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, damaged], check=True)
    return damaged


def test_a_running_guests_data_survives_a_snapshot_and_its_commit(lab_clean: Lab) -> None:
    guest = lab_clean.guest(disks=2)
    guest.wait_for_record(5)

    overlays = snapshot(guest, "s1")
    frozen = {target: check_image(base) for target, base in guest.disks.items()}
    before = sha256_of_guest_view(guest.disks["vda"])
    guest.fill("vda", 16, seed=1)

    assert guest.active_images() == overlays
    assert all(check.is_whole and check.head for check in frozen.values()), frozen
    assert sha256_of_guest_view(guest.disks["vda"]) == before

    for target in guest.disks:
        commit_active_layer(guest, target)
    heads = guest.verify()
    guest.wait_for_record(heads["vda"] + 3)
    guest.shut_down()

    assert guest.active_images() == guest.disks
    for target, base in guest.disks.items():
        check = check_image(base)
        assert check.is_whole, check
        assert check.head is not None
        assert check.head >= heads[target]


def test_clones_are_different_domains_with_images_of_their_own(lab_clean: Lab) -> None:
    first, second = lab_clean.guest(), lab_clean.guest()

    assert first.uuid != second.uuid
    assert first.domain.isPersistent()
    for guest in (first, second):
        guest.verify()
        described = subprocess.check_output(["qemu-img", "info", "-U", guest.disks["vda"]])
        assert b"backing file" not in described


def test_a_guest_that_is_off_boots_and_goes_on_where_it_stopped(lab_clean: Lab) -> None:
    guest = lab_clean.guest(running=False)

    assert not guest.is_running
    assert check_image(guest.disks["vda"]).head is None

    guest.start()
    guest.wait_for_record(3)
    guest.destroy()  # as a power cut would
    cut = check_image(guest.disks["vda"], replay=True)
    guest.start()
    guest.wait_for_record((cut.head or 0) + 3)

    assert cut.is_whole, cut
    guest.verify()


def test_a_guest_of_other_disks_boots(lab_clean: Lab, tmp_path: Path) -> None:
    raw = tmp_path / "data.raw"
    subprocess.run(["cp", "--sparse=always", lab_clean.files.data_disk, raw], check=True)
    guest = lab_clean.guest_of((DiskSpec(source=raw, image_format="raw"), cdrom()))

    guest.start()
    guest.wait_for_record(3)
    guest.verify()
    guest.shut_down()

    assert guest.active_images() == {"vda": raw}
    assert check_image(raw, image_format="raw").is_whole


@pytest.mark.parametrize(
    ("file", "edit", "problem"),
    [
        ("slots/3", lambda content: content[:4000] + b"?" + content[4001:], "slot 3"),
        ("slots/3", lambda content: content[:4096], "slot 3"),
        ("journal", lambda content: b"".join(_without(content, 2)), "record 3"),
        ("journal", lambda content: b"".join(_swapped(content)), "record 2"),
        ("journal", lambda content: content[:-9], "torn line"),
    ],
    ids=["a flipped byte", "a short slot", "a lost record", "swapped records", "a torn line"],
)
def test_damage_is_caught(
    lab_image: Path, tmp_path: Path, file: str, edit: Edit, problem: str
) -> None:
    check = check_image(damage(lab_image, file, tmp_path, edit))

    assert not check.is_whole
    assert any(problem in found for found in check.problems), check


def test_an_undamaged_image_is_whole(lab_image: Path) -> None:
    assert check_image(lab_image).is_whole


def test_the_guest_itself_notices_a_changed_slot(lab_clean: Lab) -> None:
    guest = lab_clean.guest()
    guest.wait_for_record(2)
    guest.execute("/bin/touch", "/run/lab/pause-data")  # so that the writer does not mend it
    guest.execute("/bin/sh", "-c", "echo gone > /data/slots/1")

    with pytest.raises(GuestError, match="slots"):
        guest.verify()


def test_a_hanging_and_a_stopped_agent(lab_clean: Lab) -> None:
    guest = lab_clean.guest()

    guest.hang_agent(2)
    assert guest.is_running
    guest.wait_for_agent()

    guest.stop_agent()
    with pytest.raises(libvirt.libvirtError, match="not connected"):
        guest.execute("/bin/true")


def test_a_guest_without_agent_or_writer(lab_clean: Lab) -> None:
    silent = lab_clean.guest(agent=False)
    idle = lab_clean.guest(write=False)

    assert idle.verify() == {"vda": 0}
    with pytest.raises(libvirt.libvirtError, match="agent"):
        silent.execute("/bin/true")


def test_guests_outlive_their_daemon(lab_clean: Lab) -> None:
    guest = lab_clean.guest()
    before = guest.head()

    lab_clean.daemon.kill()
    with pytest.raises(libvirt.libvirtError):
        lab_clean.connect()
    lab_clean.daemon.restart()
    guest.rebind(lab_clean.connection)

    assert guest.is_running
    assert guest.wait_for_record(before + 1) > before
    guest.verify()


def test_nothing_can_be_changed_through_the_read_only_socket(lab_clean: Lab) -> None:
    guest = lab_clean.guest(running=False)
    connection = libvirt.openReadOnly(lab_clean.daemon.uri_ro)

    with pytest.raises(libvirt.libvirtError, match=r"(forbidden|read only|prevents)"):
        connection.lookupByName(guest.name).create()
    connection.close()


def test_cleanup_removes_whatever_libvirt_remembers(lab_clean: Lab) -> None:
    guest = lab_clean.guest()
    snapshot(guest, "s1")
    guest.domain.managedSave(0)

    lab_clean.cleanup()

    assert lab_clean.connection.listAllDomains() == []
    assert not guest.folder.exists()


def test_a_stopped_lab_leaves_no_process_and_no_file() -> None:
    with Lab.started() as lab:
        directory = lab.daemon.directory
        lab.guest(write=False)
        lab.daemon.kill()
        lab.daemon.restart()
        assert _processes_naming(directory)

    assert _processes_naming(directory) == []
    assert not directory.exists()


@pytest.fixture(scope="module")
def lab_image(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undamaged image, kept apart from the lab's clean-up."""
    kept = tmp_path_factory.mktemp("image") / "whole.qcow2"
    kept.write_bytes(shut_off_image(lab).read_bytes())
    lab.cleanup()
    return kept


def _without(content: bytes, record: int) -> list[bytes]:
    lines = content.splitlines(keepends=True)
    return lines[:record] + lines[record + 1 :]


def _swapped(content: bytes) -> list[bytes]:
    first, second, third, *others = content.splitlines(keepends=True)
    return [first, third, second, *others]


def _processes_naming(directory: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(directory) in command:
            found.append(command)
    return found
