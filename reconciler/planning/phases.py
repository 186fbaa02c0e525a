"""The parts of a domain's plan, in their order: finish and repair, create, remove."""

from dataclasses import replace

from reconciler.model.action import (
    AbortJob,
    AdoptSnapshot,
    CommitMethod,
    CreateSnapshot,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    RemovalCause,
    RemoveImage,
    ThawGuest,
)
from reconciler.model.desired import DesiredDomain, Prune
from reconciler.model.drift import (
    DanglingCause,
    DescriptionDiffers,
    ImageOrphaned,
    LedgerFault,
    LedgerStale,
    SnapshotMissing,
    SnapshotUndeclared,
)
from reconciler.model.ledger import CommitState, EntryState
from reconciler.model.names import SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import Selection
from reconciler.planning import consolidation, creation, differ, jobs, safety, storage
from reconciler.planning.builder import Builder
from reconciler.planning.consolidation import Loose
from reconciler.planning.differ import Declared

_NOTHING: frozenset[SnapshotName] = frozenset()

#: the uid of an entry that stands for a snapshot nobody can prove was ever taken
LOST_UID = "lost"


def thaw(builder: Builder) -> None:
    """End a freeze of ours that may be in force."""
    if builder.world.ledger.is_freezing and builder.world.domain.is_active:
        builder.add(ThawGuest(), Reason.FREEZE_UNENDED)


def rebuild(builder: Builder, wish: Declared) -> None:
    """The ledger is lost or older than what was seen: write it anew from the records, no more."""
    world = builder.world
    for record in world.domain.records:
        entry = world.agreeing_entry(record)
        if record.uid is not None and (entry is None or entry.state is EntryState.CREATING):
            builder.add(_adoption(builder, record.name), Reason.LEDGER_STALE)
    for snapshot in wish.domain.snapshots if wish.domain else ():
        known = world.domain.record(snapshot.name) or world.ledger.entry(snapshot.name)
        if known is None:
            lost = AdoptSnapshot(
                snapshot=snapshot.name,
                uid=LOST_UID,
                state=EntryState.LOST,
                created=None,
                consistency=None,
            )
            builder.add(lost, Reason.LEDGER_STALE)
            builder.refuse(refusal(RefusalCode.SNAPSHOT_LOST, snapshot=snapshot.name))


def _adoption(builder: Builder, name: SnapshotName) -> AdoptSnapshot:
    record = builder.world.domain.record(name)
    assert record is not None
    assert record.uid is not None
    return AdoptSnapshot(
        snapshot=name,
        uid=record.uid,
        state=EntryState.TAKEN,
        created=record.created,
        consistency=None,
        images=tuple(
            (disk.target, disk.overlay)
            for disk in record.external_disks
            if disk.overlay in record.intent_images and disk.overlay is not None
        ),
    )


def finish(builder: Builder, wish: Declared) -> None:
    """What virtsnap began is finished, whatever the manifest says about pruning."""
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case LedgerStale(fault=LedgerFault.UNCONFIRMED, snapshot=name) if name:
                builder.add(_adoption(builder, name), Reason.LEDGER_STALE)
            case _:
                pass
    _finish_jobs(builder)
    _acknowledge_merged(builder)
    remove(builder, builder.world.deleting, Reason.REMOVAL_BEGUN)
    _remove_emptied(builder)
    interrupted: Loose = frozenset(
        (o.disk, o.image)
        for o in storage.unrecorded(builder.world, wish.names)
        if o.is_ours and _is_creating(builder, o.snapshot)
    )
    _merge_loose(builder, interrupted, Reason.CREATE_UNRECORDED)
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case LedgerStale(fault=LedgerFault.LEFTOVER, snapshot=name) if name:
                builder.add(ForgetSnapshot(snapshot=name, has_record=False), Reason.LEDGER_STALE)
            case _:
                pass
    untouched = _dangling_names(builder) | builder.world.deleting
    by_us = builder.world.merged_by_us
    for action in consolidation.rewrites(builder.world, by_us, untouched):
        builder.add(action, Reason.RECORD_OUTDATED)


def _is_creating(builder: Builder, name: SnapshotName | None) -> bool:
    entry = builder.world.ledger.entry(name) if name else None
    return entry is not None and entry.state is EntryState.CREATING


