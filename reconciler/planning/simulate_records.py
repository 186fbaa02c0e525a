"""libvirt's records once they are deleted, forgotten or written anew."""

from dataclasses import replace

from reconciler.model.action import (
    AdoptSnapshot,
    DeleteSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    SourceChange,
)
from reconciler.model.chain import Image
from reconciler.model.names import SnapshotName
from reconciler.model.snapshot import (
    SnapshotDisk,
    SnapshotRecord,
)
from reconciler.planning import altered
from reconciler.planning.world import World


def deleted(world: World, action: DeleteSnapshot) -> World:
    """Without the record, and without what its images hold of it."""
    images = dict(world.images)
    for _, path in action.images:
        image = images.get(path)
        if image is not None:
            images[path] = _without_inside(image, action.snapshot)
    changed = altered.with_records(world, without(world, action.snapshot))
    return replace(changed, images=images)


def _without_inside(image: Image, name: SnapshotName) -> Image:
    names = image.internal_snapshots
    pairs = tuple(zip(image.internal_ids, names, strict=False))
    return replace(
        image,
        internal_snapshots=tuple(n for n in names if n != name),
        internal_ids=tuple(id_ for id_, n in pairs if n != name),
        unwritten_since=tuple(n for n in image.unwritten_since if n != name),
    )


def without(world: World, name: SnapshotName) -> tuple[SnapshotRecord, ...]:
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


def redefined(world: World, action: RedefineSnapshot) -> tuple[SnapshotRecord, ...]:
    """The record written anew."""
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


def marked(world: World, action: AdoptSnapshot | ReleaseSnapshot) -> tuple[SnapshotRecord, ...]:
    """The record with our mark, or without its hold."""

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
        revert_overlay=None if change.overlay else disk.revert_overlay,
    )
