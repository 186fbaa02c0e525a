"""What of the definition goes back with the disks: nothing, or all of it, on each libvirt."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    RevertConfig,
    Shutdown,
)
from reconciler.model.names import SnapshotName
from tests.lab.guest import Guest, Lab
from tests.lab.versions import each_libvirt
from tests.system import by_hand
from tests.system.bench import bench, definition, discard, keep
from tests.system.desk import LOCAL, Desk, desk

pytestmark = pytest.mark.qemu

_THEIRS = "https://example.org/billing"


@pytest.fixture(params=each_libvirt())
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Lab, Desk]]:
    """virtsnap in this process, on each libvirt."""
    lab: Lab = request.getfixturevalue(request.param)
    with desk(lab, tmp_path) as found:
        yield lab, found


def describe(guest: Guest, text: str, mebibytes: int) -> None:
    """The definition says this, in three places."""
    root = definition(guest)
    for name in ("memory", "currentMemory"):
        element = root.find(name)
        assert element is not None
        element.text, element.attrib["unit"] = str(mebibytes), "MiB"
    for old in root.findall("description"):
        root.remove(old)
    described = etree.Element("description")
    described.text = text
    root.insert(2, described)
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        root.insert(3, metadata)
    for old in metadata.findall(f"{{{_THEIRS}}}account"):
        metadata.remove(old)
    account = etree.SubElement(metadata, f"{{{_THEIRS}}}account", nsmap={"billing": _THEIRS})
    account.text = text
    by_hand.define(guest, root)


def said(guest: Guest) -> tuple[str | None, str | None, str | None]:
    """What ``describe`` wrote: description, KiB of memory, somebody's metadata."""
    root = definition(guest)
    account = root.findtext(f"./metadata/{{{_THEIRS}}}account")
    return root.findtext("description"), root.findtext("memory"), account


@pytest.mark.parametrize("kind", CaptureType)
@pytest.mark.parametrize("kept", [True, False], ids=["present kept", "present discarded"])
def test_the_definition_goes_back_with_whole_and_stays_with_disks(
    at: tuple[Lab, Desk], kind: CaptureType, kept: bool
) -> None:
    lab, desk_ = at
    on = bench(lab, desk_, disks=1)
    on.kind = kind
    describe(on.guest, "then", 100)
    then = said(on.guest)
    on.write()
    on.apply("s1")
    view = on.view()
    on.write()
    describe(on.guest, "now", 120)
    now = said(on.guest)
    assert then == ("then", str(100 << 10), "then")
    assert now == ("now", str(120 << 10), "now")
    revert = keep if kept else discard

    on.apply("s1", **revert("s1", "r1"), config=RevertConfig.DISKS)
    assert (said(on.guest), on.view()) == (now, view)

    on.write()
    on.apply("s1", **revert("s1", "r2"), config=RevertConfig.WHOLE)
    assert (said(on.guest), on.view()) == (then, view)
    assert on.guest.domain.name() == "web01"
    assert by_hand.current(on.guest) == "s1"


@pytest.mark.parametrize("kind", CaptureType)
def test_a_device_that_came_since_goes_with_the_whole_definition(
    at: tuple[Lab, Desk], kind: CaptureType
) -> None:
    on = bench(*at, disks=1)
    on.kind = kind
    on.apply("s1")
    root = definition(on.guest)
    devices = root.find("devices")
    assert devices is not None
    drive = etree.SubElement(devices, "disk", type="file", device="cdrom")
    etree.SubElement(drive, "target", dev="sda", bus="sata")
    etree.SubElement(drive, "readonly")
    by_hand.define(on.guest, root)

    on.apply("s1", **keep("s1", "r1"), config=RevertConfig.DISKS)
    assert definition(on.guest).find("devices/disk[@device='cdrom']") is not None
    on.apply("s1", **keep("s1", "r2"), config=RevertConfig.WHOLE)
    assert definition(on.guest).find("devices/disk[@device='cdrom']") is None


def test_with_memory_a_guest_lacks_the_disk_that_came_since_until_it_boots(
    at: tuple[Lab, Desk],
) -> None:
    on = bench(*at, disks=1)
    on.guest.domain.create()
    wish = DesiredDomain(
        host=LOCAL,
        domain=on.guest.name,
        snapshots=(
            DesiredSnapshot(name=SnapshotName("i1"), type=CaptureType.INTERNAL, memory=True),
        ),
        origin=Origin(manifest="bench"),
        shutdown=Shutdown(timeout=1, then_destroy=True),
    )
    assert on.desk.apply(wish).error is None
    define_one_more(on.guest, "vdx")
    wish = replace(wish, revert=DesiredRevert(**discard("i1", "r1")))

    outcome = on.desk.apply(wish)

    assert outcome.error is None, outcome.error
    assert (on.guest.is_running, not outcome.refusals) == (True, True)
    assert targets(on.guest, 0) == ["vda"]
    assert targets(on.guest, libvirt.VIR_DOMAIN_XML_INACTIVE) == ["vda", "vdx"]
    assert not on.desk.plan(wish).steps


def define_one_more(guest: Guest, target: str) -> None:
    """``attach-disk --config``."""
    image = guest.folder / f"{target}.qcow2"
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M")
    root = definition(guest)
    devices = root.find("devices")
    assert devices is not None
    disk = etree.SubElement(devices, "disk", type="file", device="disk")
    etree.SubElement(disk, "driver", name="qemu", type="qcow2")
    etree.SubElement(disk, "source", file=str(image))
    etree.SubElement(disk, "target", dev=target, bus="virtio")
    by_hand.define(guest, root)


def targets(guest: Guest, flags: int) -> list[str]:
    """The disks of a definition."""
    root = etree.fromstring(guest.domain.XMLDesc(flags))
    return sorted(target.get("dev", "") for target in root.iterfind("devices/disk/target"))
