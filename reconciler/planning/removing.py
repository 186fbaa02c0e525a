"""Snapshots, loose overlays and orphaned images that go."""

from dataclasses import replace

from reconciler.model.action import (
    RemovalCause,
    RemoveImage,
)
from reconciler.model.drift import (
    DanglingCause,
    ImageOrphaned,
    SnapshotUndeclared,
)
from reconciler.model.names import SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import Selection
from reconciler.planning import consolidation, differ, safety, storage
from reconciler.planning.builder import Builder
from reconciler.planning.consolidation import Loose
from reconciler.planning.differ import Declared

_NOTHING: frozenset[SnapshotName] = frozenset()
#: what an earlier step of a plan may take out of the way of a removal
_PASSING = (
    RefusalCode.SNAPSHOT_HAS_BRANCHES,
    RefusalCode.UNMANAGED_READER,
    RefusalCode.POWER_STATE,
)


def remove(
    builder: Builder,
    going: frozenset[SnapshotName],
    reason: Reason,
    *,
    needs_approval: bool = False,
) -> None:
    """Consolidate *going*, which leave for *reason*; what was refused of it before is asked again."""
    if not going:
        return
    builder.refusals = [
        r for r in builder.refusals if r.snapshot not in going or r.code not in _PASSING
    ]
    result = consolidation.consolidate(builder.world, going, frozenset())
    for action in result.actions:
        builder.add(action, reason, needs_approval=needs_approval)
    builder.refuse(*result.refusals)


def merge_loose(
    builder: Builder, loose: Loose, reason: Reason, *, needs_approval: bool = False
) -> None:
    """Commit overlays of ours down that no record accounts for."""
    if loose:
        result = consolidation.consolidate(builder.world, _NOTHING, loose)
        for action in result.actions:
            builder.add(action, reason, needs_approval=needs_approval)
        builder.refuse(*(why.doing("merge an image of") for why in result.refusals))


def remove_image(
    builder: Builder,
    orphan: ImageOrphaned,
    cause: RemovalCause,
    reason: Reason,
    *,
    needs_approval: bool = False,
) -> None:
    """Remove *orphan* if it can be proven that nothing reads it."""
    action = RemoveImage(
        disk=orphan.disk, path=orphan.image, cause=cause, snapshots=(orphan.snapshot,)
    )
    why = safety.why_not_remove(builder.world, action)
    if why is None:
        builder.add(action, reason, needs_approval=needs_approval)
    else:
        builder.refuse(replace(why, snapshot=orphan.snapshot).doing("remove an image of"))


def undeclared(
    builder: Builder, wish: Declared, selection: Selection
) -> tuple[SnapshotUndeclared, ...]:
    """The managed snapshots that nobody declares, those selected."""
    return tuple(
        d
        for d in differ.compare(wish, builder.world).differences
        if isinstance(d, SnapshotUndeclared)
        and selection.has_snapshot(builder.world.domain.name, d.snapshot)
    )


def missing(builder: Builder) -> frozenset[SnapshotName]:
    """Snapshots with an image that is not there: a missing file is no proof (design §5)."""
    return frozenset(
        d.snapshot
        for d in storage.dangling(builder.world, frozenset())
        if d.cause is DanglingCause.MISSING
    )
