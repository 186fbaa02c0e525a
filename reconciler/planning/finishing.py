"""What virtsnap began is finished first, whatever the manifest says about pruning."""

from reconciler.model.action import (
    AbortJob,
    AdoptRequest,
    AdoptSnapshot,
    CommitMethod,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    RemovalCause,
    RemoveImage,
    RenewLedger,
    SourceChange,
    ThawGuest,
)
from reconciler.model.chain import Presence
from reconciler.model.drift import (
    LedgerFault,
    LedgerStale,
)
from reconciler.model.ledger import MEMORY, CommitState, EntryState, LedgerCommit, RequestState
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.refusal import RefusalCode, refusal
from reconciler.planning import (
    branches,
    differ,
    frozen,
    jobs,
    recalling,
    removing,
    rewriting,
    safety,
    storage,
)
from reconciler.planning.builder import Builder
from reconciler.planning.consolidation import Loose
from reconciler.planning.differ import Declared
from reconciler.planning.world import World

#: the uid of an entry that stands for a snapshot nobody can prove was ever taken
LOST_UID = "lost"


def thaw(builder: Builder) -> None:
    """End a freeze of ours that may be in force."""
    world = builder.world
    is_freezing = world.ledger.is_freezing or recalling.may_be_frozen(world)
    if is_freezing and world.domain.is_active:
        builder.add(ThawGuest(), Reason.FREEZE_UNENDED)


def rebuild(builder: Builder, wish: Declared) -> None:
    """The ledger is lost or older than what was seen: write it anew from the records, no more."""
    world = builder.world
    for record in world.domain.records:
        entry = world.agreeing_entry(record)
        if record.uid is not None and (entry is None or entry.state is EntryState.CREATING):
            builder.add(_adoption(builder, record.name), Reason.LEDGER_STALE)
    _rebuild_requests(builder, wish)
    for snapshot in wish.domain.snapshots if wish.domain else ():
        entry = world.ledger.entry(snapshot.name)
        # an intent in a ledger of older days may have been fulfilled since, and its record be gone
        is_known = entry is not None and entry.state is not EntryState.CREATING
        if not is_known and world.domain.record(snapshot.name) is None:
            lost = AdoptSnapshot(
                snapshot=snapshot.name,
                uid=LOST_UID,
                state=EntryState.LOST,
                created=None,
                consistency=None,
            )
            builder.add(lost, Reason.LEDGER_STALE)
            builder.refuse(refusal(RefusalCode.SNAPSHOT_LOST, snapshot=snapshot.name))
    renewal = recalling.recalled(world, builder.world.ledger.image_paths)
    if renewal.is_from_journal or not builder.steps:
        # without a step it would stay stale for ever, and nothing be done on this domain any more
        builder.add(renewal, Reason.LEDGER_STALE)
    builder.warn(recalling.unproven_debt(world))


def _rebuild_requests(builder: Builder, wish: Declared) -> None:
    """What records or the journal know to be done is done; the one asked for now may have been (design §3)."""
    world = builder.world
    known = [r for record in world.domain.records for r in record.requests]
    for begun in recalling.begun_requests(world):
        if world.ledger.request(begun.request) is None:
            adopted = AdoptRequest(
                request=begun.request, snapshot=begun.to, state=RequestState.BEGUN
            )
            builder.add(adopted, Reason.LEDGER_STALE)
    done = {r.request: r.to for r in (*known, *world.domain.journal_requests)}
    for request, to in sorted(done.items()):
        if builder.world.ledger.request(request) is None:
            adopted = AdoptRequest(request=request, snapshot=to, state=RequestState.DONE)
            builder.add(adopted, Reason.LEDGER_STALE)
    wanted = wish.domain.revert if wish.domain else None
    if wanted is not None and builder.world.ledger.request(wanted.request) is None:
        unproven = AdoptRequest(
            request=wanted.request, snapshot=wanted.to, state=RequestState.UNPROVEN
        )
        builder.add(unproven, Reason.LEDGER_STALE)
        builder.refuse(
            refusal(RefusalCode.REVERT_UNPROVEN, snapshot=wanted.to, request=wanted.request)
        )


