"""The world as it will be after a step; held against the real one after each."""

from dataclasses import replace
from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    Action,
    AdoptRequest,
    AdoptSnapshot,
    CommitMethod,
    CommitOverlays,
    CreateSnapshot,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    NewOverlay,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemoveImage,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    SourceChange,
    StartDomain,
    ThawGuest,
)
from reconciler.model.chain import MEMORY_FORMAT, BackingChain, Image
from reconciler.model.domain import AgentState, Disk, ObservedDomain
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.snapshot import (
    DiskCapture,
    MemoryCapture,
    SnapshotDisk,
    SnapshotRecord,
)
from reconciler.planning import bookkeeping
from reconciler.planning.world import World

#: stands for the uid that the executor will make up
UID = "uid of a snapshot not taken yet"


def after(world: World, action: Action) -> World:
    """*world* once *action* is done, ledger included."""
    before = bookkeeping.intended(world.ledger, action, bookkeeping.Provenance(uid=UID))
    created = _next_moment(world)
    ledger = bookkeeping.confirmed(before, action, created=created)
    changed = _changed(world, action, created)
    highest = world.highest_serial
    domain = replace(changed.domain, ledger=bookkeeping.next_serial(ledger, highest))
    return replace(changed, domain=domain)


def _changed(world: World, action: Action, created: int) -> World:
    match action:
        case CreateSnapshot():
            return _taken(world, action, created)
        case CommitOverlays():
            return _merged(world, action, action.rebased)
        case FinishJob():
            return _without_job(_merged(world, action, ()), action.disk)
        case AbortJob():
            return _without_job(world, action.disk)
        case DeleteSnapshot():
            return _deleted(world, action)
        case ForgetSnapshot(snapshot=name, has_record=has_record):
            return _with_records(world, _without(world, name)) if has_record else world
        case RedefineSnapshot():
            return _with_records(world, _redefined(world, action))
        case RemoveImage():
            images = {path: image for path, image in world.images.items() if path != action.path}
            return replace(world, images=images)
        case ShutDownDomain():
            return _shut_off(world)
        case StartDomain():
            return _started(world, action)
        case AdoptSnapshot(writes_mark=True) | ReleaseSnapshot():
            return _with_records(world, _marked(world, action))
        case RevertSnapshot():
            return _reverted(world, action)
        case RevertInternal():
            return _reverted_inside(world, action)
        case AdoptSnapshot() | AdoptRequest() | ThawGuest():
            return world
        case _:
            assert_never(action)


def _with_domain(world: World, **changes: object) -> World:
    return replace(world, domain=replace(world.domain, **changes))  # type: ignore[arg-type]


def _with_records(world: World, records: tuple[SnapshotRecord, ...]) -> World:
    """A merge by hand is known by a record that still names its top: no such record, no merge."""
    named = {disk.source for record in records for disk in record.external_disks}
    merged = tuple(pair for pair in world.domain.merged_by_hand if pair[0] in named)
    return _with_domain(world, records=records, merged_by_hand=merged)


def _next_moment(world: World) -> int:
    moments = [record.created for record in world.domain.records]
    return max([int(world.host.observed_at.timestamp()), *moments])


def _without_job(world: World, disk: DiskTarget) -> World:
    return _with_domain(world, jobs=tuple(job for job in world.domain.jobs if job.disk != disk))


# --- power


def _shut_off(world: World) -> World:
    return _with_domain(
        world, power=PowerState.SHUT_OFF, live=None, agent=_unheard(world.domain), jobs=()
    )


def _started(world: World, action: StartDomain) -> World:
    """One that runs already is left as it is."""
    domain = world.domain
    if domain.is_active or domain.persistent is None:
        return world
    live = tuple(replace(disk, stated=None) for disk in domain.persistent)
    return _with_domain(world, power=action.state, live=live, agent=_unheard(domain))


def _unheard(domain: ObservedDomain) -> AgentState:
    """The agent is not connected while the guest is off, and until it has booted."""
    absent = domain.agent is AgentState.ABSENT
    return AgentState.ABSENT if absent else AgentState.DISCONNECTED


