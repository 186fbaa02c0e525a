"""Snapshot records and the overlays that come with them, with libvirt's semantics (facts §1, §4.4)."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import HypervisorError, StepRefused
from reconciler.model.action import CreateSnapshot, SourceChange
from reconciler.model.chain import MEMORY_FORMAT, SavedMemory
from reconciler.model.ledger import Consistency
from reconciler.model.names import (
    DiskTarget,
    ImagePath,
    SnapshotName,
    folder_of,
    is_below_dev,
)
from reconciler.model.reservation import Reservation
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from tests.fakes import agent, moments, power, records
from tests.fakes.domain import FakeDefinition, FakeDisk, FakeDomain, FakeRecord, FakeRecordDisk
from tests.fakes.storage import FakeFile
from tests.fakes.world import LIBVIRT_9_9, LIBVIRT_10_9, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is kept beside the overlays, or instead of them."""

    inside: frozenset[DiskTarget] = frozenset()
    memory: MemoryCapture = MemoryCapture.NONE
    memory_file: ImagePath | None = None
    halts: bool = False


ON_DISKS_ALONE = Kind()


def create(
    world: World,
    domain: FakeDomain,
    name: SnapshotName,
    overlays: Mapping[DiskTarget, ImagePath],
    *,
    description: str = "",
    quiesce: bool = False,
    has_metadata: bool = True,
    kind: Kind = ON_DISKS_ALONE,
) -> str:
    """A snapshot; disks that neither *overlays* nor *kind* names are left out.

    What the agent says against the thaw after it is handed back.
    """
    _check(world, domain, name, overlays, kind, has_metadata=has_metadata)
    is_frozen_by_us = quiesce and domain.live is not None
    if is_frozen_by_us:
        agent.freeze(domain)
        domain.quiesced.append(name)
    # Who dies here leaves the guest frozen: the worst that a freeze by our own hand can do.
    world.point("during")
    record = _record(world, domain, name, overlays, description, kind)
    view = moments.content_of_guest(world, domain)
    records.dump(world, domain)
    if kind.memory_file is not None:
        _save(world, domain, kind.memory_file)
    for target in sorted(kind.inside):
        file = world.storage.file(domain.disk(target).source)
        file.keep_inside(name)
        # QEMU puts it into the first one alone.
        file.has_held_memory |= kind.memory is MemoryCapture.INTERNAL and target == min(kind.inside)
    for target, overlay in sorted(overlays.items()):
        _switch(world, domain, target, overlay)
    if kind.halts:
        power.shut_off(world, domain)
    said = agent.thaw(domain) if is_frozen_by_us and domain.agent.is_frozen else ""
    if not has_metadata:
        return said
    if world.cannot_record:
        domain.current = None
        raise HypervisorError(f"cannot create snapshot {name}: no space left on device", code=1)
    domain.records[name] = record
    domain.current = name
    moments.note(world, domain, record, view)
    records.dump(world, domain)
    return said


def _save(world: World, domain: FakeDomain, path: ImagePath) -> None:
    """The memory goes over whatever lies there; a token stands for it."""
    there = world.storage.files.get(path)
    if there is not None:
        there.is_empty = True
    world.memories += 1
    live = domain.live.disks if domain.live is not None else []
    saved = SavedMemory(
        name=domain.name,
        uuid=domain.uuid,
        disks=tuple((disk.target, disk.source) for disk in live),
    )
    world.storage.add(
        FakeFile(
            path=path,
            format=MEMORY_FORMAT,
            clusters={0: world.memories},
            saved=saved,
            saved_disks={disk.target: disk.source for disk in domain.definition.disks},
            saved_with=moments.content_of_guest(world, domain),
        )
    )
    domain.has_let_go = domain.is_paused