def _dangling_names(builder: Builder) -> frozenset[SnapshotName]:
    return frozenset(d.snapshot for d in storage.dangling(builder.world, frozenset()))


def _finish_jobs(builder: Builder) -> None:
    for job in builder.world.domain.jobs:
        commit = jobs.commit_of(builder.world, job)
        method = jobs.method_of(job.kind)
        if commit is None or method is None:
            continue
        action = FinishJob(
            disk=job.disk,
            base=commit.base,
            base_format=builder.world.image(commit.base).format,
            merged=commit.merged,
            method=method,
            snapshots=commit.snapshots,
        )
        why = safety.why_not_commit(builder.world, action, frozenset(commit.snapshots))
        if why is None or why.code is RefusalCode.NO_SPACE:
            builder.add(action, Reason.JOB_UNFINISHED)
        else:
            builder.add(AbortJob(disk=job.disk), Reason.JOB_UNFINISHED)
            builder.refuse(why)


def _acknowledge_merged(builder: Builder) -> None:
    """A commit that ended unseen is written down before the evidence of it is rewritten."""
    busy = {job.disk for job in builder.world.domain.jobs}
    for commit in builder.world.ledger.commits:
        unseen = commit.state is CommitState.STARTED and builder.world.is_done(commit)
        if unseen and commit.disk not in busy:
            action = FinishJob(
                disk=commit.disk,
                base=commit.base,
                base_format=builder.world.image(commit.base).format,
                merged=commit.merged,
                method=CommitMethod.LIVE,
                snapshots=commit.snapshots,
            )
            builder.add(action, Reason.JOB_UNFINISHED)


def _remove_emptied(builder: Builder) -> None:
    for orphan in tuple(storage.orphaned(builder.world)):
        if orphan.is_emptied:
            _remove(builder, orphan, RemovalCause.EMPTIED, Reason.IMAGE_EMPTIED)


def _remove(
    builder: Builder,
    orphan: ImageOrphaned,
    cause: RemovalCause,
    reason: Reason,
    *,
    needs_approval: bool = False,
) -> None:
    action = RemoveImage(
        disk=orphan.disk, path=orphan.image, cause=cause, snapshots=(orphan.snapshot,)
    )
    why = safety.why_not_remove(builder.world, action)
    if why is None:
        builder.add(action, reason, needs_approval=needs_approval)
    else:
        builder.refuse(replace(why, snapshot=orphan.snapshot))


# --- repair, as far as pruning allows


def repair(builder: Builder, wish: Declared, prune: Prune, selection: Selection) -> None:
    """Descriptions and the current pointer; records and overlays that lost their meaning."""
    name = builder.world.domain.name
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case DescriptionDiffers() if selection.has_snapshot(name, difference.snapshot):
                action = RedefineSnapshot(
                    snapshot=difference.snapshot, description=difference.desired
                )
                builder.add(action, Reason.DESCRIPTION_DIFFERS)
            case _:
                pass
    if prune is Prune.AUTO:
        _forget_dangling(builder, wish, with_approval=False)
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
    for action in tuple(consolidation.rewrites(world, world.moved, untouched)):
        builder.add(action, Reason.RECORD_OUTDATED, needs_approval=needs_approval)


def repair_with_approval(builder: Builder, wish: Declared, prune: Prune) -> None:
    """What only a person may agree to: missing images, orphans, and all under ``confirm``."""
    if prune is Prune.NEVER:
        return
    _forget_dangling(builder, wish, with_approval=True)
    merge_unclaimed(builder, wish, with_approval=True)
    _rewrite_merged_by_hand(builder, wish, needs_approval=True)
    for orphan in tuple(storage.orphaned(builder.world)):
        if orphan.is_superseded and not orphan.is_emptied:
            _remove(
                builder,
                orphan,
                RemovalCause.ORPHANED,
                Reason.IMAGE_ORPHANED,
                needs_approval=True,
            )


