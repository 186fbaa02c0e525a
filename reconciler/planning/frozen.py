"""What a managed snapshot froze: by the ledger, its record, headers and saved memory.

No single one of them proves anything (law 1): a record is rewritten by whoever drops or edits
another one (facts §4.4), a ledger may be older than a delete by libvirt itself.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.model.chain import Presence
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.model.drift import Truth
from reconciler.model.ledger import EntryState, FrozenDisk, LedgerEntry
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import DiskCapture, SnapshotDisk, SnapshotRecord
from reconciler.planning import identity
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of


class Standing(enum.Enum):
    """How the truths about one disk stand to each other."""

    AGREED = enum.auto()
    #: the record names another image than the one that is proven
    RECORD_OUTDATED = enum.auto()
    #: libvirt's own delete, or whoever moved the storage, went on from what the ledger says
    LEDGER_OUTDATED = enum.auto()
    UNPROVEN = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One disk of a snapshot: *path* holds it, with all below, unless it is unproven."""

    disk: SnapshotDisk
    standing: Standing
    path: ImagePath
    says: tuple[tuple[Truth, ImagePath], ...]


def moments(world: World, record: SnapshotRecord) -> tuple[Moment, ...]:
    """Every disk that *record*, a managed one, captured, and of which somebody names an image."""
    return world.once(("moments", record.name), lambda: _moments(world, record))


def _moments(world: World, record: SnapshotRecord) -> tuple[Moment, ...]:
    entry = world.agreeing_entry(record)
    if entry is None or entry.state is EntryState.DELETING:
        return ()
    captured = (
        d for d in record.disks if d.capture in (DiskCapture.EXTERNAL, DiskCapture.INTERNAL)
    )
    found = (_moment(world, record, disk, entry.frozen_disk(disk.target)) for disk in captured)
    return tuple(moment for moment in found if moment is not None)


def _moment(
    world: World, record: SnapshotRecord, disk: SnapshotDisk, known: FrozenDisk | None
) -> Moment | None:
    if disk.source is None:
        return None
    said = world.now_at(disk.source)
    header = _by_header(world, disk)
    memory = (known.in_memory if known else None) or in_memory(world, record, disk.target)
    says: list[tuple[Truth, ImagePath]] = []
    if known is not None:
        says.append((Truth.LEDGER, known.path))
    says.append((Truth.RECORD, disk.source))
    if header is not None:
        says.append((Truth.HEADER, header))
    if memory is not None:
        says.append((Truth.MEMORY, memory))
    standing, path = _standing(world, record, disk, known, said, header, memory)
    return Moment(disk=disk, standing=standing, path=path, says=tuple(says))


def _standing(
    world: World,
    record: SnapshotRecord,
    disk: SnapshotDisk,
    known: FrozenDisk | None,
    said: ImagePath,
    header: ImagePath | None,
    memory: ImagePath | None,
) -> tuple[Standing, ImagePath]:
    if known is None:
        return _without_ledger(world, disk, said, header, memory)
    ledger = world.now_at(known.path)
    if ledger == said:
        return Standing.AGREED, said
    if known.is_inside:
        return _inside(world, record, ledger, said)
    image = world.image(ledger)
    is_there = image.presence is Presence.PRESENT and image.is_examined
    fits = header in (None, ledger) and (known.in_memory is not None or memory in (None, ledger))
    if is_there and fits and not identity.changed(world, ledger):
        return Standing.RECORD_OUTDATED, ledger
    if identity.is_gone(world, ledger) and header == said and _goes_on(world, ledger, said):
        return Standing.LEDGER_OUTDATED, said
    return Standing.UNPROVEN, ledger


def _without_ledger(
    world: World,
    disk: SnapshotDisk,
    said: ImagePath,
    header: ImagePath | None,
    memory: ImagePath | None,
) -> tuple[Standing, ImagePath]:
    """Of a ledger that was written before it kept this: the overlay's own header still tells, and a
    memory that was saved with an image which is still there."""
    if memory is not None and memory not in (disk.source, said):
        is_left = world.image(memory).presence is not Presence.MISSING
        if header == memory:
            return Standing.RECORD_OUTDATED, memory
        if is_left and memory not in world.moved:
            return Standing.UNPROVEN, memory
    if header is None or header == said:
        return Standing.AGREED, said
    is_missing = world.image(said).presence is Presence.MISSING
    if is_missing and world.image(header).presence is Presence.PRESENT:
        # what the overlay stands on is there, and what the record says is not
        return Standing.UNPROVEN, header
    if header not in world.ledger.image_paths:
        return Standing.AGREED, said
    if disk.source in world.walk(header)[1:] and header not in world.moved:
        return Standing.RECORD_OUTDATED, header
    return Standing.AGREED, said


