"""Snapshot records and the overlays that come with them, with libvirt's semantics (facts §1, §4.4)."""

from collections.abc import Mapping

from reconciler.errors import HypervisorError, StepRefused
from reconciler.model.action import CreateSnapshot, SourceChange
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName, folder_of
from reconciler.model.snapshot import DiskCapture
from tests.fakes import agent
from tests.fakes.domain import FakeDisk, FakeDomain, FakeRecord, FakeRecordDisk
from tests.fakes.storage import FakeFile
from tests.fakes.world import LIBVIRT_9_9, World


def create(
    world: World,
    domain: FakeDomain,
    name: SnapshotName,
    overlays: Mapping[DiskTarget, ImagePath],
    *,
    description: str = "",
    quiesce: bool = False,
    has_metadata: bool = True,
) -> None:
    """An external disk-only snapshot; disks that *overlays* does not name are left out."""
    _check(world, domain, name, overlays, has_metadata=has_metadata)
    is_frozen_by_us = quiesce and domain.live is not None
    if is_frozen_by_us:
        agent.freeze(domain)
        domain.quiesced.append(name)
    # Who dies here leaves the guest frozen: the worst that a freeze by our own hand can do.
    world.point("during")
    record = _record(world, domain, name, overlays, description)
    for target, overlay in sorted(overlays.items()):
        _switch(world, domain, target, overlay)
    if is_frozen_by_us:
        domain.agent.is_frozen = False
    if not has_metadata:
        return
    if world.cannot_record:
        domain.current = None
        raise HypervisorError(f"cannot create snapshot {name}: no space left on device", code=1)
    domain.records[name] = record
    domain.current = name


def demand_ready(world: World, domain: FakeDomain, action: CreateSnapshot) -> None:
    """What the port looks at before it asks libvirt."""
    if domain.live is not None and action.consistency is Consistency.OFFLINE:
        raise StepRefused(f"cannot take a snapshot of {domain.name}: it was started")
    for new in action.overlays:
        disk = domain.definition.disk(new.target)
        if disk is None or disk.source != new.frozen:
            raise StepRefused(f"cannot take a snapshot of {domain.name}: {new.target} has changed")
        if new.overlay in world.storage.files:
            raise StepRefused(f"cannot take a snapshot of {domain.name}: {new.overlay} exists")


def _check(
    world: World,
    domain: FakeDomain,
    name: SnapshotName,
    overlays: Mapping[DiskTarget, ImagePath],
    *,
    has_metadata: bool,
) -> None:
    def refuse(cause: str, code: int) -> HypervisorError:
        return HypervisorError(
            f"cannot create snapshot {name} of {domain.name}: {cause}", code=code
        )

    if has_metadata and ("/" in name or name.startswith(".")):
        raise refuse("not a name", 35)
    if has_metadata and name in domain.records:
        raise refuse("it exists", 9)
    if domain.domain_job is not None:
        raise refuse("cannot acquire the state change lock", 68)
    if not overlays:
        raise refuse("no disk is selected", 67)
    for target, overlay in overlays.items():
        domain.disk(target)
        if target in domain.jobs:
            raise refuse(f"a block job runs on {target}", 83)
        if overlay in world.storage.files or list(overlays.values()).count(overlay) > 1:
            raise refuse(f"{overlay} exists", 67)
        if folder_of(overlay) not in world.storage.folders:
            raise refuse(f"cannot create {overlay}: no such file or directory", 38)
    # qemu-img and QEMU open what lies below the new overlay.
    for target in overlays:
        world.storage.file(domain.disk(target).source)


def _record(
    world: World,
    domain: FakeDomain,
    name: SnapshotName,
    overlays: Mapping[DiskTarget, ImagePath],
    description: str,
) -> FakeRecord:
    return FakeRecord(
        name=name,
        created=int(world.now.timestamp()),
        state="shutoff" if domain.live is None else "disk-snapshot",
        description=description,
        parent=domain.current,
        disks={
            disk.target: FakeRecordDisk(
                target=disk.target,
                capture=DiskCapture.EXTERNAL if disk.target in overlays else DiskCapture.SKIPPED,
                source=disk.source,
                source_format=disk.format,
                overlay=overlays.get(disk.target),
                is_writable=disk.is_writable,
            )
            for disk in domain.definition.disks
        },
        inactive=inactive_sources(domain),
        ledger=domain.definition.ledger,
    )


