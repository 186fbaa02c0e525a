"""Disks of one guest that share images: a snapshot of one would change with the other."""

from reconciler.model.domain import Disk
from reconciler.model.names import ImagePath
from reconciler.planning import oddities
from reconciler.planning.world import World


def why_not(world: World, disk: Disk) -> str | None:
    """Another disk of the same guest stands on the image that would be frozen, or writes below it.

    Whatever was frozen there goes on changing, and could never be merged.
    """
    mine = _bytes_of(world, (disk.source,))
    chain = _bytes_of(world, oddities.chain_of(world, disk))
    for other in (other for disks in world.domain.definitions for other in disks):
        if other.target == disk.target or other.source is None:
            continue
        is_above = mine & _bytes_of(world, oddities.chain_of(world, other))
        if is_above or (other.is_writable and other.source in chain):
            return f"on an image that {other.target} of the same guest uses too"
    return None


def _bytes_of(world: World, paths: tuple[ImagePath | None, ...]) -> frozenset[ImagePath]:
    """*paths* with all that shares bytes with them."""
    found = frozenset(path for path in paths if path is not None)
    return found.union(*(world.image(path).lies_on for path in found))
