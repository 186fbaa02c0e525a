"""A definition that somebody put back to an older one: what the guest wrote since is read by nobody."""

from collections.abc import Iterator

from reconciler.model.chain import Presence
from reconciler.model.domain import Disk
from reconciler.model.drift import DefinitionWentBack
from reconciler.model.names import ImagePath
from reconciler.planning import identity
from reconciler.planning.world import World


def found(world: World) -> Iterator[DefinitionWentBack]:
    """Disks of a shut-off domain that are on a frozen image, below all that was written since.

    With one disk the others went back, also those to which nothing was written.
    """
    back = tuple(_back(world))
    if not any(_written(world, above) for _, above in back):
        return
    for disk, above in back:
        leaves = _written(world, above) or above
        if len(leaves) == 1 and disk.source is not None:
            yield DefinitionWentBack(disk=disk.target, image=leaves[0], observed=disk.source)


def is_ambiguous(world: World) -> bool:
    """Nobody can say which image one of the disks was on before."""
    return any(len(_written(world, above) or above) > 1 for _, above in _back(world))


def _back(world: World) -> Iterator[tuple[Disk, tuple[ImagePath, ...]]]:
    """Disks on an image that a snapshot froze, and what they may have been on before.

    Where that image was written to meanwhile, nobody can say which of the two is wanted: by a guest
    that went on from there, or by somebody who merged what lay above into it.
    """
    if world.domain.is_active:
        return
    frozen = _frozen(world)
    for disk in world.domain.disks:
        source = disk.source
        if source is not None and source in frozen and identity.is_proven(world, source):
            yield disk, tuple(_leaves(world, disk, source, frozen))


def _frozen(world: World) -> frozenset[ImagePath]:
    return frozenset(
        world.now_at(disk.source)
        for record in world.domain.records
        if world.is_managed(record)
        for disk in record.external_disks
        if disk.source is not None
    ) | frozenset(disk.path for entry in world.ledger.entries for disk in entry.frozen)


def _leaves(
    world: World, disk: Disk, source: ImagePath, frozen: frozenset[ImagePath]
) -> Iterator[ImagePath]:
    """Overlays of ours that stand on *source*, on which nothing stands, and that no snapshot froze."""
    ours = {image.path for image in world.ledger.images if image.disk == disk.target}
    given_up = {image.path for image in world.ledger.images if image.is_given_up}
    for path in sorted(ours - given_up - world.emptied - frozen):
        image = world.image(path)
        is_there = image.presence is Presence.PRESENT and image.is_examined
        is_leaf = not world.children.get(path) and path not in world.in_own_chain
        if is_there and is_leaf and source in world.walk(path)[1:]:
            yield path


def _written(world: World, paths: tuple[ImagePath, ...]) -> tuple[ImagePath, ...]:
    return tuple(path for path in paths if not world.image(path).is_blank)