# --- create


def _taken(world: World, action: CreateSnapshot, created: int) -> World:
    overlays = {new.target: new for new in action.overlays}

    def grown(disk: Disk) -> Disk:
        new = overlays.get(disk.target)
        if new is None or disk.source != new.frozen:
            return disk
        chain = disk.chain.grown_by(new.overlay) if disk.chain else None
        return replace(disk, source=new.overlay, format="qcow2", chain=chain, stated=None)

    older = tuple(replace(r, is_current=False) for r in world.domain.records)
    changed = _mapped_disks(world.domain, grown)
    if action.halts:
        changed = replace(
            changed,
            live=None,
            power=PowerState.SHUT_OFF,
            power_detail="",
            jobs=(),
            agent=_unheard(changed),
        )
    record = _record_of(world, action, created)
    images = _images_with(world, action)
    return replace(world, images=images, domain=replace(changed, records=(*older, record)))


def _images_with(world: World, action: CreateSnapshot) -> dict[ImagePath, Image]:
    images = dict(world.images)
    for new in action.overlays:
        images[new.overlay] = _blank(world, new)
    if action.memory_file is not None:
        images[action.memory_file] = Image(
            path=action.memory_file, format=MEMORY_FORMAT, allocated=0
        )
    for target in action.internal:
        disk = world.disk(target)
        image = images.get(disk.source) if disk and disk.source else None
        if image is not None:
            names = (*image.internal_snapshots, action.snapshot)
            images[image.path] = replace(image, internal_snapshots=names)
    return images


def _record_of(world: World, action: CreateSnapshot, created: int) -> SnapshotRecord:
    overlays = {new.target: new.overlay for new in action.overlays}

    def capture(target: DiskTarget) -> DiskCapture:
        if target in action.internal:
            return DiskCapture.INTERNAL
        return DiskCapture.EXTERNAL if target in overlays else DiskCapture.SKIPPED

    return SnapshotRecord(
        name=action.snapshot,
        created=created,
        state=_state_of(world.domain, action),
        description=action.description,
        parent=action.parent,
        is_current=True,
        memory=action.memory,
        memory_file=action.memory_file,
        disks=tuple(
            SnapshotDisk(
                target=disk.target,
                capture=capture(disk.target),
                source=disk.source,
                source_format=disk.format,
                overlay=overlays.get(disk.target),
                is_writable=disk.is_writable,
            )
            for disk in world.domain.disks
        ),
        uid=UID,
        is_held=action.is_held,
        intent_images=action.new_files,
    )


def _state_of(domain: ObservedDomain, action: CreateSnapshot) -> str:
    if not domain.is_active:
        return "shutoff"
    return "disk-snapshot" if action.memory is MemoryCapture.NONE else str(domain.power)


def _blank(world: World, new: NewOverlay) -> Image:
    below = world.images.get(new.frozen)
    return Image(
        path=new.overlay,
        format="qcow2",
        backing=new.frozen,
        backing_format=new.frozen_format,
        virtual_size=below.virtual_size if below else None,
        allocated=0,
        is_blank=True,
    )


def _mapped_disks(domain: ObservedDomain, change: object) -> ObservedDomain:
    assert callable(change)
    return replace(
        domain,
        live=tuple(map(change, domain.live)) if domain.live is not None else None,
        persistent=tuple(map(change, domain.persistent)) if domain.persistent is not None else None,
    )


# --- revert


def _reverted(world: World, action: RevertSnapshot) -> World:
    new = {disk.target: disk for disk in action.disks}
    images = dict(world.images)
    for disk in action.disks:
        images[disk.overlay] = _blank(world, disk)

    def put_back(disk: Disk) -> Disk:
        if disk.target not in new:
            return disk
        overlay, frozen = new[disk.target].overlay, new[disk.target].frozen
        chain = BackingChain(tuple(reversed((overlay, *world.walk(frozen)))))
        return replace(disk, source=overlay, format="qcow2", chain=chain, stated=None)

    return replace(world, images=images, domain=_mapped_disks(world.domain, put_back))


