"""Where records, chains and files disagree."""

from collections.abc import Iterator
from functools import partial

from reconciler.model.action import SourceChange
from reconciler.model.chain import Presence
from reconciler.model.drift import (
    ChainTooDeep,
    CurrentMisplaced,
    DanglingCause,
    ImageOrphaned,
    OverlayUnrecorded,
    RecordDangling,
    RecordOutdated,
    SnapshotUnproven,
)
from reconciler.model.ledger import MEMORY, LedgerImage
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.snapshot import DiskCapture, SnapshotDisk, SnapshotRecord
from reconciler.planning import frozen, identity, renamed
from reconciler.planning.frozen import Standing
from reconciler.planning.index import Role
from reconciler.planning.world import World

#: what it was is not there any more
_OVERWRITTEN = (DanglingCause.WRITTEN, DanglingCause.MERGED, DanglingCause.DELETED)


def dangling(world: World, declared: frozenset[str]) -> Iterator[RecordDangling]:
    """Records whose frozen layer is not what it was; those being deleted are expected to be so."""
    for record in world.domain.records:
        if record.name in world.deleting:
            continue
        fault = world.once(("fault", record.name), partial(_first_fault, world, record))
        if fault is not None:
            disk, image, cause = fault
            yield RecordDangling(
                snapshot=record.name,
                disk=disk,
                image=image,
                cause=cause,
                is_managed=world.is_managed(record),
                is_declared=record.name in declared,
            )


def _first_fault(
    world: World, record: SnapshotRecord
) -> tuple[DiskTarget, ImagePath, DanglingCause] | None:
    return next(_faults(world, record), None)


def _faults(
    world: World, record: SnapshotRecord
) -> Iterator[tuple[DiskTarget, ImagePath, DanglingCause]]:
    """What is not as it was: 1. disk by disk, 2. the memory."""
    held = {moment.disk.target: moment for moment in frozen.moments(world, record)}
    for disk in record.disks:
        fault, moment = None, held.get(disk.target)
        if moment is not None and moment.standing is Standing.UNPROVEN:
            continue  # which image it is nobody can say: a difference of its own
        if disk.capture is DiskCapture.EXTERNAL:
            is_wrong = moment is not None and moment.standing is Standing.RECORD_OUTDATED
            path = moment.path if moment is not None and is_wrong else disk.source
            fault = None if path is None else _fault(world, disk, path)
            spoilt = frozen.written(world, record, disk.target)
            if spoilt is not None and (fault is None or fault[1] is DanglingCause.EXPOSED):
                fault = spoilt, DanglingCause.WRITTEN
        elif disk.capture is DiskCapture.INTERNAL:
            fault = _fault_inside(world, record, disk)
        if fault is not None:
            yield disk.target, *fault
    memory = record.memory_file
    if memory is not None and world.image(memory).presence is Presence.MISSING:
        yield MEMORY, memory, DanglingCause.MISSING


def _fault_inside(
    world: World, record: SnapshotRecord, disk: SnapshotDisk
) -> tuple[ImagePath, DanglingCause] | None:
    """The image has gone, or the snapshot is not in it any more."""
    if disk.source is None:
        return None
    image = world.image(disk.source)
    if image.presence is Presence.MISSING:
        return disk.source, DanglingCause.MISSING
    if image.is_examined and record.name not in image.internal_snapshots:
        return disk.source, DanglingCause.DELETED
    return None


def _fault(
    world: World, disk: SnapshotDisk, holding: ImagePath
) -> tuple[ImagePath, DanglingCause] | None:
    layer = world.now_at(holding)
    chain = world.walk(layer)
    for path in chain:
        if world.image(path).presence is Presence.MISSING:
            return path, DanglingCause.MISSING
    for top, base in world.domain.merged_by_hand:
        between = world.walk(top)
        is_between = base in between and holding in between[1 : between.index(base) + 1]
        # whose base is as it was has had nothing merged into it
        if is_between and not identity.is_proven(world, holding):
            return base, DanglingCause.MERGED
    written = identity.changed(world, holding)
    if written is not None:
        return written, DanglingCause.WRITTEN
    for path in chain:
        if path in world.written_now and not identity.is_proven(world, path):
            return path, DanglingCause.WRITTEN
    for path in chain:
        if path in world.written:
            return path, DanglingCause.EXPOSED
    return None


def outdated(world: World, without: frozenset[SnapshotName]) -> Iterator[RecordOutdated]:
    """Managed records, intact themselves, that name images whose content has moved."""
    gone = without | world.deleting
    for name, target, path, said in frozen.outdated(world):
        yield RecordOutdated(snapshot=name, disk=target, image=path, said=said)
    if not world.moved:
        return
    for record in world.domain.records:
        if record.name in gone or not world.is_managed(record):
            continue
        for disk in record.disks:
            paths = (disk.source, disk.overlay)
            moved = next((p for p in paths if p is not None and world.now_at(p) != p), None)
            if moved is not None:
                yield RecordOutdated(
                    snapshot=record.name, disk=disk.target, image=world.now_at(moved)
                )