def delete(world: World, domain: FakeDomain, name: SnapshotName) -> None:
    """Native delete of an internal snapshot, of a running guest only from its active images."""
    record = domain.record(name)
    inside = [d for d in record.disks.values() if d.capture is DiskCapture.INTERNAL]
    for disk in inside if domain.live is not None else ():
        now = domain.definition.disk(disk.target)
        if now is None or now.source != disk.source or domain.has_let_go:
            raise HypervisorError(f"cannot delete {name}: {disk.source} is not in use", code=84)
    # HMP's delvm wants all devices to hold snapshots, and libvirt ignores that it failed.
    others = domain.live is not None and any(
        d.is_writable and d.format != "qcow2" for d in domain.definition.disks
    )
    is_ignored = others and world.version < LIBVIRT_10_9
    for disk in inside:
        file = world.storage.files.get(disk.source)
        if file is not None and not is_ignored:
            file.inside = [(said, held) for said, held in file.inside if said != name]
    for child in domain.children(name):
        child.parent = record.parent
    if domain.current == name:
        domain.current = record.parent
    del domain.records[name]


def demand_ready(
    world: World, domain: FakeDomain, action: CreateSnapshot, reserved: Reservation
) -> None:
    """What the port looks at before it asks libvirt."""
    if domain.live is not None and action.consistency is Consistency.OFFLINE:
        raise StepRefused(f"cannot take a snapshot of {domain.name}: it was started")
    if action.memory is not MemoryCapture.NONE and domain.blocks_saving:
        raise StepRefused(f"cannot take a snapshot of {domain.name}: a device cannot be saved")
    for new in action.overlays:
        disk = domain.definition.disk(new.target)
        if disk is None or disk.source != new.frozen:
            raise StepRefused(f"cannot take a snapshot of {domain.name}: {new.target} has changed")
    for path in action.new_files:
        if not reserved.is_empty(path):
            raise StepRefused(f"cannot take a snapshot of {domain.name}: {path} is another file")
    if action.memory is not MemoryCapture.NONE and domain.live is None:
        raise StepRefused(f"cannot take a snapshot of {domain.name}: it has been shut off")