def _forget_dangling(builder: Builder, wish: Declared, *, with_approval: bool) -> None:
    """Declared ones become lost; undeclared ones go with the removals."""
    for dangling in tuple(storage.dangling(builder.world, wish.names)):
        missing = dangling.cause is DanglingCause.MISSING
        if not (dangling.is_managed and dangling.is_declared) or (missing and not with_approval):
            continue
        why = consolidation.why_not_forget(builder.world, dangling.snapshot)
        if why is not None:
            builder.refuse(why)
            continue
        action = ForgetSnapshot(snapshot=dangling.snapshot, has_record=True, keeps_as_lost=True)
        builder.add(action, Reason.RECORD_DANGLING, needs_approval=with_approval)


def merge_unclaimed(builder: Builder, wish: Declared, *, with_approval: bool) -> None:
    """Merge overlays of ours that no record accounts for, until there are none."""
    while True:
        loose: Loose = frozenset(
            (overlay.disk, overlay.image)
            for overlay in storage.unrecorded(builder.world, wish.names)
            if overlay.is_ours and not overlay.is_declared
        )
        before = len(builder.steps)
        _merge_loose(builder, loose, Reason.OVERLAY_UNRECORDED, needs_approval=with_approval)
        if len(builder.steps) == before:
            return


def _merge_loose(
    builder: Builder, loose: Loose, reason: Reason, *, needs_approval: bool = False
) -> None:
    if loose:
        result = consolidation.consolidate(builder.world, _NOTHING, loose)
        for action in result.actions:
            builder.add(action, reason, needs_approval=needs_approval)
        builder.refuse(*result.refusals)


def point_at_current(builder: Builder) -> None:
    """libvirt's current pointer, and its record's overlays, as native calls would need them."""
    for misplaced in tuple(storage.misplaced_current(builder.world)):
        pointer = RedefineSnapshot(snapshot=misplaced.snapshot, make_current=True)
        builder.add(pointer, Reason.CURRENT_MISPLACED)
    for name, changes in tuple(storage.left_overlays(builder.world)):
        overlays = RedefineSnapshot(snapshot=name, sources=changes)
        builder.add(overlays, Reason.CURRENT_MISPLACED)


# --- create and remove


def create(builder: Builder, wish: DesiredDomain, whole: Declared, selection: Selection) -> None:
    """Declared and never taken, in the order of the list; a refused one holds those after it."""
    missing = {
        d.snapshot
        for d in differ.compare(whole, builder.world).differences
        if isinstance(d, SnapshotMissing)
    }
    refused: SnapshotName | None = None
    for snapshot in wish.snapshots:
        chosen = selection.has_snapshot(builder.world.domain.name, snapshot.name)
        if snapshot.name not in missing or not chosen:
            continue
        if refused is not None:
            why = refusal(
                RefusalCode.ORDER_NOT_MET,
                snapshot=snapshot.name,
                after=refused,
                cause="it is refused",
            )
            builder.refuse(why)
            continue
        action = creation.creation(builder.world, wish, snapshot)
        if isinstance(action, Refusal):
            builder.refuse(action)
            refused = snapshot.name
        else:
            _warn(builder, action)
            builder.add(action, Reason.DECLARED_NOT_TAKEN)


def _warn(builder: Builder, action: CreateSnapshot) -> None:
    domain = builder.world.domain
    found = []
    if domain.checkpoints:
        found.append(f"{domain.name} has checkpoints: {', '.join(domain.checkpoints)}")
    if domain.firmware == "uefi":
        found.append(f"{domain.name}: the NVRAM is not part of a snapshot")
    if domain.has_tpm:
        found.append(f"{domain.name}: the TPM state is not part of a snapshot")
    builder.warnings += [text for text in found if text not in builder.warnings]


def remove(
    builder: Builder,
    going: frozenset[SnapshotName],
    reason: Reason,
    *,
    needs_approval: bool = False,
) -> None:
    """Consolidate *going*, which leave for *reason*."""
    if not going:
        return
    result = consolidation.consolidate(builder.world, going, frozenset())
    for action in result.actions:
        builder.add(action, reason, needs_approval=needs_approval)
    builder.refuse(*result.refusals)


def missing(builder: Builder) -> frozenset[SnapshotName]:
    """Snapshots with an image that is not there: a missing file is no proof (design §5)."""
    return frozenset(
        d.snapshot
        for d in storage.dangling(builder.world, frozenset())
        if d.cause is DanglingCause.MISSING
    )


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