def _adoption(builder: Builder, name: SnapshotName) -> AdoptSnapshot:
    record = builder.world.domain.record(name)
    assert record is not None
    assert record.uid is not None
    entry = builder.world.agreeing_entry(record)
    return AdoptSnapshot(
        snapshot=name,
        uid=record.uid,
        state=EntryState.TAKEN,
        created=record.created,
        consistency=None,
        images=tuple(
            (target, path)
            for target, path in (
                *((disk.target, disk.overlay) for disk in record.external_disks),
                (MEMORY, record.memory_file),
            )
            if path is not None and path in record.intent_images
        ),
        is_held=record.is_held or (entry is not None and entry.is_held),
    )


def settle(builder: Builder, wish: Declared) -> None:
    """The ledger learns what it does not know yet, and block jobs of ours come to their end."""
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case LedgerStale(fault=LedgerFault.UNCONFIRMED, snapshot=name) if name:
                builder.add(_adoption(builder, name), Reason.LEDGER_STALE)
            case LedgerStale(fault=LedgerFault.PARTIAL) if not builder.steps:
                builder.add(RenewLedger(is_known=True), Reason.LEDGER_STALE)
            case _:
                pass
    _finish_jobs(builder)
    _acknowledge_merged(builder)


def finish(builder: Builder, wish: Declared) -> None:
    """What virtsnap began is finished, whatever the manifest says about pruning."""
    _tell_the_truth(builder)
    _drop_removed(builder)
    removing.remove(builder, builder.world.deleting, Reason.REMOVAL_BEGUN)
    _remove_emptied(builder)
    _remove_unused(builder)
    _remove_given_up(builder)
    interrupted: Loose = frozenset(
        (o.disk, o.image)
        for o in storage.unrecorded(builder.world, wish.names)
        if o.is_ours and _is_creating(builder, o.snapshot)
    )
    removing.merge_loose(builder, interrupted, Reason.CREATE_UNRECORDED)
    drop_leftovers(builder, wish)
    untouched = _dangling_names(builder) | builder.world.deleting
    by_us = builder.world.merged_by_us
    for action in rewriting.rewrites(builder.world, by_us, untouched):
        builder.add(action, Reason.RECORD_OUTDATED)


def _tell_the_truth(builder: Builder) -> None:
    """Records that libvirt 9.0, or somebody's edit, made name another image are given back their own."""
    found: dict[SnapshotName, list[SourceChange]] = {}
    for name, target, path, _ in frozen.outdated(builder.world):
        known = builder.world.ledger.entry(name)
        disk = known.frozen_disk(target) if known else None
        image_format = disk.format if disk else None
        if image_format is None:
            image_format = rewriting.declared_format(builder.world, target, path)
        change = SourceChange(target=target, source=path, source_format=image_format)
        found.setdefault(name, []).append(change)
    for name, changes in found.items():
        action = RedefineSnapshot(snapshot=name, sources=tuple(changes))
        builder.add(action, Reason.RECORD_OUTDATED)


def drop_leftovers(builder: Builder, wish: Declared) -> None:
    """Ledger entries that nothing stands behind any more."""
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case LedgerStale(fault=LedgerFault.LEFTOVER, snapshot=name) if name:
                builder.add(ForgetSnapshot(snapshot=name, has_record=False), Reason.LEDGER_STALE)
            case _:
                pass


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
        action = _finishing(builder.world, commit, method)
        why = safety.why_not_commit(builder.world, action, frozenset(commit.snapshots))
        if why is None or why.code is RefusalCode.NO_SPACE:
            builder.add(action, Reason.JOB_UNFINISHED)
        else:
            builder.add(AbortJob(disk=job.disk), Reason.JOB_UNFINISHED)
            builder.refuse(why.doing("finish the merge of"))


