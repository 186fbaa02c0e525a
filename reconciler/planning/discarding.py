"""How many bytes of work a step gives up: what no snapshot holds, and nothing else will."""

from reconciler.model.action import RemovalCause, RemoveImage, RevertInternal, RevertSnapshot
from reconciler.model.names import ImagePath
from reconciler.model.snapshot import DiskCapture
from reconciler.planning.world import World


def discarded_bytes(world: World, action: RevertSnapshot | RevertInternal | RemoveImage) -> int:
    """At most: what the images hold that hold it alone; 0 for what another step has counted."""
    match action:
        case RevertSnapshot():
            if not action.discards or action.is_undone:
                return 0
            kept = _kept(world) | {path for new in action.disks for path in world.walk(new.frozen)}
            return sum(
                _allocated(world, path)
                for new in action.disks
                for path in _present(world, new.target)
                if path not in kept
            )
        case RevertInternal():
            images = (path for _, path in action.images)
            return 0 if action.kept_by else sum(_since(world, path) for path in images)
        case RemoveImage(cause=RemovalCause.ABANDONED | RemovalCause.ORPHANED, is_present=True):
            counted = {image.path for image in world.ledger.images if image.is_given_up}
            return 0 if action.path in counted else _allocated(world, action.path)
        case RemoveImage():
            return 0  # emptied, or never written to


def _kept(world: World) -> frozenset[ImagePath]:
    """What some snapshot holds."""
    return frozenset(
        path
        for record in world.domain.records
        for disk in record.external_disks
        if disk.source is not None
        for path in world.walk(world.now_at(disk.source))
    )


def _present(world: World, target: str) -> tuple[ImagePath, ...]:
    disk = next((d for d in world.domain.disks if d.target == target), None)
    return world.walk(disk.source) if disk is not None and disk.source is not None else ()


def _since(world: World, path: ImagePath) -> int:
    """An image does not tell what of it was written since a snapshot inside it, only whether."""
    inside = {
        record.name
        for record in world.domain.records
        if any(d.source == path and d.capture is DiskCapture.INTERNAL for d in record.disks)
    }
    is_unwritten = bool(inside & set(world.image(path).unwritten_since))
    return 0 if is_unwritten and not world.domain.is_active else _allocated(world, path)


def _allocated(world: World, path: ImagePath) -> int:
    return world.image(path).allocated or 0
