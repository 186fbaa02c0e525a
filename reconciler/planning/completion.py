"""The ledger with what can be proven now of what its snapshots froze; written with the next write.

Only ever of a world that was observed since the ledger in it was written: what a step of ours changes
is taken out before it (``bookkeeping``), and comes back here once it has been looked at.
"""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model.chain import Presence
from reconciler.model.ledger import EntryState, FrozenDisk, ImageIdentity, Ledger, LedgerEntry
from reconciler.model.names import ImagePath
from reconciler.model.snapshot import DiskCapture, SnapshotRecord
from reconciler.planning import frozen, identity
from reconciler.planning.frozen import Moment, Standing
from reconciler.planning.world import World


def completed(world: World) -> Ledger:
    """The ledger of *world*: 1. what each snapshot froze, where nobody says otherwise, and whether
    somebody has written to that since; 2. what those images are like now."""
    ledger = world.ledger
    entries = tuple(_entry(world, entry) for entry in ledger.entries)
    now = world.with_ledger(replace(ledger, entries=entries))
    known = {found.path: found for entry in entries for found in _identities(now, entry)}
    identities = tuple(known[path] for path in sorted(known))
    return replace(ledger, entries=entries, identities=identities)


def _entry(world: World, entry: LedgerEntry) -> LedgerEntry:
    record = world.agreeing_record(entry)
    if record is None or entry.state is not EntryState.TAKEN:
        return entry
    known = {disk.disk: disk for disk in entry.frozen}
    for moment in frozen.moments(world, record):
        disk = _disk(world, record, moment, known.get(moment.disk.target))
        if disk is not None:
            known[disk.disk] = disk
    return replace(
        entry,
        frozen=tuple(known[target] for target in sorted(known)),
        memory=entry.memory or record.memory_file,
    )


def _disk(
    world: World, record: SnapshotRecord, moment: Moment, known: FrozenDisk | None
) -> FrozenDisk | None:
    if moment.standing is Standing.LEDGER_OUTDATED and known is not None:
        return replace(known, path=moment.path, format=moment.disk.source_format)
    if moment.standing is not Standing.AGREED:
        return known
    saved = frozen.in_memory(world, record, moment.disk.target)
    if known is not None:
        is_told = known.in_memory is None and saved == known.path
        return replace(
            known,
            format=known.format or moment.disk.source_format,
            in_memory=saved if is_told else known.in_memory,
            is_written=known.is_written or frozen.is_written(world, known),
        )
    return FrozenDisk(
        disk=moment.disk.target,
        path=moment.path,
        format=moment.disk.source_format,
        is_inside=moment.disk.capture is DiskCapture.INTERNAL,
        in_memory=saved,
    )


def _identities(world: World, entry: LedgerEntry) -> Iterator[ImageIdentity]:
    """Of every image that *entry* stands on."""
    if entry.state is EntryState.DELETING:
        return
    for disk in entry.frozen:
        if disk.is_inside:
            continue  # the guest writes to it: of its image nothing stays as it is
        for path in {*world.walk(disk.path), *identity.known_chain(world, disk.path)}:
            found = _identity(world, path, entry)
            if found is not None:
                yield found
    if entry.memory is not None:
        # of one snapshot alone: what it was like when that was taken is what counts for good
        found = world.identities.get(entry.memory) or _identity(world, entry.memory, entry)
        if found is not None:
            yield found


def _identity(world: World, path: ImagePath, entry: LedgerEntry) -> ImageIdentity | None:
    known, image = world.identities.get(path), world.image(path)
    if path in identity.unsettled(world):
        return None
    is_there = image.presence is Presence.PRESENT and image.is_examined
    # a guest that is put on it would change it, and nobody can say what it was like before
    if not is_there or path in world.written or entry.state is not EntryState.TAKEN:
        return known or identity.remembered(world, path)
    return identity.of(image)
