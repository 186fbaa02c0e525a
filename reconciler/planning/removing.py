"""Snapshots, loose overlays and orphaned images that go."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.model.action import (
    Action,
    ForgetSnapshot,
    RemovalCause,
    RemoveImage,
)
from reconciler.model.drift import (
    DanglingCause,
    ImageOrphaned,
    SnapshotUndeclared,
)
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import Selection
from reconciler.planning import consolidation, differ, safety, storage
from reconciler.planning.builder import Builder
from reconciler.planning.consolidation import Loose
from reconciler.planning.differ import Declared
from reconciler.planning.world import World

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
    # what no merge took down goes only when a person agrees, whatever the manifest says of pruning
    needs_approval = needs_approval or any(_works_in_branches(builder.world, result.actions))
    for action in result.actions:
        builder.add(action, reason, needs_approval=needs_approval)
    builder.refuse(*result.refusals)


def _works_in_branches(world: World, actions: Iterable[Action]) -> Iterator[ImagePath]:
    """Images that go with a snapshot off the live chain, that hold what was written after it, and that
    no revert was told to give up."""
    told = {image.path for image in world.ledger.images if image.is_given_up}
    for action in actions:
        if isinstance(action, ForgetSnapshot):
            for path in action.gives_up:
                is_work = path not in world.frozen_layers and not world.image(path).is_blank
                if is_work and path not in told:
                    yield path


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
