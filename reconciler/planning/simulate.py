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
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.chain import BackingChain, Presence
from reconciler.model.desired import RevertConfig
from reconciler.model.domain import REMOVABLE, Disk, DiskKind
from reconciler.model.names import ImagePath
from reconciler.model.power import PowerState
from reconciler.model.snapshot import SnapshotDisk, SnapshotRecord
from reconciler.planning import altered, bookkeeping, completion, simulate_create, simulate_records
from reconciler.planning.world import World


def after(world: World, action: Action) -> World:
    """*world* once *action* is done, ledger included."""
    # a new snapshot may stand on an image that was written to since an older one did
    known = completion.completed(world) if isinstance(action, CreateSnapshot) else world.ledger
    before = bookkeeping.intended(known, action, bookkeeping.Provenance(uid=simulate_create.UID))
    created = _next_moment(world)
    ledger = bookkeeping.confirmed(before, action, created=created)
    changed = _changed(world, action, created)
    highest = world.highest_serial
    domain = replace(
        changed.domain,
        ledger=bookkeeping.next_serial(ledger, highest),
        is_ledger_partial=False,
    )
    return replace(changed, domain=domain)


def _changed(world: World, action: Action, created: int) -> World:
    match action:
        case CreateSnapshot():
            return simulate_create.taken(world, action, created)
        case CommitOverlays():
            return _merged(world, action, action.rebased)
        case FinishJob():
            return altered.without_job(_merged(world, action, action.rebased), action.disk)
        case AbortJob():
            return altered.without_job(world, action.disk)
        case DeleteSnapshot():
            return simulate_records.deleted(world, action)
        case ForgetSnapshot(snapshot=name, has_record=has_record):
            return (
                altered.with_records(world, simulate_records.without(world, name))
                if has_record
                else world
            )
        case RedefineSnapshot():
            return altered.with_records(world, simulate_records.redefined(world, action))
        case RemoveImage():
            images = {path: image for path, image in world.images.items() if path != action.path}
            return replace(world, images=images)
        case ShutDownDomain():
            return _shut_off(world)
        case StartDomain():
            return _started(world, action)
        case AdoptSnapshot(writes_mark=True) | ReleaseSnapshot():
            return altered.with_records(world, simulate_records.marked(world, action))
        case RevertSnapshot():
            return _reverted(world, action)
        case RevertInternal():
            return _reverted_inside(world, action)
        case DefineDomain():
            record = world.domain.record(action.snapshot)
            return world if record is None else _defined(world, record)
        case SwitchDisk():
            return _switched(world, action)
        case AdoptSnapshot() | AdoptRequest() | RenewLedger() | ThawGuest():
            return world
        case _:
            assert_never(action)


def _next_moment(world: World) -> int:
    moments = [record.created for record in world.domain.records]
    return max([int(world.host.observed_at.timestamp()), *moments])


# --- power


def _shut_off(world: World) -> World:
    return altered.with_domain(
        world,
        power=PowerState.SHUT_OFF,
        live=None,
        agent=altered.unheard(world.domain),
        jobs=(),
        holds_images=None,
    )


def _started(world: World, action: StartDomain) -> World:
    """One that runs already is left as it is."""
    domain = world.domain
    if domain.is_active or domain.persistent is None:
        return world
    live = _opened(world, tuple(replace(disk, stated=None) for disk in domain.persistent))
    return altered.with_domain(world, power=action.state, live=live, agent=altered.unheard(domain))


def _opened(world: World, disks: tuple[Disk, ...]) -> tuple[Disk, ...]:
    """Those that libvirt starts a guest with: of one that is missing and may be (``startupPolicy``)
    it takes the medium out of its drive, or the whole disk away."""
    found = []
    for disk in disks:
        chain = world.walk(disk.source) if disk.source is not None else ()
        is_missing = any(world.image(path).presence is Presence.MISSING for path in chain)
        if not disk.is_optional or not is_missing:
            found.append(disk)
        elif disk.device in REMOVABLE:
            found.append(replace(disk, kind=DiskKind.EMPTY, source=None, chain=None))
    return tuple(found)


