"""Records, overlays and pointers that people and mishaps left wrong, as far as pruning allows."""

from typing import assert_never

from reconciler.model.action import (
    ForgetSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemovalCause,
)
from reconciler.model.desired import Prune
from reconciler.model.drift import (
    DanglingCause,
    DescriptionDiffers,
    HoldDiffers,
    RecordDangling,
)
from reconciler.model.ledger import EntryState
from reconciler.model.plan import Reason
from reconciler.model.request import Selection
from reconciler.planning import consolidation, creating, differ, removing, rewriting, storage
from reconciler.planning.builder import Builder
from reconciler.planning.consolidation import Loose
from reconciler.planning.differ import Declared


def repair(builder: Builder, wish: Declared, prune: Prune, selection: Selection) -> None:
    """Descriptions, holds and the current pointer; records and overlays that lost their meaning."""
    name = builder.world.domain.name
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case DescriptionDiffers() if selection.has_snapshot(name, difference.snapshot):
                action = RedefineSnapshot(
                    snapshot=difference.snapshot, description=difference.desired
                )
                builder.add(action, Reason.DESCRIPTION_DIFFERS)
            case HoldDiffers() if selection.has_snapshot(name, difference.snapshot):
                snapshot = difference.snapshot
                if difference.desired:
                    hold = RedefineSnapshot(snapshot=snapshot, holds=True)
                    builder.add(hold, Reason.HOLD_DIFFERS)
                else:
                    builder.add(ReleaseSnapshot(snapshot=snapshot), Reason.HOLD_DIFFERS)
            case _:
                pass
    if prune is Prune.AUTO:
        merge_unclaimed(builder, wish, with_approval=False)
    _rewrite_merged_by_hand(builder, wish)
    point_at_current(builder)


def _rewrite_merged_by_hand(
    builder: Builder, wish: Declared, *, needs_approval: bool = False
) -> None:
    """Only once the records that lost their layer are forgotten: rewriting ends the evidence."""
    world = builder.world
    dangling = tuple(storage.dangling(world, wish.names))
    if any(record.cause is DanglingCause.MERGED for record in dangling):
        return
    untouched = frozenset(record.snapshot for record in dangling) | world.deleting
    for action in tuple(rewriting.rewrites(world, world.moved, untouched)):
        builder.add(action, Reason.RECORD_OUTDATED, needs_approval=needs_approval)


def repair_with_approval(
    builder: Builder, wish: Declared, prune: Prune, selection: Selection
) -> None:
    """What only a person may agree to: missing images, and all under ``confirm``.

    What no merge has taken down may be all the work since a definition went back: an image that is
    read by nobody goes only when a person names the snapshot it was made for.
    """
    if prune is Prune.NEVER:
        return
    _forget_dangling(builder, wish)
    merge_unclaimed(builder, wish, with_approval=True)
    _rewrite_merged_by_hand(builder, wish, needs_approval=True)
    for orphan in tuple(storage.orphaned(builder.world)):
        entry = builder.world.ledger.entry(orphan.snapshot)
        is_failed = entry is not None and entry.state is EntryState.CREATING
        is_named = selection.names(builder.world.domain.name, orphan.snapshot)
        if (is_named or is_failed) and orphan.is_superseded and not orphan.is_emptied:
            removing.remove_image(
                builder,
                orphan,
                RemovalCause.ORPHANED,
                Reason.IMAGE_ORPHANED,
                needs_approval=True,
            )


def _forget_dangling(builder: Builder, wish: Declared) -> None:
    """Declared ones become lost; undeclared ones go with the removals.

    A record that is dropped does not come back: no loop does it by itself.
    """
    for dangling in tuple(storage.dangling(builder.world, wish.names)):
        is_ours = dangling.is_managed and dangling.is_declared
        if not is_ours or not _is_proven_lost(builder, wish, dangling):
            continue
        record = builder.world.domain.record(dangling.snapshot)
        if record is not None and builder.world.is_held(record):
            continue
        why = consolidation.why_not_forget(builder.world, dangling.snapshot)
        if why is not None:
            builder.refuse(why.doing("forget"))
            continue
        action = ForgetSnapshot(snapshot=dangling.snapshot, has_record=True, keeps_as_lost=True)
        builder.add(action, Reason.RECORD_DANGLING, needs_approval=True)


def _is_proven_lost(builder: Builder, wish: Declared, dangling: RecordDangling) -> bool:
    """Not where only a file's time says so, unless the manifest wants the snapshot taken anew."""
    match dangling.cause:
        case DanglingCause.EXPOSED:
            return False
        case DanglingCause.WRITTEN:
            is_written = dangling.image in builder.world.written
            return is_written or creating.is_retaken(wish, dangling.snapshot, builder.world)
        case DanglingCause.MISSING | DanglingCause.MERGED | DanglingCause.DELETED:
            return True
        case _:
            assert_never(dangling.cause)


def merge_unclaimed(builder: Builder, wish: Declared, *, with_approval: bool) -> None:
    """Merge overlays of ours that no record accounts for, until there are none."""
    while True:
        loose: Loose = frozenset(
            (overlay.disk, overlay.image)
            for overlay in storage.unrecorded(builder.world, wish.names)
            if overlay.is_ours and not overlay.is_declared
        )
        before = len(builder.steps)
        removing.merge_loose(
            builder, loose, Reason.OVERLAY_UNRECORDED, needs_approval=with_approval
        )
        if len(builder.steps) == before:
            return


def point_at_current(builder: Builder) -> None:
    """libvirt's current pointer, and its record's overlays, as native calls would need them."""
    for misplaced in tuple(storage.misplaced_current(builder.world)):
        pointer = RedefineSnapshot(snapshot=misplaced.snapshot, make_current=True)
        builder.add(pointer, Reason.CURRENT_MISPLACED)
    for name, changes in tuple(storage.left_overlays(builder.world)):
        overlays = RedefineSnapshot(snapshot=name, sources=changes)
        builder.add(overlays, Reason.CURRENT_MISPLACED)
