"""What makes a disk more, or less, than plain images on files: nothing is written there."""

from collections.abc import Iterable, Iterator

from reconciler.model.domain import Disk
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning.world import World

CORRUPT = "QEMU has marked it as corrupt"


def of_disk(world: World, disk: Disk) -> str | None:
    """Why the images of *disk*, read as plain ones, are not what its guest reads."""
    if disk.is_encrypted:
        return "encrypted"
    if disk.oddity is not None:
        return disk.oddity
    for path in chain_of(world, disk):
        image = world.image(path)
        if image.is_encrypted:
            return "encrypted"
        if image.has_data_file:
            return "a qcow2 image with an external data file"
        if image.oddity is not None:
            return f"on {path}: {image.oddity}"
    return None


def is_odd(world: World, disk: Disk) -> bool:
    """What its chain is, nobody but QEMU can say."""
    odd = (world.image(path).oddity for path in chain_of(world, disk))
    return disk.oddity is not None or any(odd)


def chain_of(world: World, disk: Disk) -> tuple[ImagePath, ...]:
    """Its images, as far as they are known."""
    if disk.chain is not None:
        return disk.chain.images
    return world.walk(disk.source) if disk.source is not None else ()


def why_not(
    world: World,
    paths: Iterable[ImagePath],
    *,
    disk: DiskTarget | None,
    snapshot: SnapshotName | None = None,
) -> Refusal | None:
    """Why none of *paths* is to be written to, or to be read by anybody but QEMU."""
    for path in paths:
        image = world.image(path)
        if image.is_corrupt:
            return refusal(
                RefusalCode.CHAIN_BROKEN,
                snapshot=snapshot,
                disk=disk,
                image=path,
                corrupt=path,
                cause=CORRUPT,
            )
        if image.oddity is not None:
            return refusal(
                RefusalCode.DISK_NOT_SUPPORTED,
                snapshot=snapshot,
                disk=disk,
                image=path,
                cause=f"{path}: {image.oddity}",
            )
    return None


def why_not_disk(
    world: World, target: DiskTarget, snapshots: Iterable[SnapshotName]
) -> Refusal | None:
    """What a definition, or the record of one of *snapshots*, says of the disk beyond its image."""
    for cause in _said(world, target, frozenset(snapshots)):
        return refusal(RefusalCode.DISK_NOT_SUPPORTED, disk=target, cause=cause)
    return None


def _said(world: World, target: DiskTarget, snapshots: frozenset[SnapshotName]) -> Iterator[str]:
    for disks in world.domain.definitions:
        for disk in disks:
            if disk.target == target and (disk.is_encrypted or disk.oddity is not None):
                yield disk.oddity or "encrypted"
    for record in world.domain.records:
        taken = record.disk(target) if record.name in snapshots else None
        if taken is not None and taken.oddity is not None:
            yield f"as {record.name} has it, {taken.oddity}"
