"""Who may read any image of a host, because what it stands on cannot be told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.chain import Image, Presence, Unread
from reconciler.model.domain import Disk, ObservedDomain, ObservedHost
from reconciler.model.names import DiskTarget, DomainName, ImagePath, folder_of
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import SnapshotRecord

_RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A reader of everything, as far as anybody can tell.

    *cause* is None where this user merely may not look at *image*.
    """

    cause: str | None = None
    image: ImagePath | None = None
    domain: DomainName | None = None
    disk: DiskTarget | None = None
    #: *image* is out of sight: a folder may be unmounted
    is_missing: bool = False
    #: *image* could be given a copy of what it stands on
    can_stand_alone: bool = False

    @property
    def reader(self) -> str:
        """Whom to look at."""
        return self.domain or self.image or ""


def unseen(host: ObservedHost, images: Mapping[ImagePath, Image]) -> Iterator[Unseen]:
    """1. domains with a source that is nowhere to be found, 2. files that cannot be looked into."""
    emptied = _emptied(host)
    for domain in sorted(host.domains, key=lambda domain: (domain.name, domain.uuid)):
        yield from _of_domain(domain, images, emptied, is_local=host.is_local)
    told = {path for domain in host.domains for path in _told(domain)}
    for image in sorted(host.images, key=lambda image: image.path):
        if image.is_examined or image.presence is Presence.MISSING or image.format == _RAW:
            continue  # what is missing nobody reads but the domain that names it
        if image.unread is not Unread.NO_IMAGE and image.path not in told:
            yield Unseen(
                cause=image.cause if image.unread else None,
                image=image.path,
                can_stand_alone=image.unread is not None and not image.internal_snapshots,
            )


def _of_domain(
    domain: ObservedDomain,
    images: Mapping[ImagePath, Image],
    emptied: frozenset[str],
    *,
    is_local: bool,
) -> Iterator[Unseen]:
    for disk in (disk for disks in domain.definitions for disk in disks):
        why = _of_disk(disk, images) if is_local else disk.unresolved
        if isinstance(why, Image):
            cause = f"{why.path} of its {disk.target} is not there now"
            yield Unseen(
                cause=cause,
                image=why.path,
                domain=domain.name,
                disk=disk.target,
                is_missing=True,
            )
        elif why is not None:
            cause = f"where its {disk.target} lies cannot be told: {why}"
            yield Unseen(cause=cause, domain=domain.name, disk=disk.target)
    for record in domain.records:
        yield from _of_record(domain, record)
        for frozen in record.external_disks:
            gone = _missing(frozen.source, images) if is_local else None
            if gone is not None and folder_of(gone.path) in emptied:
                cause = f"{gone.path} of its snapshot {record.name} is not there now"
                yield Unseen(cause=cause, image=gone.path, domain=domain.name, is_missing=True)


def _of_record(domain: ObservedDomain, record: SnapshotRecord) -> Iterator[Unseen]:
    for source in record.unresolved:
        cause = f"where a disk of its snapshot {record.name} lies cannot be told: {source}"
        yield Unseen(cause=cause, domain=domain.name)


def _of_disk(disk: Disk, images: Mapping[ImagePath, Image]) -> Image | str | None:
    """What about *disk* hides what it reads; QEMU's own word, or whole headers, hide nothing."""
    if disk.unresolved is not None:
        return disk.unresolved
    if disk.oddity is not None and disk.format != _RAW and disk.chain is None:
        return disk.oddity
    tops = (*((disk.source,) if disk.chain is None else ()), *(disk.stated or ()), *disk.also_reads)
    return next((gone for top in tops if (gone := _missing(top, images)) is not None), None)


def _missing(top: ImagePath | None, images: Mapping[ImagePath, Image]) -> Image | None:
    """The image at or below *top* that is not there, and may have stood on another."""
    path, seen = top, set[ImagePath]()
    while path is not None and path not in seen:
        seen.add(path)
        image = images.get(path)
        if image is not None and image.presence is Presence.MISSING and image.format != _RAW:
            return image
        path = image.backing if image is not None else None
    return None


def _emptied(host: ObservedHost) -> frozenset[str]:
    """Folders in which nothing of what lay there is left: it was not deleted, they are not mounted."""
    missing = {folder_of(i.path) for i in host.images if i.presence is Presence.MISSING}
    there = {folder_of(i.path) for i in host.images if i.presence is not Presence.MISSING}
    return frozenset(missing - there - {folder.path for folder in host.folders if folder.others})


def _told(domain: ObservedDomain) -> Iterator[ImagePath]:
    """Images whose place a chain tells that was read whole, or is QEMU's own word."""
    for disk in (disk for disks in domain.definitions for disk in disks):
        yield from disk.chain or ()


def why_not(unseen: tuple[Unseen, ...], *, image: ImagePath, disk: str | None) -> Refusal | None:
    """Why nothing may be done to *image* that a reader of it would notice."""
    if not unseen:
        return None
    who = unseen[0]
    if who.cause is None:
        assert who.image is not None
        code = RefusalCode.NEEDS_LOCAL_ACCESS
        return refusal(code, image=who.image, disk=disk, folder=folder_of(who.image))
    return refusal(
        RefusalCode.UNMANAGED_READER,
        image=image,
        disk=disk,
        kind="file" if who.domain is None else "domain",
        readers=who.reader,
        cause=who.cause,
        missing=who.image if who.is_missing else None,
        unresolved=who.domain if who.image is None else None,
        file=who.image if who.can_stand_alone else None,
    )
