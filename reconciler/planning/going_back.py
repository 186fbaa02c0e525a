"""Back to an external snapshot: by hand on every libvirt (facts §6), with new overlays."""

from dataclasses import replace

from reconciler.model.action import (
    NewOverlay,
    RemovalCause,
    RemoveImage,
    RevertSnapshot,
)
from reconciler.model.chain import Presence
from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    RevertConfig,
)
from reconciler.model.domain import Disk
from reconciler.model.names import DiskTarget, ImagePath
from reconciler.model.plan import Reason
from reconciler.model.power import PowerOwed
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import MemoryCapture, SnapshotDisk, SnapshotRecord
from reconciler.planning import (
    creation,
    keeping,
    overlay_names,
    powering,
    renamed,
    revert_safety,
    rewriting,
    safety,
    saved_memory,
    storage,
    way_back,
)
from reconciler.planning.builder import Builder
from reconciler.planning.world import World


def plan(
    builder: Builder, wish: DesiredDomain, wanted: DesiredRevert, record: SnapshotRecord
) -> Refusal | None:
    """Keep the present, go back, remove what nobody ever wrote to."""
    before = builder.world
    why = _why_not_placed(before, wanted, record)
    if why is not None:
        return why
    owed = _owed(before, wanted, record)
    if isinstance(owed, Refusal):
        return owed
    targets = _targets(before, record)
    present = _active_images(before, targets)
    is_kept = all(revert_safety.is_kept(before, path) for _, path in present)
    if before.domain.is_active or not is_kept:
        kept = keeping.keep(builder, wish, wanted, targets, type_=CaptureType.EXTERNAL)
        if isinstance(kept, Refusal):
            return kept
    left = _active_images(builder.world, targets)
    known = builder.world.ledger.image_paths
    disks = _overlays(builder.world, wish, wanted, record)
    if isinstance(disks, Refusal):
        return disks
    action = RevertSnapshot(
        snapshot=wanted.to,
        request=wanted.request,
        disks=disks,
        config=wanted.config,
        discards=wanted.discards,
        owed=owed,
        gives_up=tuple(path for _, path in left if wanted.discards and path in known),
        back=way_back.of(before, builder.world, wanted, left) if owed and owed.memory else None,
    )
    why = revert_safety.why_not_revert(builder.world, action)
    if why is not None:
        return why
    builder.add(action, Reason.REVERT_REQUESTED)
    if action.back is not None:
        # only once the guest goes on from that memory is there no way back
        powering.pay(builder)
    for target, path in left:
        _remove_left(builder, wanted, target, path)
    return None


def _now(world: World, disk: SnapshotDisk) -> Disk | None:
    """The disk that goes back: on the images of *disk*, whatever it is called by now; the one of
    that name, where what it was on is not known."""
    frozen = world.now_at(disk.source) if disk.source else None
    found = renamed.disk_of(world, disk.target, frozen) if frozen else None
    return found or world.disk(disk.target)


def _targets(world: World, record: SnapshotRecord) -> frozenset[DiskTarget]:
    found = (_now(world, disk) for disk in record.external_disks)
    return frozenset(disk.target for disk in found if disk is not None)


def _why_not_placed(world: World, wanted: DesiredRevert, record: SnapshotRecord) -> Refusal | None:
    """A disk that is called otherwise now goes back alone: its memory and the definition of that
    moment know it by its old name."""
    for disk in record.external_disks:
        now = _now(world, disk)
        if now is None:
            return keeping.impossible(wanted, f"the domain has no disk {disk.target} any more")
        if now.source is None:
            return keeping.impossible(wanted, f"the image of {now.target} cannot be found now")
        is_old = record.memory is not MemoryCapture.NONE or wanted.config is not RevertConfig.DISKS
        if now.target != disk.target and is_old:
            cause = (
                f"{disk.target} of that moment is {now.target} now, which its memory and its"
                " definition do not know"
            )
            return keeping.impossible(wanted, cause)
    return None


def _owed(
    world: World, wanted: DesiredRevert, record: SnapshotRecord
) -> PowerOwed | Refusal | None:
    """How the domain goes on: from the memory of that moment where the snapshot has it."""
    debt = keeping.owed(keeping.power_after(world, wanted, record))
    if debt is None or record.memory is not MemoryCapture.EXTERNAL:
        return debt
    memory = record.memory_file
    if memory is None or world.image(memory).presence is not Presence.PRESENT:
        return refusal(RefusalCode.STORAGE_ABSENT, snapshot=wanted.to, image=memory, disk="memory")
    unfit = saved_memory.why_not(world, wanted, record, memory)
    if unfit is not None:
        return unfit
    taken = _targets(world, record)
    left = [
        disk.target
        for disk in world.domain.disks
        if (disk.is_writable or disk.is_beyond_snapshots) and disk.target not in taken
    ]
    if left:
        cause = (
            f"its memory does not fit {', '.join(left)}, which went on being written to;"
            " `power: off` leaves the memory out"
        )
        return keeping.impossible(wanted, cause)
    return replace(debt, memory=memory)


def _active_images(
    world: World, targets: frozenset[DiskTarget]
) -> tuple[tuple[DiskTarget, ImagePath], ...]:
    """What the disks that go back stand on."""
    return tuple(
        (disk.target, disk.source)
        for disk in world.domain.disks
        if disk.target in targets and disk.source is not None
    )


def _remove_left(
    builder: Builder, wanted: DesiredRevert, target: DiskTarget, path: ImagePath
) -> None:
    """The former active image: unused, given up on purpose, or still needed by somebody."""
    image = builder.world.image(path)
    if not image.is_blank and not wanted.discards:
        return
    action = RemoveImage(
        disk=target,
        path=path,
        cause=RemovalCause.UNUSED if image.is_blank else RemovalCause.ABANDONED,
        snapshots=(wanted.to,),
    )
    if safety.why_not_remove(builder.world, action) is None:
        reason = Reason.IMAGE_UNUSED if image.is_blank else Reason.REVERT_REQUESTED
        builder.add(action, reason)
    elif not image.is_blank and path not in storage.read(builder.world):
        builder.warnings.append(f"{path} stays: virtsnap did not make it, or somebody reads it")


def _overlays(
    world: World, wish: DesiredDomain, wanted: DesiredRevert, record: SnapshotRecord
) -> tuple[NewOverlay, ...] | Refusal:
    declared = wish.snapshot(wanted.to)
    template = (declared or DesiredSnapshot(name=wanted.to)).overlay
    found: list[NewOverlay] = []
    for disk in record.external_disks:
        now = _now(world, disk)
        assert now is not None
        assert disk.source is not None
        frozen = world.now_at(disk.source)
        taken = frozenset(new.overlay for new in found)
        path = overlay_names.overlay_path(world, now, wanted.to, template, taken)
        if isinstance(path, Refusal):
            return path
        image_format = rewriting.declared_format(world, disk.target, frozen)
        found.append(
            NewOverlay(target=now.target, frozen=frozen, frozen_format=image_format, overlay=path)
        )
        depth, limit = len(world.walk(frozen)), creation.libvirt_limit(world)
        if depth > limit:
            return refusal(RefusalCode.CHAIN_TOO_DEEP, disk=disk.target, depth=depth, limit=limit)
    return tuple(found)
