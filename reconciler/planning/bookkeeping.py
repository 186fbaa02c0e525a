"""What each action writes into the ledger, before it happens and after."""

from dataclasses import dataclass, replace
from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    Action,
    AdoptRequest,
    AdoptSnapshot,
    CommitOverlays,
    CreateSnapshot,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    NewOverlay,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemovalCause,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.ledger import (
    MEMORY,
    CommitState,
    Consistency,
    EntryState,
    FrozenDisk,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    LedgerImage,
    LedgerRequest,
    RequestState,
)
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.power import PowerOwed
from reconciler.planning import way_back


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What goes into the entry of a snapshot that is taken now; *moment* is its creation time,
    where that is for us to say."""

    uid: str
    moment: int | None = None
    source: str | None = None
    revision: str | None = None


def intended(ledger: Ledger, action: Action, provenance: Provenance) -> Ledger:
    """The ledger as it must be before *action* begins (without a new serial)."""
    match action:
        case CreateSnapshot():
            entry = LedgerEntry(
                name=action.snapshot,
                uid=provenance.uid,
                state=EntryState.CREATING,
                source=provenance.source,
                manifest=action.manifest,
                revision=provenance.revision,
                power=action.power,
                is_held=action.is_held,
                frozen=tuple(
                    FrozenDisk(disk=new.target, path=new.frozen, format=new.frozen_format)
                    for new in action.overlays
                ),
                memory=action.memory_file,
            )
            entered = _with_entry(ledger, entry)
            made = _with_images(entered, action.overlays, action.snapshot, action.memory_file)
            owed = ledger.owed
            if action.halts:
                owed = PowerOwed(state=action.power, memory=action.memory_file)
            return replace(made, is_freezing=action.quiesce, owed=owed)
        case CommitOverlays():
            commit = LedgerCommit(
                disk=action.disk,
                base=action.base,
                merged=action.merged,
                snapshots=action.snapshots,
            )
            changed = (action.base, *action.merged, *action.rebased)
            begun = _without_identities(_with_commit(ledger, commit), changed)
            return _deleting(begun, action.snapshots)
        case ForgetSnapshot(keeps_as_lost=False, has_record=True):
            return way_back.giving_up(_deleting(ledger, (action.snapshot,)), action.gives_up)
        case DeleteSnapshot():
            begun = _without_identities(ledger, tuple(path for _, path in action.images))
            return _deleting(begun, (action.snapshot,))
        case ShutDownDomain():
            return replace(ledger, owed=PowerOwed(state=action.owes))
        case RemoveImage(cause=RemovalCause.MEMORY):
            return _deleting(ledger, action.snapshots)
        case RedefineSnapshot():
            # before the record: what shows that an image was merged ends with what the record says
            moved = _frozen_at(ledger, action)
            return _held(moved, action.snapshot, is_held=True) if action.holds else moved
        case RevertSnapshot(is_undone=True):
            return ledger
        case RevertSnapshot():
            made = _with_images(ledger, action.disks, action.snapshot)
            return _with_request(made, action.request, action.snapshot, RequestState.BEGUN)
        case RevertInternal():
            begun = _with_request(ledger, action.request, action.snapshot, RequestState.BEGUN)
            begun = _without_identities(begun, tuple(path for _, path in action.images))
            if action.definition is None:
                return begun
            # there only while the revert is: whoever finds it afterwards removes it
            record = LedgerEntry(
                name=action.definition,
                uid=provenance.uid,
                state=EntryState.DELETING,
                created=provenance.moment,
            )
            return _with_entry(begun, record)
        case (
            ForgetSnapshot()
            | ReleaseSnapshot()
            | AdoptSnapshot()
            | AdoptRequest()
            | DefineDomain()
            | RenewLedger()
            | RemoveImage()
            | FinishJob()
            | AbortJob()
            | ThawGuest()
            | StartDomain()
            | SwitchDisk()
        ):
            return ledger
        case _:
            assert_never(action)


def confirmed(
    ledger: Ledger,
    action: Action,
    *,
    created: int | None = None,
    consistency: Consistency | None = None,
    source: str | None = None,
    revision: str | None = None,
) -> Ledger:
    """The ledger once *action* is done.

    *created* and *consistency* are of the snapshot just taken; *source* and *revision* of an
    adopted one.
    """
    match action:
        case CreateSnapshot():
            entry = ledger.entry(action.snapshot)
            if entry is None:
                return ledger
            taken = replace(
                entry,
                state=EntryState.TAKEN,
                created=created,
                consistency=consistency or action.consistency,
            )
            return replace(_with_entry(ledger, taken), is_freezing=False)
        case CommitOverlays() | FinishJob():
            done = merged(ledger, base=action.base, top=action.top)
            return _without_identities(done, (action.base, *action.merged, *action.rebased))
        case DeleteSnapshot():
            return _without_entry(ledger, action.snapshot)
        case ForgetSnapshot():
            entry = ledger.entry(action.snapshot)
            if action.keeps_as_lost and entry is not None:
                lost = replace(entry, state=EntryState.LOST, frozen=(), memory=None)
                return _with_entry(ledger, lost)
            return _without_entry(ledger, action.snapshot)
        case RemoveImage():
            return _without_image(ledger, action.path)
        case AdoptSnapshot():
            return _adopted(ledger, action, source, revision)
        case ReleaseSnapshot():
            return _held(ledger, action.snapshot, is_held=False)
        case RevertSnapshot(is_undone=True):
            return replace(way_back.settled(ledger), owed=action.owed)
        case RevertSnapshot():
            done = _with_request(ledger, action.request, action.snapshot, RequestState.DONE)
            done = way_back.kept(replace(done, owed=action.owed), action.request, action.back)
            return done if action.back else way_back.giving_up(done, action.gives_up)
        case RevertInternal():
            done = gone_back(ledger, action)
            return _without_entry(done, action.definition) if action.definition else done
        case DefineDomain():
            return replace(ledger, definition=None)
        case AdoptRequest():
            return _with_request(ledger, action.request, action.snapshot, action.state)
        case ThawGuest():
            return replace(ledger, is_freezing=False)
        case ShutDownDomain():
            return replace(ledger, owed=PowerOwed(state=action.owes))
        case StartDomain():
            return replace(way_back.settled(ledger), owed=None)
        case RenewLedger():
            return _recalling(ledger, action)
        case RedefineSnapshot() | AbortJob() | SwitchDisk():
            return ledger
        case _:
            assert_never(action)


def _recalling(ledger: Ledger, action: RenewLedger) -> Ledger:
    images = tuple(i for i in action.images if i.path not in ledger.image_paths)
    for commit in action.commits:
        ledger = _with_commit(ledger, commit)
    return replace(
        _deleting(ledger, action.begun),
        images=(*ledger.images, *images),
        owed=action.owed or ledger.owed,
        definition=action.definition or ledger.definition,
    )


def gone_back(ledger: Ledger, action: RevertInternal) -> Ledger:
    """The ledger once the images are back and the present definition is defined again."""
    done = _with_request(ledger, action.request, action.snapshot, RequestState.DONE)
    return replace(done, owed=action.owed, definition=None)


def merged(ledger: Ledger, *, base: ImagePath, top: ImagePath) -> Ledger:
    """The commit of *top* into *base* has merged everything: what stood on it holds its moment there."""
    moved = {p for c in ledger.commits if (c.base, c.top) == (base, top) for p in c.merged}
    commits = tuple(
        replace(commit, state=CommitState.MERGED)
        if (commit.base, commit.top) == (base, top)
        else commit
        for commit in ledger.commits
    )
    entries = tuple(
        replace(
            entry,
            frozen=tuple(
                replace(disk, path=base, format=None) if disk.path in moved else disk
                for disk in entry.frozen
            ),
        )
        for entry in ledger.entries
    )
    return replace(ledger, commits=commits, entries=entries)


def mark(ledger: Ledger, snapshot: SnapshotName) -> Ledger:
    """The copy of *ledger* for the record of *snapshot*, whose entry becomes the intent to take it.

    What is under way is void in a copy, so it has none of it: should a revert by hand install the
    copy, nothing is owed and nothing counts as merged.
    """
    entry = ledger.entry(snapshot)
    assert entry is not None
    intent = replace(entry, state=EntryState.CREATING, created=None)
    return replace(without_debts(_with_entry(ledger, intent)), commits=(), is_freezing=False)


def without_debts(ledger: Ledger) -> Ledger:
    """What a copy of *ledger* still says: nothing is owed, given up, or being applied."""
    void = replace(way_back.none_in(ledger), owed=None, definition=None, fence=None)
    return void.using(ledger.image_paths)


def next_serial(ledger: Ledger, highest_seen: int) -> Ledger:
    """*ledger* under a serial that nobody has seen."""
    return replace(ledger, serial=max(ledger.serial, highest_seen) + 1)


def withdrawn(ledger: Ledger, action: CommitOverlays, before: Ledger) -> Ledger:
    """*ledger* without what was intended for *action*, which did not begin: as it was *before*."""
    entries = tuple(
        (before.entry(entry.name) or entry) if entry.name in action.snapshots else entry
        for entry in ledger.entries
    )
    return replace(ledger, entries=entries, commits=before.commits)


def _without_entry(ledger: Ledger, name: SnapshotName) -> Ledger:
    return replace(ledger, entries=tuple(e for e in ledger.entries if e.name != name))


def _with_entry(ledger: Ledger, entry: LedgerEntry) -> Ledger:
    others = tuple(e for e in ledger.entries if e.name != entry.name)
    return replace(ledger, entries=(*others, entry))


def _held(ledger: Ledger, name: SnapshotName, *, is_held: bool) -> Ledger:
    entries = tuple(replace(e, is_held=is_held) if e.name == name else e for e in ledger.entries)
    return replace(ledger, entries=entries)


def _frozen_at(ledger: Ledger, action: RedefineSnapshot) -> Ledger:
    """What the record is to say is what the ledger says."""
    entry = ledger.entry(action.snapshot)
    sources = {c.target: c for c in action.sources if c.source is not None}
    if entry is None or not sources:
        return ledger
    frozen, moved = [], []
    for disk in entry.frozen:
        change = sources.get(disk.disk)
        if change is not None and change.source not in (None, disk.path):
            moved.append(change.source)
            disk = replace(disk, path=change.source, format=change.source_format)
        frozen.append(disk)
    entered = _with_entry(ledger, replace(entry, frozen=tuple(frozen)))
    return _without_identities(entered, tuple(moved))


def _without_identities(ledger: Ledger, paths: tuple[ImagePath, ...]) -> Ledger:
    """*paths* are changed now, by us: what they are like afterwards is looked at afterwards."""
    kept = tuple(known for known in ledger.identities if known.path not in paths)
    return replace(ledger, identities=kept)


def _with_images(
    ledger: Ledger,
    overlays: tuple[NewOverlay, ...],
    snapshot: SnapshotName,
    memory: ImagePath | None = None,
) -> Ledger:
    images = tuple(
        LedgerImage(path=new.overlay, disk=new.target, snapshot=snapshot) for new in overlays
    )
    if memory is not None:
        images = (*images, LedgerImage(path=memory, disk=MEMORY, snapshot=snapshot))
    paths = frozenset(image.path for image in images)
    kept = tuple(image for image in ledger.images if image.path not in paths)
    anew = _without_identities(_without_merged(ledger, paths), tuple(paths))
    return replace(anew, images=(*kept, *images))


def _with_request(ledger: Ledger, request: str, to: SnapshotName, state: RequestState) -> Ledger:
    others = tuple(r for r in ledger.requests if r.request != request)
    return replace(ledger, requests=(*others, LedgerRequest(request=request, to=to, state=state)))


def _with_commit(ledger: Ledger, commit: LedgerCommit) -> Ledger:
    """An earlier commit of the same images, whatever it came to, is part of the new one."""
    others = tuple(c for c in ledger.commits if not set(c.merged) & set(commit.merged))
    return replace(ledger, commits=(*others, commit))


def _deleting(ledger: Ledger, names: tuple[SnapshotName, ...]) -> Ledger:
    entries = tuple(
        replace(e, state=EntryState.DELETING)
        if e.name in names and e.state in (EntryState.TAKEN, EntryState.CREATING)
        else e
        for e in ledger.entries
    )
    return replace(ledger, entries=entries)


def _without_image(ledger: Ledger, path: ImagePath) -> Ledger:
    images = tuple(image for image in ledger.images if image.path != path)
    left = _without_identities(_without_merged(ledger, frozenset({path})), (path,))
    return replace(left, images=images)


def _without_merged(ledger: Ledger, paths: frozenset[ImagePath]) -> Ledger:
    """No commit of ours has merged *paths*: they are gone, or new files that bear an old name."""
    commits = []
    for commit in ledger.commits:
        left = tuple(image for image in commit.merged if image not in paths)
        if left:
            commits.append(replace(commit, merged=left))
    return replace(ledger, commits=tuple(commits))


def _adopted(
    ledger: Ledger, action: AdoptSnapshot, source: str | None, revision: str | None
) -> Ledger:
    new = LedgerEntry(
        name=action.snapshot,
        uid=action.uid,
        state=action.state,
        manifest=action.manifest,
        revision=revision,
    )
    old = ledger.entry(action.snapshot) or new
    entry = replace(
        old,
        uid=action.uid,
        state=action.state,
        created=action.created,
        consistency=action.consistency or old.consistency,
        source=old.source or source,
        is_held=action.is_held,
    )
    if action.believed:
        # the next write takes it as it is now; of its images others may know what they were like
        memories = tuple(p for p in (entry.memory, dict(action.believed).get(MEMORY)) if p)
        entry, ledger = (
            replace(entry, frozen=(), memory=None),
            _without_identities(ledger, memories),
        )
    known = ledger.image_paths
    ledger = _without_merged(ledger, frozenset(path for _, path in action.images))
    images = tuple(
        LedgerImage(path=path, disk=disk, snapshot=action.snapshot)
        for disk, path in action.images
        if path not in known
    )
    return replace(_with_entry(ledger, entry), images=(*ledger.images, *images), is_freezing=False)