def unproven(world: World) -> Iterator[SnapshotUnproven]:
    """Managed snapshots of which nobody can say which images are theirs."""
    for record in world.domain.records:
        for moment in frozen.moments(world, record):
            if moment.standing is Standing.UNPROVEN:
                yield SnapshotUnproven(
                    snapshot=record.name, disk=moment.disk.target, says=moment.says
                )


def expected_current(world: World) -> SnapshotRecord | None:
    """The record that the active layers stand on: its frozen layers are right below them."""
    return next((r for r in reversed(world.domain.records) if _is_stood_on(world, r)), None)


def _is_stood_on(world: World, record: SnapshotRecord) -> bool:
    stands = []
    for disk in record.external_disks:
        frozen = world.now_at(disk.source) if disk.source else None
        now = renamed.disk_of(world, disk.target, frozen) if frozen else world.disk(disk.target)
        if now is not None and now.chain is not None:
            stands.append(now.chain.below(now.chain.active) == frozen is not None)
    return bool(stands) and all(stands)


def misplaced_current(world: World) -> Iterator[CurrentMisplaced]:
    """The current pointer is not where native libvirt calls would need it (facts §0.3, §0.4)."""
    expected = expected_current(world)
    current = world.domain.current
    if expected is None or not world.is_managed(expected) or expected.name in world.deleting:
        return
    if current is not None and not current.is_external and _is_on_active(world, current):
        return  # it moved the pointer without moving the active layer
    if current is None or current.name != expected.name:
        yield CurrentMisplaced(snapshot=expected.name, observed=current.name if current else None)


def misnamed_overlays(world: World) -> Iterator[CurrentMisplaced]:
    """The current snapshot is the right one, and its record does not name the images in use."""
    current = world.domain.current
    if current is None or current.name in world.deleting or expected_current(world) is not current:
        return
    for disk in current.external_disks:
        now = renamed.disk_of(world, disk.target, disk.source) if disk.source else None
        if now is not None and now.chain is not None and disk.goes_on_in != now.chain.active:
            yield CurrentMisplaced(
                snapshot=current.name,
                observed=current.name,
                disk=disk.target,
                image=now.chain.active,
                said=disk.goes_on_in,
                is_managed=world.is_managed(current),
            )


def _is_on_active(world: World, record: SnapshotRecord) -> bool:
    """An internal snapshot lies in the images that the guest writes to; memory alone lies in none."""
    for disk in record.disks:
        now = world.disk(disk.target)
        if disk.capture is DiskCapture.INTERNAL and (now is None or now.source != disk.source):
            return False
    return True


def left_overlays(
    world: World,
) -> Iterator[tuple[SnapshotName, tuple[SourceChange, ...]]]:
    """Managed records whose overlay a revert by hand has left: what stands on their layer now.

    The current record must name the active images (facts §6 step 5); another one only when
    nobody reads the overlay it names.
    """
    expected = expected_current(world)
    reached = read(world)
    for record in world.domain.records:
        if not world.is_managed(record) or record.name in world.deleting:
            continue
        is_current = record.is_current and expected is not None and expected.name == record.name
        changes = []
        for disk in record.external_disks:
            now = renamed.disk_of(world, disk.target, disk.source) if disk.source else None
            if now is None or now.chain is None or disk.source is None:
                continue
            if disk.source not in now.chain:
                continue
            above = now.chain.above(disk.source)
            left = is_current or disk.overlay not in reached
            named = (disk.goes_on_in,) if is_current else (disk.overlay, disk.revert_overlay)
            if above and left and above not in named:
                changes.append(SourceChange(target=disk.target, overlay=above))
        if changes:
            yield record.name, tuple(changes)


def accounted(world: World) -> frozenset[ImagePath]:
    """Images that some record names, where their content is now."""
    disks = [disk for record in world.domain.records for disk in record.disks]
    paths = [p for d in disks for p in (d.source, d.overlay, d.revert_overlay) if p is not None]
    return frozenset(paths) | frozenset(world.now_at(path) for path in paths)


def unrecorded(world: World, declared: frozenset[str]) -> Iterator[OverlayUnrecorded]:
    """Images of a live chain above the oldest frozen layer, or made by us, with no record."""
    ours = {image.path: image for image in world.ledger.images}
    for disk in world.domain.disks:
        if disk.chain is None:
            continue
        layers = world.frozen_layers
        named = accounted(world)
        above_frozen = False
        for below, path in zip(disk.chain.images, disk.chain.images[1:], strict=False):
            above_frozen = above_frozen or below in layers
            is_ours = path in ours
            if path in layers or (below in layers and (is_ours or path in named)):
                continue
            if is_ours or above_frozen:
                snapshot = ours[path].snapshot if is_ours else None
                yield OverlayUnrecorded(
                    disk=disk.target,
                    image=path,
                    is_ours=is_ours,
                    snapshot=snapshot,
                    is_declared=snapshot in declared and not _is_creating(world, snapshot),
                )


