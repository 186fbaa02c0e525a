"""libvirt's records beside the snapshots themselves: dropped in number, dumped, registered anew."""

import copy

from reconciler.errors import HypervisorError
from reconciler.model.names import SnapshotName
from reconciler.model.snapshot import DiskCapture
from tests.fakes.domain import FakeDomain, FakeRecord, FakeRecordDisk
from tests.fakes.world import World


def dump(world: World, domain: FakeDomain) -> None:
    """Somebody keeps ``snapshot-dumpxml`` and ``dumpxml --inactive`` of now."""
    for record in domain.records.values():
        if (domain.uuid, record) not in world.dumped_records:
            world.dumped_records.append((domain.uuid, copy.deepcopy(record)))
    definition = domain.persistent
    if definition is not None and (domain.uuid, definition) not in world.dumped_definitions:
        world.dumped_definitions.append((domain.uuid, definition.copied()))


def forget_subtree(domain: FakeDomain, name: SnapshotName, *, too: bool) -> None:
    """METADATA_ONLY with CHILDREN (*too*) or CHILDREN_ONLY: no version rewrites what is left."""
    top = domain.record(name)
    gone = [record.name for record in descendants(domain, name)] + ([name] if too else [])
    if domain.current in gone:
        domain.current = top.parent if too else name
    for each in gone:
        del domain.records[each]


def register(domain: FakeDomain, record: FakeRecord) -> None:
    """REDEFINE: over the record of that name, or a new one; who is current stays."""

    def refuse(cause: str) -> HypervisorError:
        return HypervisorError(f"cannot create snapshot {record.name}: {cause}", code=8)

    present = domain.records.get(record.name)
    if present is not None and (present.state == "shutoff") is not (record.state == "shutoff"):
        raise refuse("cannot change between online and offline snapshot state")
    above = record.parent
    while above is not None:
        if above not in domain.records:
            raise refuse(f"parent {record.parent} not found")
        if above == record.name:
            raise refuse(f"parent {record.parent} would create cycle")
        above = domain.records[above].parent
    domain.records[record.name] = record


def rewrite(heir: FakeRecord, dropped: FakeRecordDisk) -> None:
    """Each inner definition by itself; what ``<disks>`` says stays."""
    disk = heir.disks.get(dropped.target)
    if disk is None or disk.capture is DiskCapture.INTERNAL:
        return
    if disk.source == dropped.overlay:
        disk.source, disk.source_format = dropped.source, dropped.source_format
    if heir.inactive.get(dropped.target) == dropped.overlay:
        heir.inactive[dropped.target] = dropped.source


def descendants(domain: FakeDomain, name: SnapshotName) -> list[FakeRecord]:
    found: list[FakeRecord] = []
    for child in domain.children(name):
        found += [child, *descendants(domain, child.name)]
    return found
