"""Images that must be there, and looked into, before anything rests on them."""

from collections.abc import Iterable

from reconciler.model.chain import Presence
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName, folder_of
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning import oddities
from reconciler.planning.world import World


def why_not(
    world: World,
    snapshot: SnapshotName | None,
    paths: Iterable[ImagePath],
    *,
    disk: DiskTarget | None = None,
) -> Refusal | None:
    """The first of *paths* that is missing, that nobody could look into, or that is no plain image."""
    images = tuple(paths)
    for path in images:
        image = world.image(path)
        if image.presence is Presence.MISSING:
            return refusal(RefusalCode.STORAGE_ABSENT, snapshot=snapshot, image=path, disk=disk)
        if not image.is_examined:
            return refusal(
                RefusalCode.NEEDS_LOCAL_ACCESS,
                snapshot=snapshot,
                image=path,
                disk=disk,
                folder=folder_of(path),
            )
    return oddities.why_not(world, images, disk=disk, snapshot=snapshot)
