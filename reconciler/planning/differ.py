"""Desired against observed: every difference of one domain, in a fixed order."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.chain import Presence
from reconciler.model.desired import (
    CaptureType,
    Desired,
    DesiredDomain,
    DesiredSnapshot,
    Unmanaged,
)
from reconciler.model.domain import Disk
from reconciler.model.drift import (
    CaptureDiffers,
    ChainBroken,
    DefinitionOwed,
    DefinitionsDisagree,
    DescriptionDiffers,
    Difference,
    Drift,
    FreezeUnended,
    HoldDiffers,
    JobUnfinished,
    LedgerFault,
    LedgerStale,
    ManifestGone,
    PowerOwed,
    RevertRequested,
    SnapshotLost,
    SnapshotMissing,
    SnapshotUndeclared,
    SnapshotUnmanaged,
    Undeclared,
)
from reconciler.model.ledger import EntryState, LedgerEntry, LedgerProblem, RequestState
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.model.suspension import ByHand
from reconciler.planning import jobs, oddities, storage, went_back
from reconciler.planning.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the source says of one domain; *domain* is None when it says nothing.

    *is_complete*: the whole source was read, so that saying nothing means *gone*.
    """

    source: str
    is_complete: bool
    domain: DesiredDomain | None
    #: what people said by hand, of this and other domains
    suspensions: tuple[ByHand, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The declared snapshots."""
        return frozenset(s.name for s in self.domain.snapshots) if self.domain else frozenset()


def declared(desired: Desired, domain: DesiredDomain | None) -> Declared:
    """The part of *desired* that concerns one domain."""
    return Declared(
        source=desired.source,
        is_complete=desired.is_complete,
        domain=domain,
        suspensions=desired.suspensions,
    )


def compare(wish: Declared, world: World) -> Drift:
    """All that differs: 1. the ledger, 2. jobs and chains, 3. declared snapshots in their order,
    4. the others, parents first, 5. images."""
    # each phase of a plan asks, and most change nothing; *wish* is kept, and so is its id
    return world.once(("compare", id(wish)), lambda: (wish, _compared(wish, world)))[1]


def _compared(wish: Declared, world: World) -> Drift:
    if world.domain.is_changing:
        return Drift(())  # each truth is of another moment: that they disagree says nothing
    found: list[Difference] = [*_ledger(wish, world)]
    if world.domain.ledger_problem in (LedgerProblem.NEWER, LedgerProblem.DAMAGED):
        return Drift(tuple(found))
    if rebuild_only(world):
        return Drift((*found, *_declared(wish, world)))
    if world.ledger.is_freezing:
        found.append(FreezeUnended())
    found += _debts(world)
    found += _jobs(world)
    found += unsound_disks(world, touched(wish, world))
    gone_back = tuple(went_back.found(world))
    found += gone_back
    found += _declared(wish, world)
    found += _reverts(wish, world)
    found += _others(wish, world)
    dangling = tuple(storage.dangling(world, wish.names))
    found += dangling
    found += storage.unproven(world)
    found += storage.outdated(world, frozenset(record.snapshot for record in dangling))
    found += storage.misplaced_current(world)
    found += storage.misnamed_overlays(world)
    found += storage.unrecorded(world, wish.names)
    left = {image for gone in gone_back for image in world.walk(gone.image)}
    found += (o for o in storage.orphaned(world, by_dangling=False) if o.image not in left)
    found += storage.too_deep(world, wish.domain.max_depth if wish.domain else None)
    return Drift(tuple(found))


# --- the ledger


def rebuild_only(world: World) -> bool:
    """The ledger is lost, rolled back or unreadable: nothing but rebuilding is thought of (design §3)."""
    return _fault(world) is not None


def is_rebuild(drift: tuple[Difference, ...]) -> bool:
    """The plan for *drift* does nothing but rebuild."""
    by_record = (LedgerFault.UNCONFIRMED, LedgerFault.LEFTOVER, LedgerFault.PARTIAL)
    return any(isinstance(d, LedgerStale) and d.fault not in by_record for d in drift)


def _fault(world: World) -> LedgerFault | None:
    domain = world.domain
    if domain.ledger_problem is LedgerProblem.NEWER:
        return LedgerFault.NEWER
    if domain.ledger_problem is LedgerProblem.DAMAGED:
        return LedgerFault.DAMAGED
    if domain.ledger is None:
        has_marks = any(record.uid for record in domain.records)
        return LedgerFault.LOST if has_marks or domain.journal_serial else None
    return LedgerFault.ROLLED_BACK if domain.ledger.serial < world.highest_serial else None


def _ledger(wish: Declared, world: World) -> Iterator[Difference]:
    fault = _fault(world)
    if fault is not None:
        yield LedgerStale(fault=fault)
        return
    if world.domain.is_ledger_partial:
        yield LedgerStale(fault=LedgerFault.PARTIAL)
    for record in world.domain.records:
        if needs_adopting(record, wish, world):
            yield LedgerStale(fault=LedgerFault.UNCONFIRMED, snapshot=record.name)
    for entry in world.ledger.entries:
        if is_leftover(entry, wish, world):
            yield LedgerStale(fault=LedgerFault.LEFTOVER, snapshot=entry.name)


def needs_adopting(record: SnapshotRecord, wish: Declared, world: World) -> bool:
    """*record* bears our mark and the ledger does not (yet) say that it was taken."""
    if record.uid is None:
        return False
    entry = world.agreeing_entry(record)
    if entry is None:
        return world.ledger.entry(record.name) is None and record.name in wish.names
    return entry.state in (EntryState.CREATING, EntryState.LOST)


def is_leftover(entry: LedgerEntry, wish: Declared, world: World) -> bool:
    """*entry* speaks of nothing that is there, and nobody waits for it."""
    if world.agreeing_record(entry) is not None:
        return False
    if entry.state is EntryState.DELETING:
        return True
    if entry.state is EntryState.CREATING:
        made = {image.path for image in world.ledger.images if image.snapshot == entry.name}
        # its memory image is to be seen as that of a create that failed, until it has gone
        memory = world.images.get(entry.memory) if entry.memory in made else None
        is_left = memory is not None and memory.presence is not Presence.MISSING
        return not is_left and not made & world.in_own_chain
    return wish.domain is not None and entry.name not in wish.names


def _debts(world: World) -> Iterator[Difference]:
    owed = world.ledger.owed
    if owed is not None:
        is_off = not world.domain.is_active
        yield PowerOwed(state=owed.state, is_off=is_off, until=None if is_off else owed.until)
    name = world.ledger.definition
    if name is not None:
        yield DefinitionOwed(snapshot=name, is_there=world.domain.record(name) is not None)


# --- jobs and definitions


def _jobs(world: World) -> Iterator[Difference]:
    for job in world.domain.jobs:
        ours = jobs.commit_of(world, job) is not None
        yield JobUnfinished(disk=job.disk, job=job.kind, is_ours=ours)


def touched(wish: Declared, world: World) -> frozenset[DiskTarget]:
    """Disks that some snapshot has taken, or that one of the manifest would take."""
    wishes = wish.domain.snapshots if wish.domain else (DesiredSnapshot(name=SnapshotName("")),)
    of_records = {
        d.target
        for r in world.domain.records
        for d in r.disks
        if d.capture is not DiskCapture.SKIPPED
    }
    return frozenset(
        disk.target
        for disks in world.domain.definitions
        for disk in disks
        if disk.target in of_records
        or (disk.chain is not None and not world.own_layers.isdisjoint(disk.chain.images))
        or any(_takes(snapshot, disk) for snapshot in wishes)
    )


def _takes(snapshot: DesiredSnapshot, disk: Disk) -> bool:
    if disk.target in snapshot.take:
        return True
    return disk.is_writable and not disk.is_excluded and disk.target not in snapshot.skip


def unsound_disks(world: World, only: frozenset[DiskTarget] | None = None) -> Iterator[Difference]:
    """Disks whose definitions disagree (of *only* these), or whose chain is broken."""
    domain = world.domain
    for disk in domain.live or ():
        stored = next((d for d in domain.persistent or () if d.target == disk.target), None)
        if only is not None and disk.target not in only:
            continue
        if stored is not None and is_another(disk, stored):
            yield DefinitionsDisagree(disk=disk.target, live=disk.source, persistent=stored.source)
    for disk in domain.disks:
        if not disk.is_on_storage or not disk.is_writable or disk.source is None:
            continue
        if _is_left_out(world, disk):
            continue
        broken = _break(world, disk)
        if broken is not None:
            image, cause = broken
            yield ChainBroken(disk=disk.target, image=image, cause=cause)
        elif not domain.is_active and disk.stated and disk.stated != disk.chain:
            yield ChainBroken(
                disk=disk.target,
                image=disk.source,
                cause="the definition states another chain than the files",
            )


def _is_left_out(world: World, disk: Disk) -> bool:
    """No chain that could break: libvirt starts the guest without it, or it is no disk for us anyway.

    The second is told where somebody wants it in a snapshot.
    """
    assert disk.source is not None
    is_missing = any(
        world.image(path).presence is Presence.MISSING for path in oddities.chain_of(world, disk)
    )
    is_left = disk.is_optional and is_missing and not world.domain.is_active
    return is_left or oddities.is_odd(world, disk)


def is_another(live: Disk, stored: Disk) -> bool:
    """At its next start the guest would write to another image than now.

    An optional medium may be missing by now, and what is written to a transient disk libvirt puts
    into a file of its own.
    """
    is_left_out = stored.is_optional and live.source is None
    is_written = any(d.is_writable or d.is_beyond_snapshots for d in (live, stored))
    return is_written and stored.source != live.source and not is_left_out


def _break(world: World, disk: Disk) -> tuple[ImagePath, str] | None:
    """Where the chain of *disk* ends too soon; a running guest may hold files that were removed."""
    assert disk.source is not None
    if disk.is_stated_elsewhere:
        return disk.source, "the definition states that it stands on what is no file of this host"
    chain = disk.chain.images if disk.chain else world.walk(disk.source)
    for path in chain:
        image = world.image(path)
        if image.presence is Presence.MISSING:
            return path, "missing"
        if disk.chain is None and image.presence is Presence.UNKNOWN:
            return path, "unreadable"
        if disk.chain is None and image.backing is not None and image.backing_format is None:
            return path, "no backing format"
    if disk.chain is None:
        path = next((path for path in chain if not world.image(path).is_examined), disk.source)
        return path, world.image(path).cause or "unreadable"
    for path in chain:
        image = world.image(path)
        if image.is_examined and image.backing != disk.chain.below(path):
            return path, "the running domain has another chain than the files say"
    return None


# --- snapshots


def _declared(wish: Declared, world: World) -> Iterator[Difference]:
    snapshots = wish.domain.snapshots if wish.domain else ()
    for position, snapshot in enumerate(snapshots):
        record = world.domain.record(snapshot.name)
        entry = world.ledger.entry(snapshot.name)
        later = snapshots[position + 1 :]
        above = any(
            (r := world.domain.record(s.name)) is not None and world.is_managed(r) for s in later
        )
        missing = SnapshotMissing(snapshot=snapshot.name, is_above_taken=above)
        if entry is None:
            if record is None:
                lost = rebuild_only(world)
                yield SnapshotLost(snapshot=snapshot.name) if lost else missing
            elif record.uid is None:
                yield SnapshotUnmanaged(snapshot=snapshot.name, is_declared=True)
        elif world.agreeing_record(entry) is None:
            begun = entry.state in (EntryState.CREATING, EntryState.DELETING)
            yield missing if begun else SnapshotLost(snapshot=snapshot.name)
        elif record is not None and entry.state is EntryState.TAKEN:
            yield from _hold(snapshot, record, entry, world)
            yield from _differs(snapshot, record, world)


def _hold(
    snapshot: DesiredSnapshot, record: SnapshotRecord, entry: LedgerEntry, world: World
) -> Iterator[Difference]:
    """Wanted, and not in both places; or to be ended, and in one of them."""
    if snapshot.protect is True and not (record.is_held and entry.is_held):
        yield HoldDiffers(snapshot=record.name, desired=True)
    if snapshot.protect is False and world.is_held(record):
        yield HoldDiffers(snapshot=record.name, desired=False)


def _differs(
    snapshot: DesiredSnapshot, record: SnapshotRecord, world: World
) -> Iterator[Difference]:
    if snapshot.description is not None and snapshot.description != record.description:
        yield DescriptionDiffers(
            snapshot=record.name, desired=snapshot.description, observed=record.description
        )
    is_internal = any(disk.capture is DiskCapture.INTERNAL for disk in record.disks)
    taken_as = CaptureType.INTERNAL if is_internal else CaptureType.EXTERNAL
    if snapshot.type is not taken_as:
        yield CaptureDiffers(
            snapshot=record.name, field="type", desired=snapshot.type, observed=taken_as
        )
        return
    if snapshot.memory is not (record.memory is not MemoryCapture.NONE):
        words = {True: "true", False: "false"}
        yield CaptureDiffers(
            snapshot=record.name,
            field="memory",
            desired=words[snapshot.memory],
            observed=words[not snapshot.memory],
        )
    for disk in () if is_internal else record.disks:
        taken = disk.capture is DiskCapture.EXTERNAL
        if disk.target in snapshot.skip:
            wanted = False
        elif disk.target in snapshot.take:
            wanted = True
        else:
            now = world.disk(disk.target)
            wanted = taken or (disk.is_writable and not (now is not None and now.is_excluded))
        if wanted != taken:
            words = {True: "external", False: "skip"}
            yield CaptureDiffers(
                snapshot=record.name,
                field=f"disks.{disk.target}",
                desired=words[wanted],
                observed=words[taken],
            )


def _reverts(wish: Declared, world: World) -> Iterator[Difference]:
    wanted = wish.domain.revert if wish.domain else None
    if wanted is None:
        return
    known = world.ledger.request(wanted.request)
    if known is None or known.state is not RequestState.DONE or known.to != wanted.to:
        yield RevertRequested(snapshot=wanted.to, request=wanted.request)


def _is_revert_target(wish: Declared, world: World, name: str) -> bool:
    """Asked for and not reached yet: until then it is not removed, declared or not."""
    wanted = wish.domain.revert if wish.domain else None
    return wanted is not None and wanted.to == name and any(_reverts(wish, world))


def _others(wish: Declared, world: World) -> Iterator[Difference]:
    gone = []
    for record in world.domain.records:
        entry = world.agreeing_entry(record)
        if entry is None:
            reported = wish.domain is None or wish.domain.unmanaged is not Unmanaged.IGNORE
            if reported and record.name not in wish.names:
                yield SnapshotUnmanaged(snapshot=record.name)
        elif record.name == world.ledger.definition:
            continue  # as what is owed it is told already
        elif entry.state is EntryState.DELETING:
            yield SnapshotUndeclared(snapshot=record.name, why=Undeclared.DELETING)
        elif record.name in wish.names or _is_revert_target(wish, world, record.name):
            continue
        elif world.is_held(record):
            if wish.domain is None and wish.is_complete and entry.source == wish.source:
                gone.append(record.name)
        elif wish.domain is not None:
            other = entry.source if entry.source not in (None, wish.source) else None
            yield SnapshotUndeclared(
                snapshot=record.name, why=Undeclared.NOT_IN_MANIFEST, other_source=other
            )
        elif wish.is_complete and entry.source == wish.source:
            gone.append(record.name)
            yield SnapshotUndeclared(snapshot=record.name, why=Undeclared.MANIFEST_GONE)
    if gone:
        manifests = [entry.manifest for entry in world.ledger.entries if entry.name in gone]
        yield ManifestGone(manifest=manifests[0], snapshots=tuple(gone))