def _inside(
    world: World, record: SnapshotRecord, ledger: ImagePath, said: ImagePath
) -> tuple[Standing, ImagePath]:
    """The image that holds an internal snapshot of that name, if only one does."""
    holds = [p for p in (ledger, said) if record.name in world.image(p).internal_snapshots]
    if holds == [ledger]:
        return Standing.RECORD_OUTDATED, ledger
    if holds == [said] and identity.is_same_file(world, ledger, said):
        return Standing.LEDGER_OUTDATED, said
    return Standing.UNPROVEN, ledger


def _goes_on(world: World, before: ImagePath, now: ImagePath) -> bool:
    """*now* holds what *before*, which has gone, did: libvirt's own delete merged it into one below,
    or somebody moved the file, or a faithful copy of it."""
    return now in identity.known_chain(world, before) or identity.is_same_file(world, before, now)


def in_memory(world: World, record: SnapshotRecord, target: DiskTarget) -> ImagePath | None:
    """What the saved memory of *record* says that disk was on, by the definition in it."""
    saved = world.image(record.memory_file).saved if record.memory_file is not None else None
    return next((path for disk, path in saved.disks if disk == target), None) if saved else None


def _by_header(world: World, disk: SnapshotDisk) -> ImagePath | None:
    """What the overlay stands on, where it is there and no other image but the frozen one could be."""
    if disk.capture is not DiskCapture.EXTERNAL or disk.overlay is None:
        return None
    overlay = world.images.get(disk.overlay)
    if overlay is None or overlay.presence is not Presence.PRESENT or overlay.backing is None:
        return None
    return world.now_at(overlay.backing)


# --- what follows from it


def is_written(world: World, known: FrozenDisk) -> bool:
    """Somebody has written to what *known* speaks of since it was taken."""
    return not known.is_inside and identity.changed(world, known.path) is not None


def written(world: World, record: SnapshotRecord, target: DiskTarget) -> ImagePath | None:
    """The image of that disk, where it was seen before that somebody had written to it."""
    entry = world.agreeing_entry(record)
    known = entry.frozen_disk(target) if entry is not None else None
    return known.path if known is not None and known.is_written else None


def _is_spoilt(world: World, record: SnapshotRecord, target: DiskTarget) -> bool:
    """That disk was written to since, as was seen before or is seen now."""
    entry = world.agreeing_entry(record)
    known = entry.frozen_disk(target) if entry is not None else None
    return known is not None and (known.is_written or is_written(world, known))


def why_not_resumed(world: World, record: SnapshotRecord) -> str | None:
    """Why the memory of *record* may be of another moment than the disks that it would go on with:
    in its own definition, the ledger and the record they are the same images, and none has changed."""
    entry = world.agreeing_entry(record)
    path = record.memory_file
    if path is None or entry is None:
        return None
    if entry.memory not in (None, path):
        return f"the ledger says that its memory is {entry.memory}, its record {path}"
    if identity.is_changed(world, path):
        return f"{path} was written to since, or is another file"
    for moment in moments(world, record):
        known = entry.frozen_disk(moment.disk.target)
        then = known.in_memory if known else None
        now = in_memory(world, record, moment.disk.target)
        if moment.standing is not Standing.AGREED or (now is not None and then not in (None, now)):
            return f"of {moment.disk.target} {told(moment.says)}"
        if now is not None and then is None and world.now_at(now) != moment.path:
            return f"of {moment.disk.target} {told(moment.says)}"
        changed = written(world, record, moment.disk.target) or identity.changed(world, moment.path)
        if changed is not None:
            return f"{changed}, which it froze, was written to since"
    return None


def unproven(world: World, name: SnapshotName) -> Moment | None:
    """The first disk of *name* of which nobody can say which image holds its moment."""
    record = world.domain.record(name)
    found = moments(world, record) if record is not None else ()
    return next((m for m in found if m.standing is Standing.UNPROVEN), None)