def inactive_sources(domain: FakeDomain) -> dict[DiskTarget, ImagePath]:
    """What a record of the domain says in its ``<inactiveDomain>``; nothing when it is shut off."""
    if domain.live is None or domain.persistent is None:
        return {}
    return {disk.target: disk.source for disk in domain.persistent.disks}


def _switch(world: World, domain: FakeDomain, target: DiskTarget, overlay: ImagePath) -> None:
    """Put *overlay* on a disk; the persistent definition follows where it named the same image."""
    shown = domain.disk(target)
    old, was_open = shown.source, shown.stated
    world.storage.add(
        FakeFile(
            path=overlay,
            backing=old,
            backing_format=shown.format,
            virtual_size=world.storage.file(old).virtual_size,
        )
    )
    for definition in domain.definitions:
        disk = definition.disk(target)
        if disk is not None and disk.source == old:
            disk.source, disk.format = overlay, "qcow2"
            # A shut-off domain gets no <backingStore>, both definitions of a running one do.
            disk.stated = (*was_open, overlay) if domain.live is not None and was_open else None


def forget(world: World, domain: FakeDomain, name: SnapshotName) -> None:
    """Drop the record as libvirt's METADATA_ONLY does: 9.0 rewrites what descendants froze."""
    record = domain.record(name)
    if world.version < LIBVIRT_9_9:
        for heir in _descendants(domain, name):
            for disk in heir.disks.values():
                said = record.disks.get(disk.target)
                if said is not None and said.overlay == disk.source:
                    change_source(heir, disk.target, said.source, said.source_format)
    for child in domain.children(name):
        child.parent = record.parent
    if domain.current == name:
        domain.current = record.parent
    del domain.records[name]


def forget_alone(world: World, domain: FakeDomain, name: SnapshotName) -> None:
    """``forget``, and then what the descendants said is written back; forgotten is forgotten."""
    if name not in domain.records:
        return
    said = {
        (record.name, disk.target): (disk.source, disk.source_format)
        for record in _descendants(domain, name)
        for disk in record.disks.values()
    }
    forget(world, domain, name)
    world.point("during")
    for (heir, target), (source, image_format) in said.items():
        change_source(domain.record(heir), target, source, image_format)


def redefine(
    domain: FakeDomain,
    name: SnapshotName,
    *,
    description: str | None,
    sources: tuple[SourceChange, ...],
    make_current: bool,
) -> None:
    """Write the record anew; what is None stays."""
    record = domain.record(name)
    if description is not None:
        record.description = description
    for change in sources:
        if change.target not in record.disks:
            continue
        if change.source is not None:
            image_format = change.source_format or record.disks[change.target].source_format
            change_source(record, change.target, change.source, image_format)
        if change.overlay is not None:
            record.disks[change.target].overlay = change.overlay
    if make_current:
        domain.current = name


def change_source(
    record: FakeRecord, target: DiskTarget, source: ImagePath, image_format: str
) -> None:
    """What the record's inner definitions say of one disk."""
    if record.inactive.get(target) == record.disks[target].source:
        record.inactive[target] = source
    record.disks[target].source = source
    record.disks[target].source_format = image_format


def _descendants(domain: FakeDomain, name: SnapshotName) -> list[FakeRecord]:
    found: list[FakeRecord] = []
    for child in domain.children(name):
        found += [child, *_descendants(domain, child.name)]
    return found


def put_on(disk: FakeDisk, source: ImagePath, image_format: str) -> None:
    """Point a disk of a definition elsewhere, with no stale chain."""
    disk.source, disk.format, disk.stated = source, image_format, None