def _check(
    world: World,
    domain: FakeDomain,
    name: SnapshotName,
    overlays: Mapping[DiskTarget, ImagePath],
    kind: Kind,
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
    if not overlays and not kind.inside:
        raise refuse("no disk is selected", 67)
    if overlays and kind.inside:
        raise refuse("mixing internal and external", 67)
    has_memory = kind.memory is not MemoryCapture.NONE
    if has_memory and domain.live is None:
        raise refuse("there is no memory", 27)
    if has_memory and domain.blocks_saving:
        # asked for all the same, it costs the guest a pause
        domain.pauses += 1
        raise refuse("State blocked by non-migratable device", 1)
    if kind.halts and domain.persistent is None:
        raise refuse("cannot halt after transient domain snapshot", 55)
    if (has_memory or kind.inside) and domain.has_let_go:
        raise refuse("the vm was paused due to previous migration", 1)
    if kind.inside and domain.live is not None and not has_memory:
        raise refuse("memory must be internal", 84)
    if kind.inside and kind.inside != {d.target for d in domain.definition.disks if d.is_writable}:
        raise refuse("every writable disk must be selected", 67)
    for target in kind.inside:
        if target in domain.jobs:
            raise refuse(f"block copy still active: {target}", 83)
        if domain.disk(target).format != "qcow2":
            raise refuse(f"{target} is not qcow2", 67)
    for target in overlays:
        domain.disk(target)
        if target in domain.jobs:
            raise refuse(f"a block job runs on {target}", 83)
    for overlay in overlays.values():
        there = world.storage.files.get(overlay)
        if (there is not None and not there.is_empty) or list(overlays.values()).count(overlay) > 1:
            raise refuse(f"{overlay} exists", 67)
        if is_below_dev(folder_of(overlay)) or folder_of(overlay) not in world.storage.folders:
            raise refuse(f"cannot create {overlay}: no such file or directory", 38)
    # qemu-img and QEMU open what lies below the new overlay.
    for target in (*overlays, *kind.inside):
        world.storage.file(domain.disk(target).source)


def _record(
    world: World,
    domain: FakeDomain,
    name: SnapshotName,
    overlays: Mapping[DiskTarget, ImagePath],
    description: str,
    kind: Kind,
) -> FakeRecord:
    state = "disk-snapshot" if kind.memory is MemoryCapture.NONE else str(domain.power)

    def capture(target: DiskTarget) -> DiskCapture:
        if target in kind.inside:
            return DiskCapture.INTERNAL
        return DiskCapture.EXTERNAL if target in overlays else DiskCapture.SKIPPED

    return FakeRecord(
        name=name,
        created=int(world.now.timestamp()),
        state="shutoff" if domain.live is None else state,
        description=description,
        parent=domain.current,
        memory=kind.memory,
        memory_file=kind.memory_file,
        disks={
            disk.target: FakeRecordDisk(
                target=disk.target,
                capture=capture(disk.target),
                source=disk.source,
                source_format=disk.format,
                overlay=overlays.get(disk.target),
                is_writable=disk.is_writable,
            )
            for disk in domain.definition.disks
        },
        inactive=inactive_sources(domain),
        definition=domain.persistent.copied() if domain.persistent else None,
        ledger=domain.definition.ledger,
    )


def keep_definition(domain: FakeDomain, name: SnapshotName, created: int) -> None:
    """``snapshot-create --redefine`` of a record that takes no disk."""
    if domain.persistent is None or name in domain.records:
        raise HypervisorError(f"cannot create snapshot {name} of {domain.name}", code=9)
    domain.records[name] = FakeRecord(
        name=name,
        created=created,
        state="disk-snapshot",
        disks={
            disk.target: FakeRecordDisk(
                target=disk.target,
                capture=DiskCapture.SKIPPED,
                source=disk.source,
                source_format=disk.format,
                is_writable=disk.is_writable,
            )
            for disk in domain.persistent.disks
        },
        definition=domain.persistent.copied(),
        ledger=domain.persistent.ledger,
    )


def definition_in(record: FakeRecord) -> FakeDefinition:
    """What a revert to it would install: the definition of that moment on the images it names."""
    if record.definition is None:
        raise HypervisorError(f"cannot use {record.name}: it holds no definition", code=1)
    found = record.definition.copied()
    found.ledger = record.ledger
    for disk in found.disks:
        said = record.disks.get(disk.target)
        if said is not None:
            put_on(disk, record.inactive.get(disk.target, said.source), said.source_format)
    return found


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
            if disk.stated is None:
                disk.spelled_above = old
            disk.source, disk.format = overlay, "qcow2"
            # A shut-off domain's <backingStore> grows where it has one; both definitions of a
            # running one get it.
            below = was_open if domain.live is not None else disk.stated
            disk.stated = (*below, overlay) if below else None


def forget(world: World, domain: FakeDomain, name: SnapshotName) -> None:
    """Drop the record as METADATA_ONLY does: 9.0 rewrites what external descendants froze."""
    record = domain.record(name)
    if world.version < LIBVIRT_9_9:
        for heir in filter(_is_external, records.descendants(domain, name)):
            for said in record.disks.values():
                if said.overlay is not None:
                    records.rewrite(heir, said)
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
        for record in records.descendants(domain, name)
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


def _is_external(record: FakeRecord) -> bool:
    kinds = {disk.capture for disk in record.disks.values()}
    return DiskCapture.EXTERNAL in kinds or record.memory is MemoryCapture.EXTERNAL


def put_on(disk: FakeDisk, source: ImagePath, image_format: str) -> None:
    """Point a disk of a definition elsewhere, with no stale chain."""
    disk.source, disk.format, disk.stated = source, image_format, None
    disk.spelled_above = None