# --- revert


def _reverted(world: World, action: RevertSnapshot) -> World:
    new = {disk.target: disk for disk in action.disks}
    images = dict(world.images)
    for disk in () if action.is_undone else action.disks:
        images[disk.overlay] = altered.blank(world, disk)

    def put_back(disk: Disk) -> Disk:
        if disk.target not in new:
            return disk
        overlay, frozen = new[disk.target].overlay, new[disk.target].frozen
        chain = BackingChain(tuple(reversed((overlay, *world.walk(frozen)))))
        return altered.standing_on(disk, overlay, chain)

    reverted = replace(world, images=images, domain=altered.mapped_disks(world.domain, put_back))
    record = world.domain.record(action.snapshot)
    if action.config is RevertConfig.DISKS or record is None:
        return reverted
    present = {disk.target: disk for disk in reverted.domain.persistent or ()}
    then = (present.get(disk.target) or _disk_then(world, disk) for disk in record.disks)
    return altered.with_domain(reverted, persistent=tuple(then))


def _reverted_inside(world: World, action: RevertInternal) -> World:
    """libvirt marks the target as current; with memory the guest goes on at once, with the disks of
    that moment until its next boot, whatever is defined by then."""
    records = tuple(
        replace(record, is_current=record.name == action.snapshot)
        for record in world.domain.records
    )
    images = dict(world.images)
    for _, path in action.images:
        if path in images:
            images[path] = replace(images[path], unwritten_since=(action.snapshot,))
    reverted = replace(altered.with_domain(world, records=records), images=images)
    record = world.domain.record(action.snapshot)
    if action.config is RevertConfig.WHOLE and record is not None:
        reverted = _defined(reverted, record)
    if action.power is PowerState.SHUT_OFF:
        return reverted
    started = _started(reverted, StartDomain(state=action.power))
    then = record.disks if record is not None else ()
    live = tuple(_disk_then(started, disk) for disk in then)
    return altered.with_domain(started, live=_opened(started, live))


def _defined(world: World, record: SnapshotRecord) -> World:
    """The persistent definition is the one that lies in *record*."""
    return altered.with_domain(
        world, persistent=tuple(_disk_then(world, disk) for disk in record.disks)
    )


def _disk_then(world: World, then: SnapshotDisk) -> Disk:
    now = next((d for d in world.domain.persistent or () if d.target == then.target), None)
    if now is not None and now.source == then.source:
        return replace(now, stated=None)
    source = then.source
    return Disk(
        target=then.target,
        kind=DiskKind.EMPTY if source is None else DiskKind.FILE,
        source=source,
        format=then.source_format or "raw",
        device="disk" if then.is_writable else "cdrom",
        is_readonly=not then.is_writable,
        chain=None if source is None else BackingChain(tuple(reversed(world.walk(source)))),
    )


def _switched(world: World, action: SwitchDisk) -> World:
    chain = BackingChain(tuple(reversed(world.walk(action.image))))

    def switched(disk: Disk) -> Disk:
        is_it = disk.target == action.disk
        return altered.standing_on(disk, action.image, chain) if is_it else disk

    return replace(world, domain=altered.mapped_disks(world.domain, switched))


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
        known = disk.chain or disk.stated  # of a chain that cannot be read, what is said of it
        if known is None or action.top not in known or action.base not in known:
            return disk
        chain = disk.chain.without(merged) if disk.chain else None
        offline = action.method is CommitMethod.OFFLINE
        stated = disk.stated.without(merged) if disk.stated and not offline else None
        if disk.source == action.top:
            return replace(
                disk,
                kind=world.kind_of(action.base),
                source=action.base,
                format=action.base_format,
                chain=chain,
                stated=stated,
            )
        return replace(disk, chain=chain, stated=stated)

    return replace(world, images=images, domain=altered.mapped_disks(world.domain, shrunk))
