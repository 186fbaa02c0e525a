"""Why a frozen layer with several images on it cannot be merged: who stands there."""

from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning import storage
from reconciler.planning.world import World


def is_unread(world: World, image: ImagePath) -> bool:
    """No definition and no record reaches it: what it holds was given up, and is not merged."""
    return image not in storage.read(world)


def why_branched(
    world: World, target: DiskTarget, standing: tuple[ImagePath, ...], name: SnapshotName
) -> Refusal:
    """Other domains, files that nobody owns up to, or branches of this domain's own tree."""
    readers = sorted(
        record.name
        for record in world.domain.records
        if any(set(world.walk(frozen)) & set(standing) for frozen in _frozen(record))
    )
    elsewhere = sorted({d for image in standing for d in world.readers_elsewhere(image)})
    if elsewhere:
        return refusal(
            RefusalCode.UNMANAGED_READER,
            snapshot=name,
            disk=target,
            image=world.image(standing[0]).backing,
            kind="domain",
            readers=", ".join(elsewhere),
        )
    stray = [
        image
        for image in standing
        if image not in world.in_own_chain
        and not any(
            image in world.walk(frozen) for r in world.domain.records for frozen in _frozen(r)
        )
    ]
    if stray:
        return refusal(
            RefusalCode.UNMANAGED_READER,
            snapshot=name,
            disk=target,
            image=world.image(standing[0]).backing,
            kind="file",
            readers=", ".join(stray),
            file=world.standing_alone(stray[0]) if len(stray) == 1 else None,
        )
    return refusal(
        RefusalCode.SNAPSHOT_HAS_BRANCHES,
        snapshot=name,
        disk=target,
        snapshots=", ".join(readers),
    )


def _frozen(record: SnapshotRecord) -> list[ImagePath]:
    return [disk.source for disk in record.external_disks if disk.source is not None]


def standing_on(world: World, path: ImagePath) -> tuple[ImagePath, ...]:
    """Images that stand on *path*, those emptied by us left out."""
    return tuple(child for child in world.children.get(path, ()) if child not in world.emptied)