def _acknowledge_merged(builder: Builder) -> None:
    """A commit that ended unseen is written down before the evidence of it is rewritten."""
    busy = {job.disk for job in builder.world.domain.jobs}
    for commit in builder.world.ledger.commits:
        if not builder.world.is_done(commit) or commit.disk in busy:
            continue
        action = _finishing(builder.world, commit, CommitMethod.LIVE)
        if commit.state is CommitState.STARTED or action.rebased:
            builder.add(action, Reason.JOB_UNFINISHED)


def _finishing(world: World, commit: LedgerCommit, method: CommitMethod) -> FinishJob:
    return FinishJob(
        disk=commit.disk,
        base=commit.base,
        base_format=world.image(commit.base).format,
        merged=commit.merged,
        method=method,
        snapshots=commit.snapshots,
        rebased=_left_standing(world, commit),
    )


def _left_standing(world: World, commit: LedgerCommit) -> tuple[ImagePath, ...]:
    """Images of this domain's branches, off the live chain, that are to stand on the base."""
    return tuple(
        image
        for image in branches.standing_on(world, commit.top)
        if image in world.own_layers
        and image not in world.in_own_chain
        and not world.readers_elsewhere(image)
    )


def _remove_unused(builder: Builder) -> None:
    """Overlays of a create or a revert that did not happen: nobody ever wrote to them."""
    for orphan in tuple(storage.orphaned(builder.world)):
        blank = builder.world.image(orphan.image).is_blank
        if blank and orphan.is_superseded and not orphan.is_emptied:
            removing.remove_image(builder, orphan, RemovalCause.UNUSED, Reason.IMAGE_UNUSED)
    for left in tuple(storage.left_blank(builder.world)):
        action = RemoveImage(
            disk=left.disk,
            path=left.path,
            cause=RemovalCause.UNUSED,
            snapshots=(left.snapshot,),
        )
        if safety.why_not_remove(builder.world, action) is None:
            builder.add(action, Reason.IMAGE_UNUSED)


def _drop_removed(builder: Builder) -> None:
    """Files that were removed as was written down, but for the last word of it."""
    world = builder.world
    gone = world.emptied | {i.path for i in world.ledger.images if i.is_given_up}
    listed = {image.path: image for image in world.ledger.images}
    snapshots = {path: c.snapshots for c in world.ledger.commits for path in c.merged}
    disks = {path: c.disk for c in world.ledger.commits for path in c.merged}
    for path in sorted(gone):
        known, image = listed.get(path), world.images.get(path)
        is_missing = image is None or image.presence is Presence.MISSING
        if not is_missing or not world.is_listed(path) or path in storage.read(world):
            continue
        action = RemoveImage(
            disk=known.disk if known else disks[path],
            path=path,
            cause=RemovalCause.EMPTIED if path in world.emptied else RemovalCause.ABANDONED,
            snapshots=(known.snapshot,) if known else snapshots[path],
            is_present=False,
        )
        builder.add(action, Reason.LEDGER_STALE)


def _remove_given_up(builder: Builder) -> None:
    """What a revert with ``present: discard`` left, died before it could remove it."""
    for left in storage.given_up(builder.world):
        action = RemoveImage(
            disk=left.disk,
            path=left.path,
            cause=RemovalCause.ABANDONED,
            snapshots=(left.snapshot,),
        )
        if safety.why_not_remove(builder.world, action) is None:
            builder.add(action, Reason.IMAGE_GIVEN_UP)


def _remove_emptied(builder: Builder) -> None:
    for orphan in tuple(storage.orphaned(builder.world)):
        if orphan.is_emptied:
            removing.remove_image(builder, orphan, RemovalCause.EMPTIED, Reason.IMAGE_EMPTIED)
