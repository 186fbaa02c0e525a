"""What the XML of each domain says; what has not changed since it was read last is not read again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.hypervisor import domain_xml, ledger, snapshot_xml
from reconciler.hypervisor.devices import is_device
from reconciler.hypervisor.domain_xml import Definition, Place, PlaceOf, Volume
from reconciler.hypervisor.fetch import Fetched
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.snapshot_xml import Canonical
from reconciler.hypervisor.volumes import VolumeBook
from reconciler.hypervisor.xml import Element, parse
from reconciler.model.ledger import LedgerReading
from reconciler.model.names import DomainUuid, ImagePath
from reconciler.model.snapshot import SnapshotRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the XML of one domain says; no image was looked at."""

    fetched: Fetched
    live: Definition | None
    persistent: Definition | None
    ledger: LedgerReading
    records: tuple[SnapshotRecord, ...]

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Live and persistent, those that exist."""
        return tuple(d for d in (self.live, self.persistent) if d is not None)


@dataclass(frozen=True, slots=True)
class _Read:
    described: Described
    #: how each path in it was spelled, and what file that was: links come and go without XML
    spelled: tuple[tuple[str, ImagePath], ...]
    #: where its volumes lay: pools come and go without it too
    placed: tuple[tuple[Volume, Place | None], ...]


class Describer:
    """Describes domains; several observations at once may ask the same one."""

    def __init__(self) -> None:
        self._read: dict[DomainUuid, _Read] = {}

    def described(self, fetched: Fetched, shelf: ImageShelf, volumes: VolumeBook) -> Described:
        """What *fetched* says: that of the last time where it is the same text on the same files."""
        read = self._read.get(fetched.uuid)
        if (
            read is None
            or _text(read.described.fetched) != _text(fetched)
            or any(volumes.place(volume) != known for volume, known in read.placed)
            or any(shelf.spelled(path) != known for path, known in read.spelled)
        ):
            read = _read(fetched, shelf, volumes)
        described = replace(read.described, fetched=fetched)
        self._read[fetched.uuid] = replace(read, described=described)
        return described

    def forget_all_but(self, there: Iterable[DomainUuid]) -> None:
        """Only these domains are left."""
        known = self._read
        self._read = {uuid: known[uuid] for uuid in there if uuid in known}


def _text(fetched: Fetched) -> tuple[object, ...]:
    """All that its description is made from."""
    return (fetched.live, fetched.persistent, fetched.snapshots, fetched.current)


def _read(fetched: Fetched, shelf: ImageShelf, volumes: VolumeBook) -> _Read:
    spelled: dict[str, ImagePath] = {}
    placed: dict[Volume, Place | None] = {}

    def place(volume: Volume) -> Place | None:
        return placed.setdefault(volume, volumes.place(volume))

    def canonical(path: str) -> ImagePath:
        return spelled.setdefault(path, shelf.spelled(path))

    live, persistent = _parsed(fetched.live), _parsed(fetched.persistent)
    elements = tuple(element for element in (live, persistent) if element is not None)
    live_read, persistent_read = _definition(live, place), _definition(persistent, place)
    for definition in (live_read, persistent_read):
        for disk in definition.disks if definition else ():
            for layer in disk.layers:
                if layer.path:
                    canonical(layer.path)  # of two hard links the definition's name counts
    records = (
        snapshot_xml.record(
            root,
            uuid=fetched.uuid,
            is_current=root.findtext("name") == fetched.current,
            canonical=canonical,
            place=place,
        )
        for root in map(parse, fetched.snapshots)
    )
    described = Described(
        fetched=fetched,
        live=live_read,
        persistent=persistent_read,
        ledger=_devices_called(ledger.decided(elements, fetched.uuid), canonical),
        records=_parents_first(tuple(records)),
    )
    return _Read(described, tuple(spelled.items()), tuple(placed.items()))


def _devices_called(reading: LedgerReading, canonical: Canonical) -> LedgerReading:
    """A device without a lasting name is called as it is in this observation, in the ledger too.

    A file is not: what stands in the place of one that the ledger names is another one.
    """

    def name(path: ImagePath) -> ImagePath:
        called = canonical(path)
        return called if called != path and is_device(path) else path

    if reading.ledger is None:
        return reading
    return replace(reading, ledger=reading.ledger.called(name))


def _parsed(text: str | None) -> Element | None:
    return None if text is None else parse(text)


def _definition(element: Element | None, place: PlaceOf) -> Definition | None:
    return None if element is None else domain_xml.definition(element, place)


def _parents_first(records: tuple[SnapshotRecord, ...]) -> tuple[SnapshotRecord, ...]:
    """1. parents before children, 2. by time, 3. by name."""
    named = {record.name: record for record in records}
    children: dict[str | None, list[SnapshotRecord]] = {}
    for record in records:
        above = record.parent if record.parent in named else None
        children.setdefault(above, []).append(record)
    for siblings in children.values():
        siblings.sort(key=lambda record: (record.created, record.name), reverse=True)
    ordered: list[SnapshotRecord] = []
    waiting = children.get(None, [])
    while waiting:
        record = waiting.pop()
        ordered.append(record)
        waiting += children.get(record.name, ())
    return tuple(ordered)
