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

    Where that image was written to meanwhile, nobody can say which of the two is wanted: by a guest
    that went on from there, or by somebody who merged what lay above into it.
    """
    if world.domain.is_active:
        return
    frozen = _frozen(world)
    for disk in world.domain.disks:
        source = disk.source
        if source is None or source not in frozen or not identity.is_proven(world, source):
            continue
        above = list(_written_above(world, disk, source, frozen))
        if len(above) == 1:
            yield DefinitionWentBack(disk=disk.target, image=above[0], observed=source)


def _frozen(world: World) -> frozenset[ImagePath]:
    return frozenset(
        world.now_at(disk.source)
        for record in world.domain.records
        if world.is_managed(record)
        for disk in record.external_disks
        if disk.source is not None
    ) | frozenset(disk.path for entry in world.ledger.entries for disk in entry.frozen)


def _written_above(
    world: World, disk: Disk, source: ImagePath, frozen: frozenset[ImagePath]
) -> Iterator[ImagePath]:
    """Leaves of ours that hold something, stand on *source*, and that no snapshot froze."""
    ours = {image.path for image in world.ledger.images if image.disk == disk.target}
    given_up = {image.path for image in world.ledger.images if image.is_given_up}
    for path in sorted(ours - given_up - world.emptied - frozen):
        image = world.image(path)
        is_there = image.presence is Presence.PRESENT and image.is_examined
        is_leaf = not world.children.get(path) and path not in world.in_own_chain
        if is_there and is_leaf and not image.is_blank and source in world.walk(path)[1:]:
            yield path