def _is_creating(world: World, name: str | None) -> bool:
    return any(e.name == name and e.state == "creating" for e in world.ledger.entries)


def needed(world: World, *, by_dangling: bool = True) -> frozenset[ImagePath]:
    """Everything that definitions and records of any domain reach, by name or by backing chain.

    Without *by_dangling* what records of ours merely mention is left out, once the frozen layer
    of such a record was overwritten.
    """
    over = {
        record.snapshot
        for record in dangling(world, frozenset())
        if record.is_managed and record.cause in _OVERWRITTEN and not by_dangling
    }
    named = (
        set(world.foreign)
        | world.ledger.left_behind
        | set(frozen.doubtful(world))
        | {
            naming.path
            for naming in world.namings
            if naming.role is not Role.MENTIONED or naming.snapshot not in over
        }
    )
    return frozenset(image for path in named for image in world.walk(path))


def read(world: World) -> frozenset[ImagePath]:
    """Everything that a definition of any domain, or a frozen layer, reaches."""
    own = {n.path for n in world.namings if n.role in (Role.ACTIVE, Role.STATED, Role.FROZEN)}
    own |= world.ledger.left_behind
    named = own | set(world.foreign) | set(frozen.doubtful(world))
    return frozenset(image for path in named for image in world.walk(path))


def orphaned(world: World, *, by_dangling: bool = True) -> Iterator[ImageOrphaned]:
    """Images of ours that are there and that nobody reads or names; see ``needed``."""
    reached = needed(world, by_dangling=by_dangling)
    given = {image.path for image in given_up(world)}
    for path, (disk, snapshot) in sorted(_ours(world).items()):
        image = world.images.get(path)
        if image is None or image.presence is not Presence.PRESENT or image.is_device:
            continue
        if path in reached and path not in given:
            continue
        yield ImageOrphaned(
            disk=disk,
            image=path,
            snapshot=snapshot,
            is_emptied=path in world.emptied,
            is_superseded=_is_superseded(world, disk, path),
            size=image.allocated,
        )


def left_blank(world: World) -> Iterator[LedgerImage]:
    """Overlays that a revert has left, and that a record of ours names as what came after it.

    A revert removes them itself, unless virtsnap died before.  One whose header is all that tells
    what an unproven snapshot stands on stays.
    """
    evidence = {
        disk.overlay
        for record in world.domain.records
        if frozen.unproven(world, record.name) is not None
        for disk in record.external_disks
    }
    settled = read(world) | world.emptied | evidence
    for left in world.ledger.images:
        image = world.images.get(left.path)
        if image is None or image.presence is not Presence.PRESENT or not image.is_blank:
            continue
        is_unread = left.disk != MEMORY and left.path not in settled
        if is_unread and _is_superseded(world, left.disk, left.path):
            yield left


def given_up(world: World) -> tuple[LedgerImage, ...]:
    """Images that are there still, and that a revert has left on purpose.

    A record of ours may name one as what came after it; nobody may read it.
    """
    reached = read(world)
    return tuple(
        left
        for left in world.ledger.images
        if left.is_given_up
        and left.path not in reached
        and world.image(left.path).presence is Presence.PRESENT
    )


def _ours(world: World) -> dict[ImagePath, tuple[DiskTarget, SnapshotName]]:
    """Images we made, and images of others that a commit of ours has emptied."""
    ours = {image.path: (image.disk, image.snapshot) for image in world.ledger.images}
    for commit in world.ledger.commits:
        for path in commit.merged:
            if path in world.emptied and path not in ours and commit.snapshots:
                ours[path] = (commit.disk, commit.snapshots[0])
    return ours


def _is_superseded(world: World, target: DiskTarget, path: ImagePath) -> bool:
    if target == MEMORY:
        return True  # without its record nothing can be done with it
    if world.image(path).is_blank and not world.image(path).virtual_size:
        return True  # reserved, and never filled
    disk = world.disk(target)
    if disk is None or disk.chain is None:
        return False
    return any(below in disk.chain for below in _own_below(world, path))


def _own_below(world: World, path: ImagePath) -> Iterator[ImagePath]:
    """What *path* stands on, down to the image that the first snapshot froze: a template below that
    tells nothing, another disk may stand on it."""
    for below in world.walk(path)[1:]:
        yield below
        if below not in world.ledger.image_paths:
            return


def too_deep(world: World, limit: int | None) -> Iterator[ChainTooDeep]:
    """Disks whose longest chain has more images above the base than the manifest allows."""
    for disk in world.domain.disks:
        if limit is not None and disk.chain is not None and disk.chain.depth > limit:
            yield ChainTooDeep(disk=disk.target, depth=disk.chain.depth, limit=limit)
