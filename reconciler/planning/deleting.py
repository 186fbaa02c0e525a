"""Internal snapshots that go: libvirt deletes them where it can be proven that it will."""

from collections.abc import Iterator

from reconciler.model.action import DeleteSnapshot
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import DiskCapture, SnapshotRecord
from reconciler.planning import capture, letting_go, readable, safety, transience
from reconciler.planning.world import World

#: before it, libvirt asks QEMU to delete from all devices, and ignores that one cannot (E9)
DELETES_BY_DEVICE = 10_009_000


def deletions(world: World, going: frozenset[SnapshotName]) -> Iterator[DeleteSnapshot]:
    """One for each of *going* that an image holds, children first.

    What no image holds any more is left: its record is merely forgotten.
    """
    for record in reversed(world.domain.records):
        images = _images(record)
        held = any(record.name in world.image(path).internal_snapshots for _, path in images)
        unknown = any(not world.image(path).is_examined for _, path in images)
        if record.name in going and (held or unknown):
            yield DeleteSnapshot(snapshot=record.name, images=images)


def _images(record: SnapshotRecord) -> tuple[tuple[DiskTarget, ImagePath], ...]:
    return tuple(
        (disk.target, disk.source)
        for disk in record.disks
        if disk.capture is DiskCapture.INTERNAL and disk.source is not None
    )


def why_not_delete(world: World, action: DeleteSnapshot) -> Refusal | None:
    """Why libvirt would refuse, or would leave something behind, or somebody else reads the image."""
    for why in (
        safety.why_held(world, action.snapshot),
        letting_go.why_not(world, action.snapshot),
        *(safety.hidden(world, path, disk=disk) for disk, path in action.images[:1]),
    ):
        if why is not None:
            return why
    spoiler = capture.without_snapshots(world.domain) if world.domain.is_active else None
    if spoiler is not None and world.host.libvirt_version < DELETES_BY_DEVICE:
        cause = f"with {spoiler} this libvirt would leave it in the images"
        return transience.why_not(world, cause, snapshot=action.snapshot) or refusal(
            RefusalCode.NEEDS_POWER_OFF,
            snapshot=action.snapshot,
            domain=world.domain.name,
            cause=cause,
        )
    for target, path in action.images:
        why = _why_not(world, action.snapshot, target, path)
        if why is not None:
            return Refusal(code=why.code, snapshot=action.snapshot, facts=why.facts)
    return None


def _why_not(
    world: World, name: SnapshotName, target: DiskTarget, path: ImagePath
) -> Refusal | None:
    unread = readable.why_not(world, name, (path,), disk=target)
    if unread is not None:
        return unread
    readers = world.readers_elsewhere(path)
    if readers:
        return refusal(
            RefusalCode.UNMANAGED_READER,
            disk=target,
            image=path,
            kind="domain",
            readers=", ".join(readers),
        )
    if not world.domain.is_active:
        return safety.shared_storage(world, path)
    disk = world.disk(target)
    if disk is None or disk.source != path:
        # libvirt deletes inside the image that the guest writes to, and in no other (facts §4.1)
        above = [r.name for r in world.domain.records if r.frozen(target) == path]
        cause = f"it lies in {path}, which is not the image that {target} is on"
        return transience.why_not(world, cause) or refusal(
            RefusalCode.NEEDS_POWER_OFF,
            disk=target,
            image=path,
            domain=world.domain.name,
            cause=cause,
            snapshots=", ".join(above) or None,
        )
    return None
