"""What each snapshot held at the moment it was taken, noted then, whatever its record says since.

The record of a snapshot can be made to lie; the oracles hold every later claim against what is
noted here.  Nothing of it is seen by virtsnap.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.errors import HypervisorError
from reconciler.model.ledger import MEMORY, EntryState, Ledger
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.snapshot import DiskCapture
from tests.fakes.storage import Content, ContentGone, Storage

if TYPE_CHECKING:
    from tests.fakes.domain import FakeDomain, FakeRecord
    from tests.fakes.world import World


@dataclass(kw_only=True)
class Place:
    """Where a moment of one disk lies: an image, or a snapshot inside it."""

    image: ImagePath
    inside: SnapshotName | None = None


@dataclass(kw_only=True)
class Moment:
    """One snapshot as it was taken; the memory counts as one more disk.

    *held* lacks what cannot be demanded any more: a person wrote to the image, or made the record lie
    at a time when no ledger knew better.
    """

    domain: DomainUuid
    name: SnapshotName
    held: dict[DiskTarget, Content] = field(default_factory=dict)
    places: dict[DiskTarget, Place] = field(default_factory=dict)
    #: a person changed an image that it stands on: virtsnap may take it for lost, never for whole
    is_touched: bool = False


@dataclass(kw_only=True)
class Moments:
    """All of them.  A record carries the number of its moment, a ledger entry its uid."""

    taken: list[Moment] = field(default_factory=list)
    #: (domain, uid) → number
    uids: dict[tuple[DomainUuid, str], int] = field(default_factory=dict)
    #: what lay whole in its place when it was last looked at
    whole: set[tuple[int, DiskTarget]] = field(default_factory=set)
    #: the images that each stood on then, as they were
    stood_on: dict[tuple[int, DiskTarget], object] = field(default_factory=dict)
    #: the highest serial of each ledger: one with less was rolled back
    serials: Counter[DomainUuid] = field(default_factory=Counter)
    #: what was read through images that a definition left for older ones
    left: dict[ImagePath, Content] = field(default_factory=dict)
    #: memories that a guest went on from over disks of another moment
    wrongly_resumed: list[str] = field(default_factory=list)

    def of_entry(self, domain: DomainUuid, uid: str | None) -> Moment | None:
        """The moment that a ledger entry of that uid means."""
        number = self.uids.get((domain, uid)) if uid is not None else None
        return self.taken[number] if number is not None else None


def content_of_guest(world: "World", domain: "FakeDomain") -> dict[DiskTarget, Content]:
    """What the guest reads, of the disks of which header and definition say the same."""
    found = {}
    for disk in domain.definition.disks:
        try:
            view = world.guest_view(domain, disk.target)
            if view == world.storage.content(disk.source):
                found[disk.target] = view
        except (ContentGone, HypervisorError):
            continue
    return found


def note(
    world: "World", domain: "FakeDomain", record: "FakeRecord", view: dict[DiskTarget, Content]
) -> None:
    """*record* was just taken of a guest that read *view*."""
    moment = Moment(domain=domain.uuid, name=record.name)
    for disk in record.disks.values():
        if disk.capture is not DiskCapture.SKIPPED and disk.target in view:
            moment.held[disk.target] = dict(view[disk.target])
            moment.places[disk.target] = _said(record, disk.target)
    if record.memory_file is not None:
        moment.held[MEMORY] = world.storage.content(record.memory_file)
        moment.places[MEMORY] = Place(image=record.memory_file)
    record.moment = len(world.moments.taken)
    world.moments.taken.append(moment)
    entry = domain.ledger.entry(record.name) if domain.ledger else None
    if entry is not None and domain.ledger and domain.ledger.uuid == domain.uuid:
        world.moments.uids.setdefault((domain.uuid, entry.uid), record.moment)
    _note_whole(world)


def note_adoption(
    world: "World", domain: "FakeDomain", record: "FakeRecord", ledger: Ledger
) -> None:
    """A mark is written into *record*: from now on virtsnap answers for what it holds.

    Where nothing contradicts a record that lies already, what it says is all that can be known.
    """
    entry = ledger.entry(record.name)
    if entry is None or (domain.uuid, entry.uid) in world.moments.uids:
        return
    known = world.moments.taken[record.moment] if record.moment is not None else None
    adopted = Moment(domain=domain.uuid, name=record.name)
    for target in _captured(record):
        said = _said(record, target)
        now = read(world.storage, said)
        true = known.places.get(target) if known else None
        if known and true and target in known.held and _contradicts(world, record, target, true):
            adopted.held[target], adopted.places[target] = known.held[target], true
        elif now is not None:
            adopted.held[target], adopted.places[target] = now, said
    record.moment = len(world.moments.taken)
    world.moments.taken.append(adopted)
    world.moments.uids[domain.uuid, entry.uid] = record.moment
    _note_whole(world)


def note_left(world: "World", domain: "FakeDomain") -> None:
    """Its definition is about to name other images: should it come back, the guest reads the same."""
    for disk in domain.persistent.disks if domain.persistent else ():
        content = read(world.storage, Place(image=disk.source))
        if content is not None:
            world.moments.left[disk.source] = content


def note_resume(world: "World", domain: "FakeDomain", memory: ImagePath) -> None:
    """The guest goes on from *memory*: its disks must read as they did then."""
    then = world.storage.file(memory).saved_with or {}
    for target, content in then.items():
        disk = domain.definition.disk(target)
        if disk is not None and world.guest_view(domain, target) != content:
            world.moments.wrongly_resumed.append(f"{domain.name}: {memory} over another {target}")


def after_pass(world: "World") -> None:
    """virtsnap may move what a snapshot holds, as its record says then."""
    for domain, record, number in _recorded(world):
        moment = world.moments.taken[number]
        for target in moment.held:
            if target in _captured(record):
                said = _said(record, target)
                if read(world.storage, said) == moment.held[target]:
                    moment.places[target] = said
        _note_serial(world, domain)
    _note_whole(world)


def after_deed(world: "World") -> None:
    """Somebody did something: what they destroyed, or made unknowable, is not demanded any more."""
    moments = world.moments
    for path in moments.left:
        moments.left[path] = read(world.storage, Place(image=path)) or moments.left[path]
    for number, target in sorted(moments.whole):
        moment = moments.taken[number]
        is_whole = _is_whole(world, moment, target)
        was = moments.stood_on.get((number, target))
        moment.is_touched |= not is_whole or was != _stands_on(world, moment.places[target])
        if target in moment.held and not is_whole:
            del moment.held[target]
    for domain, record, number in _recorded(world):
        _note_serial(world, domain)
        if not _is_known(world, domain, record, number):
            moment = moments.taken[number]
            for target in [t for t in moment.held if t in _captured(record)]:
                if read(world.storage, _said(record, target)) != moment.held[target]:
                    del moment.held[target]
    _note_whole(world)


def is_whole(world: "World", moment: Moment) -> bool:
    """All that is demanded of it still lies where it was put."""
    return all(_is_whole(world, moment, target) for target in moment.held)


def read(storage: Storage, place: Place) -> Content | None:
    """What is there, None where it cannot be read."""
    try:
        if place.inside is not None:
            return storage.content_inside(place.image, place.inside)
        return storage.content(place.image)
    except (ContentGone, HypervisorError):
        return None


def read_as_said(storage: Storage, record: "FakeRecord", target: DiskTarget) -> Content | None:
    """What *record* now says it holds of a disk, or of the memory."""
    return read(storage, _said(record, target)) if target in _captured(record) else None


def _is_known(world: "World", domain: "FakeDomain", record: "FakeRecord", number: int) -> bool:
    """The ledger of now speaks of that very snapshot."""
    ledger = domain.ledger
    if ledger is None or domain.ledger_problem is not None or ledger.uuid != domain.uuid:
        return False
    entry = ledger.entry(record.name)
    return (
        entry is not None
        and ledger.serial >= world.moments.serials[domain.uuid]
        and entry.state is not EntryState.LOST
        and world.moments.uids.get((domain.uuid, entry.uid)) == number
    )


def _note_serial(world: "World", domain: "FakeDomain") -> None:
    ledger = domain.ledger
    if ledger is not None and ledger.uuid == domain.uuid:
        serials = world.moments.serials
        serials[domain.uuid] = max(serials[domain.uuid], ledger.serial)


def _recorded(world: "World") -> Iterator[tuple["FakeDomain", "FakeRecord", int]]:
    for domain in world.domains.values():
        for record in domain.records.values():
            if record.moment is not None:
                yield domain, record, record.moment


def _captured(record: "FakeRecord") -> set[DiskTarget]:
    disks = {d.target for d in record.disks.values() if d.capture is not DiskCapture.SKIPPED}
    return disks | ({MEMORY} if record.memory_file is not None else set())


def _said(record: "FakeRecord", target: DiskTarget) -> Place:
    if target == MEMORY:
        assert record.memory_file is not None
        return Place(image=record.memory_file)
    disk = record.disks[target]
    is_inside = disk.capture is DiskCapture.INTERNAL
    return Place(image=disk.source, inside=record.name if is_inside else None)


def _contradicts(world: "World", record: "FakeRecord", target: DiskTarget, true: Place) -> bool:
    """The record lies, and the header of its own overlay tells the truth."""
    said = _said(record, target)
    overlay = record.disks[target].overlay if target in record.disks else None
    header = world.storage.files.get(overlay) if overlay is not None else None
    return said != true and header is not None and header.backing == true.image


def _is_whole(world: "World", moment: Moment, target: DiskTarget) -> bool:
    return read(world.storage, moment.places[target]) == moment.held[target]


def _stands_on(world: "World", place: Place) -> object:
    chain = world.storage.header_chain(place.image)
    files = [world.storage.files.get(path) for path in chain or ()]
    return [(file.path, dict(file.clusters), list(file.inside)) for file in files if file]


def _note_whole(world: "World") -> None:
    world.moments.whole = {
        (number, target)
        for number, moment in enumerate(world.moments.taken)
        for target in moment.held
        if _is_whole(world, moment, target)
    }
    world.moments.stood_on = {
        (number, target): _stands_on(world, world.moments.taken[number].places[target])
        for number, target in world.moments.whole
    }
