"""The table of disk kinds (``docs/reference/snapshot-kinds.md``), on each libvirt."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import libvirt
import pytest

from reconciler.model.desired import CaptureType, DesiredDomain, DesiredSnapshot, Origin, Prune
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.snapshot import DiskCapture
from tests.lab.domain_xml import DiskSpec, block_device, cdrom
from tests.lab.guest import Guest, Lab
from tests.lab.loop import LoopDevices
from tests.system import by_hand
from tests.system.desk import LOCAL, Desk
from tools.kinds_page import DISK_ROWS, LEFT_OUT, YES, DiskRow

pytestmark = pytest.mark.qemu

_NETWORK = (
    "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
    "<source protocol='nbd'><host transport='unix' socket='/nonexistent/nbd'/></source>"
    "<target dev='vdb' bus='virtio'/></disk>"
)


@dataclass
class Maker:
    """Makes the disk beside the plain one."""

    folder: Path
    devices: LoopDevices

    def image(self, image_format: str = "qcow2") -> DiskSpec:
        path = self.folder / f"vdb.{image_format}"
        by_hand.run("qemu-img", "create", "-q", "-f", image_format, str(path), "8M")
        return DiskSpec(source=path, target="vdb", image_format=image_format)

    def device(self, image_format: str = "raw") -> DiskSpec:
        content = self.folder / "content"
        by_hand.run("truncate", "-s", "32M", str(content))
        volume = self.devices.named(content, self.folder / "dev" / "vg0" / "vdb")
        if image_format == "qcow2":
            by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(volume), "8M")
        return block_device(volume, "vdb", image_format=image_format)

    def medium(self) -> DiskSpec:
        path = self.folder / "medium.iso"
        path.write_bytes(b"CD001" * 4096)
        return cdrom("sdb", path)


#: none for the network disk, which is no ``DiskSpec``
DISKS: dict[str, Callable[[Maker], DiskSpec] | None] = {
    "qcow2 file": Maker.image,
    "raw file": lambda maker: maker.image("raw"),
    "raw block device, a folder is declared": Maker.device,
    "raw block device, no folder is declared": Maker.device,
    "qcow2 block device, a folder is declared": lambda maker: maker.device("qcow2"),
    "network disk": None,
    "shareable disk": lambda maker: replace(maker.image("raw"), shareable=True),
    "transient disk": lambda maker: replace(maker.image(), transient=True),
    "read-only disk": lambda maker: replace(maker.image(), readonly=True),
    "CD-ROM with a medium": Maker.medium,
    "empty CD-ROM": lambda _maker: cdrom("sdb"),
}


def guest_with(lab: Lab, folder: Path, disk: DiskSpec | None) -> Guest:
    """Shut off: vda is plain, the other one of the row's kind."""
    path = folder / "vda.qcow2"
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(path), "8M")
    guest = lab.guest_of((DiskSpec(source=path), *([disk] if disk else [])), "web01")
    if disk is None:
        xml = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        lab.define_raw(xml.replace("<controller", f"{_NETWORK}<controller", 1))
    return guest


@pytest.mark.parametrize("row", DISK_ROWS, ids=str)
def test_every_kind_of_disk(
    loop_devices: LoopDevices, place: tuple[Lab, Desk], tmp_path: Path, row: DiskRow
) -> None:
    lab, desk = place
    (tmp_path / "overlays").mkdir()
    # LibvirtHost does not know of it, as when the folder is taken out of the manifest later
    desk.folders = (str(tmp_path / "overlays"),) if "a folder is declared" in row.disk else ()
    make = DISKS[row.disk]
    disk = None if make is None else make(Maker(tmp_path, loop_devices))
    target = DiskTarget(disk.target if disk else "vdb")
    guest = guest_with(lab, tmp_path, disk)

    def asked(snapshot: DesiredSnapshot) -> str:
        """It is asked for alone; what becomes of the disk."""
        name = snapshot.name

        def wish(*snapshots: DesiredSnapshot) -> DesiredDomain:
            origin = Origin(manifest="disks")
            return DesiredDomain(
                host=LOCAL, domain="web01", snapshots=snapshots, origin=origin, prune=Prune.AUTO
            )

        before = guest.domain.XMLDesc(0)
        outcome = desk.apply(wish(snapshot))
        assert outcome.error is None, outcome.error
        if outcome.refusals:
            (refused,) = outcome.refusals
            assert refused.fact("disk") == target
            assert guest.domain.XMLDesc(0) == before
            return refused.code
        observed = desk.host.observe().domain("web01")
        record = observed.record(name) if observed else None
        taken = record.disk(target) if record else None
        assert taken is not None
        removed = desk.apply(wish())
        assert removed.error is None
        assert not removed.refusals
        assert by_hand.names(guest) == []
        return LEFT_OUT if taken.capture is DiskCapture.SKIPPED else YES

    def one(name: str) -> DesiredSnapshot:
        return DesiredSnapshot(name=SnapshotName(name))

    assert asked(one("s1")) == row.every
    assert asked(replace(one("s2"), take=frozenset({target}))) == row.named
    assert asked(replace(one("s3"), type=CaptureType.INTERNAL)) == row.internal
    assert not list((tmp_path / "overlays").iterdir())
