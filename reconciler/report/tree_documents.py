"""Snapshots and images of a domain as a tree, for machines and for the drawing."""

from collections.abc import Mapping
from datetime import UTC, datetime

from reconciler.model.chain import MEMORY_FORMAT, Image, Presence
from reconciler.model.domain import DiskKind, ObservedDomain, ObservedHost
from reconciler.model.ledger import Consistency, EntryState
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.ownership import Mark, is_held, mark_of
from reconciler.model.power import PowerState
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.report.document import Document, UtcTime, WholeDocument
from reconciler.report.images import Link, disk_images
from reconciler.report.readers import Readers, readers_of


class CapturedDiskDocument(Document):
    """What a snapshot did with a disk."""

    capture: DiskCapture
    frozen: str | None
    overlay: str | None


class MemoryDocument(Document):
    """The image that keeps the memory of a moment."""

    path: str
    presence: Presence
    allocated: int | None


class SnapshotDocument(Document):
    """One snapshot; *hasRecord* is false for what only the ledger knows."""

    name: str
    parent: str | None
    created_at: UtcTime | None
    state: str
    is_current: bool
    mark: Mark
    is_held: bool
    #: why nobody can say that it is its moment still, where that is so
    doubt: str | None
    has_record: bool
    consistency: Consistency | None
    description: str
    memory: MemoryCapture
    memory_image: MemoryDocument | None
    disks: dict[str, CapturedDiskDocument]


class LinkDocument(Document):
    """One image of a chain; *snapshots* are those whose moment it holds."""

    path: str
    format: str | None
    presence: Presence
    allocated: int | None
    virtual_size: int | None
    is_active: bool
    snapshots: tuple[str, ...]
    #: other domains that name it or stand on it, and files of nobody's that do
    readers: tuple[str, ...]


class DiskDocument(Document):
    """A disk: its live chain, lowest first, and the branches that leave it."""

    target: str
    kind: DiskKind
    is_writable: bool
    is_whole: bool
    chain: tuple[LinkDocument, ...]
    branches: tuple[tuple[LinkDocument, ...], ...]
    #: the active image after the next start, where that is another one
    next_active: str | None


class DomainTreeDocument(Document):
    """One domain."""

    host: str
    domain: str
    uuid: str
    power: PowerState
    power_detail: str
    #: what is at work on the domain, where something is
    job: str | None
    snapshots: tuple[SnapshotDocument, ...]
    disks: tuple[DiskDocument, ...]


class TreeDocument(WholeDocument):
    """The snapshot trees and backing chains of domains."""

    domains: tuple[DomainTreeDocument, ...]


def domain_tree(
    host: ObservedHost,
    domain: ObservedDomain,
    readers: Readers | None = None,
    doubts: Mapping[SnapshotName, str] | None = None,
) -> DomainTreeDocument:
    """The tree of *domain*; *readers* are those of *host*, where they are known already, *doubts* the
    snapshots that may not be their moments any more."""
    memories = {image.path: image for image in host.images if image.format == MEMORY_FORMAT}
    recorded = tuple(
        _snapshot(domain, record, memories, (doubts or {}).get(record.name))
        for record in domain.records
    )
    return DomainTreeDocument(
        host=host.name,
        domain=domain.name,
        uuid=domain.uuid,
        power=domain.power,
        power_detail=domain.power_detail,
        job=domain.domain_job,
        snapshots=(*recorded, *_without_record(domain)),
        disks=_disks(host, domain, readers or readers_of(host)),
    )


def _snapshot(
    domain: ObservedDomain,
    record: SnapshotRecord,
    memories: Mapping[ImagePath, Image],
    doubt: str | None,
) -> SnapshotDocument:
    entry = domain.ledger.entry(record.name) if domain.ledger else None
    mark = mark_of(domain, record)
    return SnapshotDocument(
        name=record.name,
        parent=record.parent,
        created_at=_moment(record.created),
        state=record.state,
        is_current=record.is_current,
        mark=mark,
        is_held=is_held(domain, record),
        doubt=doubt,
        has_record=True,
        consistency=entry.consistency if entry and mark is not Mark.UNMANAGED else None,
        description=record.description,
        memory=record.memory,
        memory_image=_memory(record.memory_file, memories),
        disks={
            disk.target: CapturedDiskDocument(
                capture=disk.capture,
                frozen=record.frozen(disk.target),
                overlay=disk.overlay,
            )
            for disk in record.disks
        },
    )


def _memory(path: ImagePath | None, memories: Mapping[ImagePath, Image]) -> MemoryDocument | None:
    if path is None:
        return None
    image = memories.get(path)
    return MemoryDocument(
        path=path,
        presence=image.presence if image else Presence.UNKNOWN,
        allocated=image.allocated if image else None,
    )


def _without_record(domain: ObservedDomain) -> tuple[SnapshotDocument, ...]:
    """What the ledger names and libvirt does not: lost, or half removed."""
    entries = domain.ledger.entries if domain.ledger else ()
    return tuple(
        SnapshotDocument(
            name=entry.name,
            parent=None,
            created_at=_moment(entry.created),
            state="",
            is_current=False,
            mark=_ENTRY_MARKS[entry.state],
            is_held=False,
            doubt=None,
            has_record=False,
            consistency=entry.consistency,
            description="",
            memory=MemoryCapture.NONE,
            memory_image=None,
            disks={},
        )
        for entry in entries
        if domain.record(entry.name) is None and not domain.is_changing
    )


_ENTRY_MARKS = {
    EntryState.CREATING: Mark.CREATING,
    # taken, and no record is there any more
    EntryState.TAKEN: Mark.LOST,
    EntryState.DELETING: Mark.DELETING,
    EntryState.LOST: Mark.LOST,
}


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _disks(
    host: ObservedHost, domain: ObservedDomain, readers: Readers
) -> tuple[DiskDocument, ...]:
    drawn = [
        (disk, disk_images(host, domain, disk))
        for disk in domain.disks
        if disk.kind is not DiskKind.EMPTY
    ]
    shown = frozenset(path for _, images in drawn for path in images.paths)

    def link(item: Link) -> LinkDocument:
        return LinkDocument(
            path=item.path,
            format=item.image.format if item.image else None,
            presence=item.image.presence if item.image else Presence.UNKNOWN,
            allocated=item.image.allocated if item.image else None,
            virtual_size=item.image.virtual_size if item.image else None,
            is_active=item.is_active,
            snapshots=item.snapshots,
            readers=readers.beside(domain, item.path, shown),
        )

    return tuple(
        DiskDocument(
            target=disk.target,
            kind=disk.kind,
            is_writable=disk.is_writable,
            is_whole=disk.chain is not None,
            chain=tuple(link(item) for item in images.chain),
            branches=tuple(tuple(link(item) for item in branch) for branch in images.branches),
            next_active=images.next_active,
        )
        for disk, images in drawn
    )
