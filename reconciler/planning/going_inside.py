"""Back to an internal snapshot: libvirt does it, and rewrites the images (facts §5.2)."""

from reconciler.model.action import RevertInternal
from reconciler.model.desired import CaptureType, DesiredDomain, DesiredRevert, RevertConfig
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.planning import keeping, revert_safety
from reconciler.planning.builder import Builder
from reconciler.planning.world import World


def plan(
    builder: Builder, wish: DesiredDomain, wanted: DesiredRevert, record: SnapshotRecord
) -> Refusal | None:
    """Keep the present inside the same images, then have libvirt go back."""
    images = _images(record)
    if not images:
        return keeping.impossible(wanted, "it took no disk")
    state = keeping.power_after(builder.world, wanted, record)
    targets = frozenset(target for target, _ in images)
    kept_by = _kept_before(builder.world, wanted, images)
    if kept_by is None:
        kept = keeping.keep(builder, wish, wanted, targets, type_=CaptureType.INTERNAL)
        if isinstance(kept, Refusal):
            return kept
        kept_by = kept
    has_memory = record.memory is MemoryCapture.INTERNAL
    action = RevertInternal(
        snapshot=wanted.to,
        request=wanted.request,
        images=images,
        memory=has_memory,
        power=state if has_memory else PowerState.SHUT_OFF,
        config=wanted.config,
        kept_by=kept_by,
        definition=(
            keeping.definition_name(builder.world, wanted.request)
            if wanted.config is RevertConfig.DISKS
            else None
        ),
        owed=None if has_memory else keeping.owed(state),
    )
    why = revert_safety.why_not_revert_internal(builder.world, action)
    if why is None:
        builder.add(action, Reason.REVERT_REQUESTED)
    return why


def _kept_before(
    world: World, wanted: DesiredRevert, images: tuple[tuple[DiskTarget, ImagePath], ...]
) -> SnapshotName | None:
    """The safety snapshot of this very request, where nothing was written since: it need not be
    taken once more by who goes on after a crash."""
    record = world.domain.record(keeping.safety_name(wanted.request))
    if wanted.discards or record is None or not world.is_held(record) or world.domain.is_active:
        return None
    held = set(_images(record))
    is_kept = all(revert_safety.is_kept_inside(world, path) for _, path in images)
    return record.name if is_kept and set(images) <= held else None


def _images(record: SnapshotRecord) -> tuple[tuple[DiskTarget, ImagePath], ...]:
    return tuple(
        (disk.target, disk.source)
        for disk in record.disks
        if disk.capture is DiskCapture.INTERNAL and disk.source is not None
    )
