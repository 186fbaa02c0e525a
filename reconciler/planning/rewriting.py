"""Records that stay are pointed at where the content of merged images is now."""

from collections.abc import Iterator

from reconciler.model.action import (
    RedefineSnapshot,
    SourceChange,
)
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning.world import World, followed


def rewrites(
    world: World, moved: dict[ImagePath, ImagePath], going: frozenset[SnapshotName]
) -> Iterator[RedefineSnapshot]:
    """Managed records that stay and name *moved* images are pointed at where the content is."""
    for record in world.domain.records:
        if record.name in going or not world.is_managed(record):
            continue
        changes = tuple(_changes(world, record, moved))
        if changes:
            yield RedefineSnapshot(snapshot=record.name, sources=changes)


def _changes(
    world: World, record: SnapshotRecord, moved: dict[ImagePath, ImagePath]
) -> Iterator[SourceChange]:
    def now_at(path: ImagePath | None) -> ImagePath | None:
        new = followed(path, moved) if path else None
        return new if new != path else None

    for disk in record.disks:
        source, overlay = now_at(disk.source), now_at(disk.overlay)
        if source or overlay:
            image_format = declared_format(world, disk.target, source) if source else None
            yield SourceChange(
                target=disk.target, source=source, source_format=image_format, overlay=overlay
            )


def declared_format(world: World, target: DiskTarget, path: ImagePath) -> str:
    """As whoever stands on it, or names it, declares the format: never guessed from content."""
    for child in world.children.get(path, ()):
        declared = world.image(child).backing_format
        if declared:
            return declared
    said = [disk for record in world.domain.records for disk in record.disks]
    for disk in sorted(said, key=lambda disk: disk.target != target):
        if disk.source == path and disk.source_format:
            return disk.source_format
    return world.image(path).format