def outdated(
    world: World,
) -> Iterator[tuple[SnapshotName, DiskTarget, ImagePath, ImagePath | None]]:
    """Snapshots whose record names another image than the one that holds the moment, and both."""
    for record in world.domain.records:
        for moment in moments(world, record):
            if moment.standing is Standing.RECORD_OUTDATED:
                yield record.name, moment.disk.target, moment.path, moment.disk.source


def doubtful(world: World) -> dict[ImagePath, SnapshotName]:
    """Images that any truth names for a snapshot whose truths do not agree, and all below."""
    return {
        path: record.name
        for record in world.domain.records
        for moment in moments(world, record)
        if moment.standing is not Standing.AGREED
        for _, said in moment.says
        for path in world.walk(said)
    }


def why_unproven(world: World, name: SnapshotName) -> Refusal | None:
    """Nothing of *name* is removed while nobody can say which images are its own."""
    moment = unproven(world, name)
    return None if moment is None else refusal_of(name, moment.disk.target, moment.says)


def refusal_of(
    name: SnapshotName, disk: DiskTarget, says: tuple[tuple[Truth, ImagePath], ...]
) -> Refusal:
    """The truths about *name* contradict each other."""
    return refusal(
        RefusalCode.SNAPSHOT_UNPROVEN, snapshot=name, name=name, disk=disk, says=told(says)
    )


def told(says: tuple[tuple[Truth, ImagePath], ...]) -> str:
    """Which truth says what."""
    return ", ".join(f"{truth} says {path}" for truth, path in says)


class Doubt(enum.StrEnum):
    """Why nobody can say that a snapshot is its moment still."""

    UNPROVEN = "unproven"
    WRITTEN = "written since"


def as_proven(
    host: ObservedHost,
) -> tuple[tuple[ObservedDomain, Mapping[SnapshotName, Doubt]], ...]:
    """The domains of *host* with records that name the images which hold their moments, where that is
    proven and they name others, and the snapshots in doubt: for whoever draws them."""
    index = index_of(host)
    worlds = (world_of(index, domain) for domain in host.domains)
    return tuple((_as_proven(world), dict(_doubts(world))) for world in worlds)


def doubt_of(world: World, record: SnapshotRecord) -> Doubt | None:
    """Why *record* may not be its moment any more; None where nothing says so."""
    if unproven(world, record.name) is not None:
        return Doubt.UNPROVEN
    is_written = any(_is_spoilt(world, record, disk.target) for disk in record.disks)
    return Doubt.WRITTEN if is_written else None


def _doubts(world: World) -> Iterator[tuple[SnapshotName, Doubt]]:
    for record in world.domain.records:
        doubt = doubt_of(world, record)
        if doubt is not None:
            yield record.name, doubt


def _as_proven(world: World) -> ObservedDomain:
    right: dict[SnapshotName, dict[DiskTarget, ImagePath]] = {}
    for name, target, path, _ in outdated(world):
        right.setdefault(name, {})[target] = path
    if not right:
        return world.domain
    records = tuple(
        replace(
            record,
            disks=tuple(
                replace(disk, source=right.get(record.name, {}).get(disk.target, disk.source))
                for disk in record.disks
            ),
        )
        for record in world.domain.records
    )
    return replace(world.domain, records=records)


def claims(world: World, entry: LedgerEntry) -> frozenset[ImagePath]:
    """Every image that any truth names for *entry*, its memory among them.

    What a commit of ours has emptied is claimed where its data is now: the saved memory goes on naming
    the image it was saved with.
    """
    paths = {disk.path for disk in entry.frozen} | {entry.memory}
    record = world.agreeing_record(entry)
    if record is not None:
        paths |= {path for moment in moments(world, record) for _, path in moment.says}
        paths |= {disk.source for disk in record.external_disks} | {record.memory_file}
    named = {path for path in paths if path is not None}
    return frozenset(named - world.emptied) | frozenset(map(world.now_at, named))


def kept(
    world: World, without: frozenset[SnapshotName] = frozenset()
) -> dict[ImagePath, SnapshotName]:
    """Every image that a managed snapshot stands on by anybody's word, and one of those that do.

    Also of one whose record has vanished.  *without* leaves out those that go.
    """
    found: dict[ImagePath, SnapshotName] = {}
    for entry in world.ledger.entries:
        if entry.state not in (EntryState.TAKEN, EntryState.LOST) or entry.name in without:
            continue
        for claim in claims(world, entry):
            for path in world.walk(claim):
                found.setdefault(path, entry.name)
    return found
