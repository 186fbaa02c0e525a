"""Whether what is merged has room in its base: in the base's folder, or on its device."""

from reconciler.model.action import CommitOverlays, FinishJob
from reconciler.model.chain import Image
from reconciler.model.names import folder_of
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning.world import World


def why_no_room(world: World, action: CommitOverlays | FinishJob) -> Refusal | None:
    """Why what *action* merges may not fit where its base lies."""
    base = world.image(action.base)
    if base.is_device:
        return _device_space(world, action, base)
    need = copied_bytes(world, action)
    folder = folder_of(action.base)
    free = next((f.free for f in world.host.folders if f.path == folder), None)
    if free is not None and need > free:
        return refusal(RefusalCode.NO_SPACE, disk=action.disk, folder=folder, need=need, free=free)
    return None


def _device_space(world: World, action: CommitOverlays | FinishJob, base: Image) -> Refusal | None:
    """A device does not grow: all that the guest could ever have written has to fit."""
    size = max(world.image(path).virtual_size or 0 for path in (action.base, *action.merged))
    need = size if base.format == "raw" else full_qcow2(size)
    if base.device_size is not None and need <= base.device_size:
        return None
    return refusal(
        RefusalCode.NO_SPACE,
        disk=action.disk,
        folder=action.base,
        device=action.base,
        need=need,
        whole=base.device_size,
    )


def full_qcow2(size: int) -> int:
    """At most so many bytes a qcow2 image takes with every cluster in use.

    The smallest clusters need the most beside the data: of 512 bytes, 8 for the L2 entry and 8 for
    a reference count of 64 bits, and as much again for the tables of those.  One MiB is for the
    header and what is rounded up.
    """
    return size + size // 16 + (1 << 20)


def copied_bytes(world: World, action: CommitOverlays | FinishJob) -> int:
    """At most so many bytes go into the base; it never grows beyond its virtual size."""
    held = sum(world.image(path).allocated or 0 for path in action.merged)
    sizes = [world.image(path).virtual_size or 0 for path in (action.base, *action.merged)]
    return min(held, max(sizes)) if any(sizes) else held