def _reverted_inside(world: World, action: RevertInternal) -> World:
    """libvirt marks the target as current; with memory the guest goes on at once."""
    records = tuple(
        replace(record, is_current=record.name == action.snapshot)
        for record in world.domain.records
    )
    reverted = _with_domain(world, records=records)
    if action.power is PowerState.SHUT_OFF:
        return reverted
    return _started(reverted, StartDomain(state=action.power))


# --- commit


def _merged(
    world: World, action: CommitOverlays | FinishJob, rebased: tuple[ImagePath, ...]
) -> World:
    """The images above the top stand on the base now; the merged files are still there."""
    merged = frozenset(action.merged)
    stands = {
        disk.chain.above(action.top)
        for disks in world.domain.definitions
        for disk in disks
        if disk.chain is not None and action.top in disk.chain
    }
    images = dict(world.images)
    for path in sorted({*rebased, *(above for above in stands if above)}):
        image = images.get(path)
        if image is not None:
            images[path] = replace(image, backing=action.base, backing_format=action.base_format)

    def shrunk(disk: Disk) -> Disk:
        if disk.chain is None or action.top not in disk.chain or action.base not in disk.chain:
            return disk
        offline = action.method is CommitMethod.OFFLINE
        stated = disk.stated.without(merged) if disk.stated and not offline else None
        if disk.source == action.top:
            return replace(
                disk,
                source=action.base,
                format=action.base_format,
                chain=disk.chain.without(merged),
                stated=stated,
            )
        return replace(disk, chain=disk.chain.without(merged), stated=stated)

    return replace(world, images=images, domain=_mapped_disks(world.domain, shrunk))


# --- records


def _deleted(world: World, action: DeleteSnapshot) -> World:
    images = dict(world.images)
    for _, path in action.images:
        image = images.get(path)
        if image is not None:
            names = tuple(n for n in image.internal_snapshots if n != action.snapshot)
            images[path] = replace(image, internal_snapshots=names)
    changed = _with_records(world, _without(world, action.snapshot))
    return replace(changed, images=images)


def _without(world: World, name: SnapshotName) -> tuple[SnapshotRecord, ...]:
    """Its children become its parent's, and so does the current mark."""
    gone = world.domain.record(name)
    if gone is None:
        return world.domain.records

    def adjusted(record: SnapshotRecord) -> SnapshotRecord:
        if record.parent == gone.name:
            record = replace(record, parent=gone.parent)
        if gone.is_current and record.name == gone.parent:
            record = replace(record, is_current=True)
        return record

    return tuple(adjusted(r) for r in world.domain.records if r.name != gone.name)


def _redefined(world: World, action: RedefineSnapshot) -> tuple[SnapshotRecord, ...]:
    changes = {change.target: change for change in action.sources}

    def rewritten(record: SnapshotRecord) -> SnapshotRecord:
        if record.name != action.snapshot:
            return replace(record, is_current=False) if action.make_current else record
        return replace(
            record,
            description=(record.description if action.description is None else action.description),
            disks=tuple(_changed_disk(disk, changes.get(disk.target)) for disk in record.disks),
            is_current=record.is_current or action.make_current,
            is_held=record.is_held or action.holds,
        )

    return tuple(rewritten(record) for record in world.domain.records)


def _marked(world: World, action: AdoptSnapshot | ReleaseSnapshot) -> tuple[SnapshotRecord, ...]:
    def with_mark(record: SnapshotRecord) -> SnapshotRecord:
        if isinstance(action, ReleaseSnapshot):
            return replace(record, is_held=False)
        return replace(record, uid=action.uid, is_held=action.is_held)

    return tuple(
        with_mark(record) if record.name == action.snapshot else record
        for record in world.domain.records
    )


def _changed_disk(disk: SnapshotDisk, change: SourceChange | None) -> SnapshotDisk:
    if change is None:
        return disk
    return replace(
        disk,
        source=change.source or disk.source,
        source_format=change.source_format or disk.source_format,
        overlay=change.overlay or disk.overlay,
    )
