"""Volumes of pools that run, that are stopped, that are not there; in definitions and in records."""

from dataclasses import dataclass, field

import libvirt
import pytest

from reconciler.hypervisor import snapshot_xml
from reconciler.hypervisor.domain_xml import Place
from reconciler.hypervisor.volumes import VolumeBook
from reconciler.hypervisor.xml import parse
from reconciler.model.domain import DiskKind
from reconciler.model.names import DomainUuid, ImagePath
from reconciler.model.snapshot import SnapshotRecord


@dataclass
class Volume:
    where: str

    def path(self) -> str:
        return self.where


@dataclass
class Pool:
    """*volumes* are those that libvirt knows of: none of a pool that is stopped."""

    kind: str = "dir"
    folder: str = "/pool"
    volumes: dict[str, str] = field(default_factory=dict)

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        return f"<pool type='{self.kind}'><target><path>{self.folder}</path></target></pool>"

    def storageVolLookupByName(self, name: str) -> Volume:  # noqa: N802 - libvirt's name
        if name not in self.volumes:
            raise libvirt.libvirtError("no such volume")
        return Volume(self.volumes[name])


@dataclass
class Connection:
    pools: dict[str, Pool]

    def storagePoolLookupByName(self, name: str) -> Pool:  # noqa: N802 - libvirt's name
        if name not in self.pools:
            raise libvirt.libvirtError("no such pool")
        return self.pools[name]


def placed(pool: Pool | None, name: str = "v") -> Place | None:
    return VolumeBook(Connection({"p": pool} if pool else {})).place(("p", name))


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (Pool(volumes={"v": "/elsewhere/v"}), Place(kind=DiskKind.FILE, path="/elsewhere/v")),
        (Pool(), Place(kind=DiskKind.FILE, path="/pool/v")),
        (Pool(kind="netfs"), Place(kind=DiskKind.FILE, path="/pool/v")),
        (Pool(kind="logical", folder="/dev/vg"), Place(kind=DiskKind.BLOCK, path="/dev/vg/v")),
        (Pool(kind="rbd"), Place(kind=DiskKind.NETWORK, path=None)),
        (Pool(kind="iscsi", volumes={"v": "/dev/x"}), Place(kind=DiskKind.BLOCK, path="/dev/x")),
        (Pool(kind="iscsi"), None),
        (Pool(folder=""), None),
        (None, None),
    ],
)
def test_a_volume_is_where_libvirt_or_its_pool_says(
    pool: Pool | None, expected: Place | None
) -> None:
    assert placed(pool) == expected


@pytest.mark.parametrize("name", ["", "../v", "a/b"])
def test_a_name_that_leads_out_of_the_pool_is_nowhere(name: str) -> None:
    assert placed(Pool(), name) is None


def record(pools: dict[str, Pool]) -> SnapshotRecord:
    """A snapshot of a disk that was a volume; its inactive definition has another."""
    inner = "<devices><disk type='volume' device='disk'><driver type='qcow2'/>"
    root = parse(
        "<domainsnapshot><name>s1</name><state>shutoff</state><creationTime>1</creationTime>"
        "<disks><disk name='vda' snapshot='external' type='file'><source file='/o'/></disk></disks>"
        f"<domain>{inner}<source pool='p' volume='v'/><target dev='vda'/></disk></devices></domain>"
        f"<inactiveDomain>{inner}<source pool='p' volume='w'/><target dev='vda'/></disk></devices>"
        "</inactiveDomain></domainsnapshot>"
    )
    return snapshot_xml.record(
        root,
        uuid=DomainUuid("u"),
        is_current=False,
        canonical=ImagePath,
        place=VolumeBook(Connection(pools)).place,
    )


def test_records_resolve_volumes_as_definitions_do() -> None:
    found = record({"p": Pool()})

    assert [disk.source for disk in found.external_disks] == ["/pool/v"]
    assert found.inactive_sources == ("/pool/w",)
    assert found.unresolved == ()


def test_what_they_cannot_resolve_is_said() -> None:
    found = record({})

    assert [disk.source for disk in found.external_disks] == [None]
    assert found.unresolved == ("volume v of pool p", "volume w of pool p")
