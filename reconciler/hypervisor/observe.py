"""One libvirt with its image files, as it is now."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import libvirt

from reconciler.hypervisor import domain_xml, fetch, image_locks, power
from reconciler.hypervisor.asking import Fetcher
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.describing import Described, Describer
from reconciler.hypervisor.disks import DiskReader
from reconciler.hypervisor.domain_xml import Definition
from reconciler.hypervisor.fetch import Fetched
from reconciler.hypervisor.folders import Mounts, device_folders, scanned
from reconciler.hypervisor.images import ImageShelf
from reconciler.hypervisor.merged_by_hand import HandMergeFinder
from reconciler.hypervisor.paths import PathBook
from reconciler.hypervisor.volumes import VolumeBook
from reconciler.model.chain import MEMORY_FORMAT, Image, Presence
from reconciler.model.domain import (
    CHANGE_BY,
    AgentState,
    BlockJob,
    Disk,
    DiskKind,
    JobKind,
    ObservedDomain,
    ObservedFolder,
    ObservedHost,
    Undescribed,
)
from reconciler.model.ledger import MEMORY, EntryState, Ledger, Remembered
from reconciler.model.names import (
    DiskTarget,
    DomainUuid,
    HostName,
    folder_of,
    is_below_dev,
    plain_folder,
)
from reconciler.model.secrets import without_secrets
from reconciler.model.snapshot import SnapshotRecord

_JOB_KINDS = {
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_PULL: JobKind.PULL,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY: JobKind.COPY,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT: JobKind.COMMIT,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT: JobKind.ACTIVE_COMMIT,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP: JobKind.BACKUP,
}
#: What took no longer was read before the holder of a fence that was not there yet changed anything.
_AT_ONCE = timedelta(seconds=0.9)
#: How often the host is looked at again because of what came or went.
_LOOKS = 10
_NO_DEFINITION = Definition(disks=(), agent=AgentState.ABSENT, firmware="bios", has_tpm=False)


class Observer:
    """Reads the host; keeps nothing but what comparing files and reading XML has cost."""

    def __init__(
        self,
        host: HostName,
        connection: Connection,
        *,
        extra_folders: tuple[str, ...],
        remembered: Callable[[DomainUuid], Remembered],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._host = host
        self._connection = connection
        self._extra_folders = extra_folders
        self._now = now
        self._hand_merges = HandMergeFinder()
        self._fetcher = Fetcher(connection, remembered=remembered)
        self._describer = Describer()
        #: what cannot be read, as two looks one after the other told
        self._confirmed: frozenset[str] = frozenset()

    def host(self) -> ObservedHost:
        """Everything, afresh.

        An image that a definition named and that cannot be read may have come or gone meanwhile, by
        somebody's work on another domain: only what two looks tell alike is so.
        """
        seen = self._once()
        for _ in range(_LOOKS):
            doubtful = _doubtful(seen)
            if doubtful <= self._confirmed:
                break
            before, seen = doubtful, self._once()
            if _doubtful(seen) == before:
                self._confirmed = before
                break
        return seen

    def _once(self) -> ObservedHost:
        connection, is_local = self._connection, self._connection.is_local
        versions, began = connection.versions(), self._now()
        shelf = ImageShelf(PathBook(is_local=is_local), is_local=is_local)
        volumes = VolumeBook(connection.raw)
        # One by one: a host's worth of XML trees is slow to keep and to give back.
        described, undescribed = list[Described](), list[Undescribed]()
        for found in self._fetcher.fetched():
            if isinstance(found, Undescribed):
                undescribed.append(found)
            else:
                described.append(self._describer.described(found, shelf, volumes))
        self._describer.forget_all_but(each.fetched.uuid for each in described)
        domains = self._domains(tuple(described), shelf)
        images = shelf.all()
        folders = self._folders(images, domains, shelf) if is_local else ()
        if is_local:
            domains = tuple(self._with_hand_merges(domain, shelf) for domain in domains)
        domains = self._settled(domains, described, is_slow=self._now() - began > _AT_ONCE)
        return ObservedHost(
            name=self._host,
            uri=without_secrets(connection.uri),
            observed_at=began,
            libvirt_version=versions.libvirt,
            qemu_version=versions.qemu,
            is_local=is_local,
            domains=domains,
            undescribed=tuple(undescribed),
            images=shelf.all(),
            folders=folders,
        )

    def _domains(
        self, described: tuple["Described", ...], shelf: ImageShelf
    ) -> tuple[ObservedDomain, ...]:
        readings = [d.disks for each in described for d in each.definitions]
        reader = DiskReader(shelf, is_local=self._connection.is_local)
        # All formats are declared before the first header is read: raw is never probed.
        for disks in readings:
            reader.declare(disks)
        return tuple(self._domain(each, reader, shelf) for each in described)

    def _domain(
        self, described: "Described", reader: DiskReader, shelf: ImageShelf
    ) -> ObservedDomain:
        fetched, live, persistent = described.fetched, described.live, described.persistent
        remembered = fetched.remembered
        state, reason = fetched.state
        seen = live or persistent or _NO_DEFINITION
        live_disks = None if live is None else reader.live(live.disks)
        persistent_disks = (
            None if persistent is None else reader.persistent(persistent.disks, live_disks)
        )
        _declare(described.records, shelf)
        _declare_made(described, shelf)
        _declare_frozen(described.ledger.ledger, shelf)
        return ObservedDomain(
            name=fetched.name,
            uuid=fetched.uuid,
            power=power.power_of(state, is_active=live is not None),
            power_detail=power.detail_of(state, reason),
            live=live_disks,
            persistent=persistent_disks,
            agent=seen.agent,
            records=described.records,
            jobs=_jobs(fetched, live, shelf),
            domain_job=fetched.domain_job,
            checkpoints=fetched.checkpoints,
            has_managed_save=fetched.has_managed_save,
            holds_images=self._holds_images(state, live_disks),
            is_paused_on_error=power.is_paused_on_error(state, reason),
            firmware=seen.firmware,
            has_pflash=seen.has_pflash,
            has_tpm=seen.has_tpm,
            nvram_format=seen.nvram_format,
            on_poweroff=seen.on_poweroff,
            memory_bytes=seen.memory_bytes,
            unsaved_devices=seen.unsaved_devices,
            doubtful_devices=seen.doubtful_devices,
            ledger=described.ledger.ledger,
            ledger_problem=described.ledger.problem,
            is_ledger_partial=described.ledger.is_partial,
            journal_serial=remembered.serial,
            journal_requests=remembered.requests,
            journal_last=remembered.last,
        )

    def _settled(
        self,
        domains: tuple[ObservedDomain, ...],
        described: list[Described],
        *,
        is_slow: bool,
    ) -> tuple[ObservedDomain, ...]:
        """The images were read after the definitions: whoever is at work may have changed both."""
        pairs = [(domain, each.fetched) for domain, each in zip(domains, described, strict=True)]
        doubtful = [fetched for domain, fetched in pairs if is_slow or _is_at_work(domain)]
        changed = self._fetcher.changed_since(doubtful)
        return tuple(
            replace(domain, domain_job=f"{CHANGE_BY}{_holder(domain, self._now())}")
            if fetched.is_changing or domain.uuid in changed
            else domain
            for domain, fetched in pairs
        )

    def _holds_images(self, state: int, disks: tuple[Disk, ...] | None) -> bool | None:
        """Asked only of a paused domain, whose QEMU may have let go of them."""
        if state != libvirt.VIR_DOMAIN_PAUSED or not self._connection.is_local:
            return None
        files = [d for d in disks or () if d.kind is DiskKind.FILE and d.is_writable]
        if any(disk.chain is None or disk.is_shareable for disk in files):
            return None
        return image_locks.are_held(path for disk in files for path in disk.chain or ())

    def _folders(
        self, images: tuple[Image, ...], domains: tuple[ObservedDomain, ...], shelf: ImageShelf
    ) -> tuple[ObservedFolder, ...]:
        pools = fetch.pool_folders(self._connection.raw)
        # What nobody else names any more is still ours to look for, and to remove.
        ours = (folder_of(path) for d in domains if d.ledger for path in d.ledger.image_paths)
        named = {os.path.realpath(folder) for folder in (*self._extra_folders, *pools, *ours)}
        named |= {folder_of(image.path) for image in images if not image.is_device}
        mounts = Mounts.read()
        found = [scanned(folder, shelf, mounts) for folder in named if not is_below_dev(folder)]
        found = [replace(folder, links=self._links_to(folder.path)) for folder in found]
        known = {folder.path for folder in found}
        devices = [image.path for image in images if image.is_device]
        found += [f for f in device_folders(devices, shelf) if f.path not in known]
        return tuple(sorted(found, key=lambda folder: folder.path))

    def _links_to(self, folder: str) -> tuple[str, ...]:
        said = sorted({plain_folder(asked) for asked in self._extra_folders})
        return tuple(asked for asked in said if asked != folder == os.path.realpath(asked))

    def _with_hand_merges(self, domain: ObservedDomain, shelf: ImageShelf) -> ObservedDomain:
        if domain.jobs or not domain.records:
            return domain
        found = self._hand_merges.found(domain.records, domain.ledger, shelf)
        return replace(domain, merged_by_hand=found) if found else domain


def _doubtful(seen: ObservedHost) -> frozenset[str]:
    """The images and folders here that could not be read."""
    if not seen.is_local:
        return frozenset()
    images = (
        i.path for i in seen.images if i.presence is not Presence.PRESENT or not i.is_examined
    )
    folders = (folder.path for folder in seen.folders if not folder.is_listed)
    return frozenset((*images, *folders))


def _declare(records: tuple[SnapshotRecord, ...], shelf: ImageShelf) -> None:
    """Say which formats records give to which images."""
    for disk in (disk for record in records for disk in record.disks):
        if disk.source is not None and disk.source_format is not None:
            shelf.declare(disk.source, disk.source_format)
        for overlay in (disk.overlay, disk.revert_overlay):
            if overlay is not None:
                shelf.declare(overlay, "qcow2")


def _declare_made(described: Described, shelf: ImageShelf) -> None:
    """Memory images are no links of a chain: only that they are there is looked at; nor are files
    that we made and nobody has filled."""
    for record in described.records:
        if record.memory_file is not None:
            shelf.declare(record.memory_file, MEMORY_FORMAT)
    known = described.ledger.ledger
    for image in known.images if known else ():
        if image.disk != MEMORY:
            shelf.expect(shelf.spelled(image.path))
        elif os.path.lexists(image.path):
            shelf.declare(shelf.spelled(image.path), MEMORY_FORMAT)


def _declare_frozen(ledger: Ledger | None, shelf: ImageShelf) -> None:
    """What managed snapshots froze is looked at, whatever their records say by now."""
    for entry in ledger.entries if ledger else ():
        if entry.state is EntryState.CREATING:
            continue  # not there yet, or left by a create that failed
        for disk in entry.frozen:
            if disk.format is not None:
                shelf.declare(shelf.spelled(disk.path), disk.format)
        if entry.memory is not None:
            shelf.declare(shelf.spelled(entry.memory), MEMORY_FORMAT)


def _is_at_work(domain: ObservedDomain) -> bool:
    """Somebody may be: a fence is there for a second before anything is changed."""
    fence = domain.ledger.fence if domain.ledger else None
    return fence is not None or bool(domain.jobs)


def _holder(domain: ObservedDomain, now: datetime) -> str:
    fence = domain.ledger.fence if domain.ledger else None
    return fence.holder if fence and fence.until > now else "somebody"


def _jobs(fetched: Fetched, live: Definition | None, shelf: ImageShelf) -> tuple[BlockJob, ...]:
    mirrors = {d.target: d.mirror for d in live.disks} if live else {}
    return tuple(
        _job(target, fetched.jobs[target], mirrors.get(target), shelf)
        for target in sorted(fetched.jobs)
    )


def _job(
    target: DiskTarget,
    info: dict[str, int],
    mirror: domain_xml.Mirror | None,
    shelf: ImageShelf,
) -> BlockJob:
    return BlockJob(
        disk=target,
        kind=_JOB_KINDS.get(info.get("type", 0), JobKind.OTHER),
        done=info.get("cur", 0),
        total=info.get("end", 0),
        is_ready=mirror is not None and mirror.is_ready,
        destination=shelf.spelled(mirror.path) if mirror and mirror.path else None,
    )
