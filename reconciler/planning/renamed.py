"""A snapshot follows its images: what a definition calls the disk on them may have changed."""

from reconciler.model.domain import Disk
from reconciler.model.names import DiskTarget, ImagePath
from reconciler.planning.world import World


def disk_of(world: World, target: DiskTarget, frozen: ImagePath) -> Disk | None:
    """The disk that a snapshot took as *target* when it was on *frozen*; None when it is detached.

    It stands on *frozen*, or in another branch of the same tree.
    """
    above = [disk for disk in world.domain.disks if frozen in _images(world, disk)]
    tree = frozenset(world.walk(frozen)) & _layers(world)
    beside = [disk for disk in world.domain.disks if tree & _images(world, disk)]
    for found in (above, beside):
        same = next((disk for disk in found if disk.target == target), None)
        if same is not None or len(found) == 1:
            return same or found[0]
    return None


def _images(world: World, disk: Disk) -> frozenset[ImagePath]:
    if disk.source is None:
        return frozenset()
    return frozenset(disk.chain or world.walk(disk.source))


def _layers(world: World) -> frozenset[ImagePath]:
    """What snapshots have parted from one another; a template below them all tells nothing."""
    return world.frozen_layers | world.own_layers
