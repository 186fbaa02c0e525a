"""What libvirt itself does on each version: the rows of docs/reference/libvirt-versions.md."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from tests.contract.bench import SIZE
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.lab.versions import each_libvirt
from tests.system import by_hand

pytestmark = [pytest.mark.qemu, pytest.mark.each_version]

NATIVE_REVERT = 9_010_000
CURRENT_DECIDES = 9_009_000
OWN_AGENT_CODES = 11_002_000
SHALLOW = range(10_008_000, 11_011_000)


@pytest.fixture(params=each_libvirt())
def any_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of each version, empty."""
    lab: Lab = request.getfixturevalue(request.param)
    yield lab
    lab.cleanup()


def version(lab: Lab) -> int:
    """The daemon's."""
    return int(lab.connection.getLibVersion())


def shut_off(lab: Lab, folder: Path, active: Path | None = None) -> Guest:
    """A shut-off domain on a small image, or on *active*."""
    image = active or folder / "vda.qcow2"
    if active is None:
        by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(image), str(SIZE))
    guest = lab.guest_of((DiskSpec(source=image),))
    guest.folder = folder
    return guest


def code(caught: pytest.ExceptionInfo[libvirt.libvirtError]) -> int:
    """libvirt's error code."""
    return int(caught.value.get_error_code())


def test_an_external_snapshot_that_does_not_say_disk_only(any_lab: Lab, tmp_path: Path) -> None:
    guest = shut_off(any_lab, tmp_path)
    if version(any_lab) < NATIVE_REVERT:
        with pytest.raises(libvirt.libvirtError) as caught:
            by_hand.snapshot(guest, "s1", flags=0)
        assert code(caught) == 67
        assert by_hand.names(guest) == []
    else:
        by_hand.snapshot(guest, "s1", flags=0)
        assert by_hand.record(guest, "s1").find("memory") is None


def test_an_overlay_made_while_off_may_be_readable_for_all(any_lab: Lab, tmp_path: Path) -> None:
    guest = shut_off(any_lab, tmp_path)
    by_hand.snapshot(guest, "s1")
    mode = stat.S_IMODE(guest.active_images()["vda"].stat().st_mode)
    # Distributions have brought the mend of 11.10 to older versions (CVE-2025-13193).
    assert mode == 0o600 or (mode == 0o644 and version(any_lab) < 11_010_000)


def test_a_delete_that_is_not_of_the_newest_while_off(any_lab: Lab, tmp_path: Path) -> None:
    guest = shut_off(any_lab, tmp_path)
    for name in ("s1", "s2"):
        by_hand.snapshot(guest, name)
    if version(any_lab) < CURRENT_DECIDES:
        with pytest.raises(libvirt.libvirtError) as caught:
            guest.domain.snapshotLookupByName("s1").delete()
        assert code(caught) == 8
    else:
        guest.domain.snapshotLookupByName("s1").delete()
        assert by_hand.names(guest) == ["s2"]


def test_a_delete_of_a_leaf_that_is_not_current(any_lab: Lab, tmp_path: Path) -> None:
    guest = shut_off(any_lab, tmp_path)
    for name in ("s1", "s2"):
        by_hand.snapshot(guest, name)
    frozen = Path(by_hand.record(guest, "s2").find("./domain//disk/source").attrib["file"])
    by_hand.point_at(guest, "s1")

    guest.domain.snapshotLookupByName("s2").delete()

    # From 9.9 on the image below the active one is gone: why virtsnap never deletes natively.
    assert frozen.exists() is (version(any_lab) < CURRENT_DECIDES)


def test_a_native_revert_to_an_external_snapshot(any_lab: Lab, tmp_path: Path) -> None:
    guest = shut_off(any_lab, tmp_path)
    by_hand.snapshot(guest, "s1")
    revert = guest.domain.snapshotLookupByName("s1")
    can = "<externalSnapshot/>" in any_lab.connection.getCapabilities()
    assert can is (version(any_lab) >= NATIVE_REVERT)
    if can:
        before = guest.active_images()
        guest.domain.revertToSnapshot(revert)
        assert guest.active_images() != before
        assert not before["vda"].exists()
    else:
        with pytest.raises(libvirt.libvirtError) as caught:
            guest.domain.revertToSnapshot(revert)
        assert code(caught) == 67


@pytest.mark.parametrize("images", [25, 26])
def test_the_start_of_a_deep_chain(any_lab: Lab, tmp_path: Path, images: int) -> None:
    top = tmp_path / "0.qcow2"
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(top), str(SIZE))
    for number in range(1, images):
        top = by_hand.make_overlay(top, tmp_path / f"{number}.qcow2")
    guest = shut_off(any_lab, tmp_path, top)
    if images > 25 and version(any_lab) in SHALLOW:
        with pytest.raises(libvirt.libvirtError, match="nesting"):
            guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    else:
        guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        assert guest.is_running


def test_the_memory_file_of_a_snapshot_that_is_deleted(any_lab: Lab) -> None:
    guest = any_lab.guest()
    memory = guest.folder / "s1.mem"
    by_hand.snapshot(guest, "s1", flags=0, memory=memory)

    guest.domain.snapshotLookupByName("s1").delete()

    assert memory.exists() is (version(any_lab) < 9_001_000)


def test_a_running_delete_beside_a_raw_disk(any_lab: Lab, tmp_path: Path) -> None:
    guest = any_lab.guest(running=False)
    by_hand.internal(guest, "i1")
    raw = tmp_path / "raw.img"
    raw.touch()
    os.truncate(raw, SIZE)
    guest.domain.attachDeviceFlags(
        f"<disk type='file'><driver name='qemu' type='raw'/><source file='{raw}'/>"
        "<target dev='vdb' bus='virtio'/></disk>",
        libvirt.VIR_DOMAIN_AFFECT_CONFIG,
    )
    guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

    guest.domain.snapshotLookupByName("i1").delete()

    listed = by_hand.run("qemu-img", "snapshot", "-l", "-U", str(guest.disks["vda"]))
    assert ("i1" in listed) is (version(any_lab) < 10_009_000)
    assert by_hand.names(guest) == []


def test_what_a_frozen_or_silent_agent_is_called(any_lab: Lab) -> None:
    guest = any_lab.guest()
    quiesce = by_hand.DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
    guest.domain.agentSetResponseTimeout(2)
    guest.domain.fsFreeze()
    with pytest.raises(libvirt.libvirtError) as frozen:
        by_hand.snapshot(guest, "s1", flags=quiesce)
    guest.domain.fsThaw()
    guest.hang_agent(4)
    with pytest.raises(libvirt.libvirtError) as silent:
        by_hand.snapshot(guest, "s1", flags=quiesce)

    # 112 is for an agent that answers libvirt's greeting and then falls silent.
    assert code(frozen) == (113 if version(any_lab) >= OWN_AGENT_CODES else 1)
    assert code(silent) == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
