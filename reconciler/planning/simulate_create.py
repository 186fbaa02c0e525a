"""The world once a snapshot is taken."""

from dataclasses import replace

from reconciler.model.action import (
    CreateSnapshot,
)
from reconciler.model.chain import MEMORY_FORMAT, Image
from reconciler.model.domain import Disk, ObservedDomain
from reconciler.model.names import DiskTarget, ImagePath
from reconciler.model.power import PowerState
from reconciler.model.snapshot import (
    DiskCapture,
    MemoryCapture,
    SnapshotDisk,
    SnapshotRecord,
)
from reconciler.planning import altered
from reconciler.planning.world import World

#: stands for the uid that the executor will make up
UID = "uid of a snapshot not taken yet"


def taken(world: World, action: CreateSnapshot, created: int) -> World:
    """Overlays on the disks or snapshots inside their images, and the record that says so."""
    overlays = {new.target: new for new in action.overlays}

    def grown(disk: Disk) -> Disk:
        new = overlays.get(disk.target)
        if new is None or disk.source != new.frozen:
            return disk
        chain = disk.chain.grown_by(new.overlay) if disk.chain else None
        return altered.standing_on(disk, new.overlay, chain)

    older = tuple(replace(r, is_current=False) for r in world.domain.records)
    changed = altered.mapped_disks(world.domain, grown)
    if action.halts:
        changed = replace(
            changed,
            live=None,
            power=PowerState.SHUT_OFF,
            power_detail="",
            jobs=(),
            agent=altered.unheard(changed),
        )
    if action.memory is MemoryCapture.EXTERNAL:
        changed = replace(changed, holds_images=None)
    record = _record_of(world, action, created)
    images = _images_with(world, action)
    return replace(world, images=images, domain=replace(changed, records=(*older, record)))


def _images_with(world: World, action: CreateSnapshot) -> dict[ImagePath, Image]:
    images = dict(world.images)
    for new in action.overlays:
        images[new.overlay] = altered.blank(world, new)
    if action.memory_file is not None:
        images[action.memory_file] = Image(
            path=action.memory_file, format=MEMORY_FORMAT, allocated=0
        )
    for target in action.internal:
        disk = world.disk(target)
        image = images.get(disk.source) if disk and disk.source else None
        if image is not None:
            goes_on = world.domain.is_active and not action.halts
            images[image.path] = replace(
                image,
                internal_snapshots=(*image.internal_snapshots, action.snapshot),
                internal_ids=(*image.internal_ids, image.next_id),
                is_blank=False,
                unwritten_since=() if goes_on else (*image.unwritten_since, action.snapshot),
            )
    return images


def _record_of(world: World, action: CreateSnapshot, created: int) -> SnapshotRecord:
    overlays = {new.target: new.overlay for new in action.overlays}

    def capture(target: DiskTarget) -> DiskCapture:
        if target in action.internal:
            return DiskCapture.INTERNAL
        return DiskCapture.EXTERNAL if target in overlays else DiskCapture.SKIPPED

    return SnapshotRecord(
        name=action.snapshot,
        created=created,
        state=_state_of(world.domain, action),
        description=action.description,
        parent=action.parent,
        is_current=True,
        memory=action.memory,
        memory_file=action.memory_file,
        disks=tuple(
            SnapshotDisk(
                target=disk.target,
                capture=capture(disk.target),
                source=disk.source,
                source_format=disk.format,
                overlay=overlays.get(disk.target),
                is_writable=disk.is_writable,
            )
            for disk in world.domain.disks
        ),
        uid=UID,
        is_held=action.is_held,
        intent_images=action.new_files,
    )


def _state_of(domain: ObservedDomain, action: CreateSnapshot) -> str:
    if not domain.is_active:
        return "shutoff"
    return "disk-snapshot" if action.memory is MemoryCapture.NONE else str(domain.power)
