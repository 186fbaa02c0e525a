"""Back to an internal snapshot: libvirt does it, and rewrites the images (facts §5.2)."""

from reconciler.model.action import RevertInternal
from reconciler.model.desired import CaptureType, DesiredDomain, DesiredRevert
from reconciler.model.names import DiskTarget, ImagePath
from reconciler.model.plan import Reason
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.planning import keeping, revert_safety
from reconciler.planning.builder import Builder


def plan(
    builder: Builder, wish: DesiredDomain, wanted: DesiredRevert, record: SnapshotRecord
) -> Refusal | None:
    """Keep the present inside the same images, then have libvirt go back."""
    images = _images(record)
    if not images:
        return keeping.impossible(wanted, "it took no disk")
    state = keeping.power_after(builder.world, wanted, record)
    targets = frozenset(target for target, _ in images)
    kept_by = keeping.keep(builder, wish, wanted, targets, type_=CaptureType.INTERNAL)
    if isinstance(kept_by, Refusal):
        return kept_by
    has_memory = record.memory is MemoryCapture.INTERNAL
    action = RevertInternal(
        snapshot=wanted.to,
        request=wanted.request,
        images=images,
        memory=has_memory,
        power=state if has_memory else PowerState.SHUT_OFF,
        config=wanted.config,
        kept_by=kept_by,
        owed=None if has_memory else keeping.owed(state),
    )
    why = revert_safety.why_not_revert_internal(builder.world, action)
    if why is None:
        builder.add(action, Reason.REVERT_REQUESTED)
    return why


def _images(record: SnapshotRecord) -> tuple[tuple[DiskTarget, ImagePath], ...]:
    return tuple(
        (disk.target, disk.source)
        for disk in record.disks
        if disk.capture is DiskCapture.INTERNAL and disk.source is not None
    )
