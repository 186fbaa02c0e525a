"""The fake host as the model sees it."""

import hashlib
from collections.abc import Mapping

from reconciler.model.chain import (
    MEMORY_FORMAT,
    BackingChain,
    FileIdentity,
    Image,
    Presence,
    Unread,
)
from reconciler.model.domain import (
    BlockJob,
    Disk,
    DiskKind,
    ObservedDomain,
    ObservedFolder,
    ObservedHost,
)
from reconciler.model.ledger import MEMORY, EntryState, Ledger, LedgerProblem, RequestState
from reconciler.model.names import ImagePath, base_name, folder_of
from reconciler.model.snapshot import DiskCapture, SnapshotDisk, SnapshotRecord
from tests.fakes.domain import FakeDefinition, FakeDisk, FakeDomain, FakeRecord, FakeRecordDisk
from tests.fakes.storage import CLUSTER, FakeFile
from tests.fakes.world import World


def observed_host(world: World) -> ObservedHost:
    """Domains by name, images and folders by path."""
    domains = sorted(world.domains.values(), key=lambda domain: domain.name)
    declared = _declared(world, domains)
    folders = sorted(
        {folder_of(path) for path in declared} | set(world.extra_folders) | _of_ledgers(domains)
    )
    found = {path for folder in folders for path in _listed(world, folder)}
    paths = _with_backing(world, found | set(declared))
    return ObservedHost(
        name=world.name,
        uri=world.uri,
        observed_at=world.now,
        libvirt_version=world.version,
        qemu_version=7_002_000,
        domains=tuple(_domain(world, domain) for domain in domains),
        images=tuple(_image(world, path, declared.get(path)) for path in sorted(paths)),
        folders=tuple(_folder(world, path, declared) for path in folders),
    )


def _of_ledgers(domains: list[FakeDomain]) -> set[str]:
    """The folders of images that virtsnap made and nobody else names any more."""
    return {
        folder_of(path)
        for domain in domains
        if domain.ledger is not None
        and domain.ledger.uuid == domain.uuid
        and domain.ledger_problem is None
        for path in domain.ledger.image_paths
    }


def _folder(world: World, path: str, declared: Mapping[ImagePath, str]) -> ObservedFolder:
    """Listed whole only if every file that nobody names could be looked into."""
    folder = world.storage.folder(path)
    is_whole = folder.is_listed and all(
        file.is_readable
        for file in world.storage.files.values()
        if folder_of(file.path) == path and file.path not in declared
    )
    return ObservedFolder(
        path=path,
        is_listed=is_whole and folder.is_accessible,
        is_writable=folder.is_writable and folder.is_accessible,
        free=folder.free,
        size=folder.size,
        is_shared=folder.is_shared,
        others=tuple(
            sorted(
                base_name(file.path)
                for file in world.storage.files.values()
                if folder_of(file.path) == path
                and (file.format == MEMORY_FORMAT or file.is_empty)
                and file.path not in declared
                and folder.is_listed
                and folder.is_accessible
            )
        ),
    )


def _domain(world: World, domain: FakeDomain) -> ObservedDomain:
    ledger, problem = domain.ledger, domain.ledger_problem
    remembered = world.journal.remembered(domain.uuid)
    if problem is None and ledger is not None and ledger.uuid != domain.uuid:
        problem = LedgerProblem.FOREIGN
    return ObservedDomain(
        name=domain.name,
        uuid=domain.uuid,
        power=domain.power,
        power_detail="paused: I/O error" if domain.is_paused_on_error else "",
        live=_live(world, domain.live),
        persistent=_persistent(world, domain.persistent),
        agent=domain.agent.state,
        records=_records(domain),
        jobs=tuple(
            BlockJob(
                disk=job.disk,
                kind=job.kind,
                done=job.total - len(job.pending) * CLUSTER,
                total=job.total,
                is_ready=job.is_ready,
                destination=job.base,
            )
            for _, job in sorted(domain.jobs.items())
        ),
        domain_job=domain.domain_job,
        checkpoints=tuple(sorted(domain.checkpoints)),
        has_managed_save=domain.has_managed_save,
        holds_images=not domain.has_let_go if domain.is_paused else None,
        is_paused_on_error=domain.is_paused_on_error,
        ledger=ledger if problem is None else None,
        ledger_problem=problem,
        is_ledger_partial=ledger is not None
        and problem is None
        and ledger.fence is None
        and any(definition.ledger != ledger for definition in domain.definitions),
        on_poweroff=domain.on_poweroff,
        memory_bytes=domain.memory_bytes,
        unsaved_devices=domain.unsaved_devices,
        doubtful_devices=("a device of its own",) if domain.blocks_saving is not None else (),
        journal_serial=remembered.serial,
        journal_requests=remembered.requests,
        journal_last=remembered.last,
        merged_by_hand=_merged_by_hand(world, domain),
    )


def _live(world: World, definition: FakeDefinition | None) -> tuple[Disk, ...] | None:
    """QEMU's own word: the chain is what it has open, there or not."""
    if definition is None:
        return None
    return tuple(
        _disk(world, disk, BackingChain(disk.stated or (disk.source,)), stated=None)
        for disk in definition.disks
    )


def _persistent(world: World, definition: FakeDefinition | None) -> tuple[Disk, ...] | None:
    """The chain is what the headers say, whatever the definition states."""
    if definition is None:
        return None
    return tuple(
        _disk(
            world,
            disk,
            world.storage.header_chain(disk.source, as_we_see=True),
            stated=BackingChain(disk.stated) if disk.stated else None,
        )
        for disk in definition.disks
    )


def _disk(
    world: World, disk: FakeDisk, chain: BackingChain | None, *, stated: BackingChain | None
) -> Disk:
    file = world.storage.files.get(disk.source)
    if disk.unresolved is not None:
        return Disk(
            target=disk.target,
            kind=DiskKind.OTHER,
            format=disk.format,
            unresolved=disk.unresolved,
        )
    kind = DiskKind.BLOCK if file is not None and file.is_device else DiskKind.FILE
    return Disk(
        target=disk.target,
        kind=DiskKind.EMPTY if disk.is_empty else kind,
        source=None if disk.is_empty else disk.source,
        oddity=disk.oddity,
        is_stated_elsewhere=disk.is_stated_elsewhere,
        format=disk.format,
        device=disk.device,
        is_readonly=disk.is_readonly,
        is_shareable=disk.is_shareable,
        is_excluded=disk.is_excluded or disk.is_manual,
        is_manual=disk.is_manual,
        is_optional=disk.is_optional,
        chain=None if disk.is_empty else chain,
        stated=stated,
    )


def _records(domain: FakeDomain) -> tuple[SnapshotRecord, ...]:
    """Parents first, then by time and name."""
    ordered: list[FakeRecord] = []
    waiting = sorted(domain.records.values(), key=lambda record: (record.created, record.name))
    while waiting:
        known = {record.name for record in ordered}
        following = next((r for r in waiting if r.parent is None or r.parent in known), waiting[0])
        waiting.remove(following)
        ordered.append(following)
    return tuple(_record(domain, record) for record in ordered)


def _record(domain: FakeDomain, record: FakeRecord) -> SnapshotRecord:
    copy = record.ledger if record.ledger and record.ledger.uuid == domain.uuid else None
    entry = copy.entry(record.name) if copy else None
    is_ours = entry is not None and (
        entry.state is EntryState.CREATING or entry.created == record.created
    )
    return SnapshotRecord(
        name=record.name,
        created=record.created,
        state=record.state,
        description=record.description,
        parent=record.parent,
        is_current=domain.current == record.name,
        memory=record.memory,
        memory_file=record.memory_file,
        disks=tuple(_record_disk(disk) for disk in record.disks.values()),
        inactive_sources=tuple(
            sorted(set(record.inactive.values()) - {d.source for d in record.disks.values()})
        ),
        uid=entry.uid if entry is not None and is_ours else None,
        is_held=entry is not None and is_ours and entry.is_held,
        intent_images=_intent_images(copy, record) if is_ours else (),
        requests=tuple(
            request
            for request in (copy.requests if copy else ())
            if request.state is RequestState.DONE
        ),
        ledger_serial=copy.serial if copy else 0,
        is_delete_unfinished=record.is_delete_unfinished,
    )


def _intent_images(copy: Ledger | None, record: FakeRecord) -> tuple[ImagePath, ...]:
    images = copy.images if copy else ()
    return tuple(sorted(image.path for image in images if image.snapshot == record.name))


def _record_disk(disk: FakeRecordDisk) -> SnapshotDisk:
    return SnapshotDisk(
        target=disk.target,
        capture=disk.capture,
        source=disk.source,
        source_format=disk.source_format,
        overlay=disk.overlay if disk.capture is DiskCapture.EXTERNAL else None,
        is_writable=disk.is_writable,
    )


def _declared(world: World, domains: list[FakeDomain]) -> dict[ImagePath, str]:
    """Every image that a definition, a record or a header of these names, and its format."""
    said: dict[ImagePath, str] = {}
    for domain in domains:
        for disk in (disk for definition in domain.definitions for disk in definition.disks):
            if disk.unresolved is not None:
                continue
            said.setdefault(disk.source, disk.format)
            for path in disk.stated or ():
                said.setdefault(path, _true_format(world, path))
        for record in domain.records.values():
            for each in record.disks.values():
                said.setdefault(each.source, each.source_format)
                if each.overlay is not None:
                    said.setdefault(each.overlay, "qcow2")
            if record.memory_file is not None:
                said.setdefault(record.memory_file, MEMORY_FORMAT)
        ledger = domain.ledger if domain.ledger and domain.ledger.uuid == domain.uuid else None
        for entry in ledger.entries if ledger else ():
            if entry.state is EntryState.CREATING:
                continue
            for frozen in entry.frozen:
                if frozen.format is not None:
                    said.setdefault(frozen.path, frozen.format)
            if entry.memory is not None:
                said.setdefault(entry.memory, MEMORY_FORMAT)
        for image in ledger.images if ledger else ():
            there = world.storage.files.get(image.path)
            if there is not None and image.disk == MEMORY:
                said.setdefault(image.path, MEMORY_FORMAT)
            elif there is not None and there.is_empty:
                said.setdefault(image.path, "qcow2")
    for path in _with_backing(world, set(said)):
        said.setdefault(path, _true_format(world, path))
    return said


def _true_format(world: World, path: ImagePath) -> str:
    file = world.storage.files.get(path)
    return file.format if file else "qcow2"


def _listed(world: World, folder: str) -> list[ImagePath]:
    """Images found by looking through a folder; what cannot be opened is not known to be one."""
    at = world.storage.folder(folder)
    return [
        file.path
        for file in world.storage.files.values()
        if folder_of(file.path) == folder
        and (at.is_listed and at.is_accessible and file.is_readable)
        and file.format not in ("raw", MEMORY_FORMAT)
        and not file.is_out_of_sight
    ]


def _with_backing(world: World, paths: set[ImagePath]) -> set[ImagePath]:
    """*paths* and all that their headers lead to."""
    found, waiting = set(paths), sorted(paths)
    while waiting:
        file = world.storage.files.get(waiting.pop())
        can_follow = file is not None and world.storage.is_open_to_us(file)
        if file is not None and can_follow and file.backing and file.backing not in found:
            found.add(file.backing)
            waiting.append(file.backing)
    return found


def _image(world: World, path: ImagePath, said: str | None) -> Image:
    file = world.storage.files.get(path)
    image_format = said or _true_format(world, path)
    is_accessible = world.storage.folder(folder_of(path)).is_accessible
    if file is None or not world.storage.is_open_to_us(file):
        is_missing = (file is None or file.is_out_of_sight) and is_accessible
        presence = Presence.MISSING if is_missing else Presence.UNKNOWN
        return Image(path=path, format=image_format, presence=presence, is_examined=False)
    if file.is_spoilt or file.stands_on is not None:
        return Image(
            path=path,
            format=image_format,
            is_examined=False,
            unread=Unread.NO_IMAGE if file.is_spoilt else Unread.UNTOLD,
            cause="it is no qcow2 image" if file.is_spoilt else f"it stands on {file.stands_on}",
        )
    return Image(
        path=path,
        format=image_format,
        is_corrupt=file.is_corrupt,
        backing=file.backing,
        backing_format=file.backing_format,
        virtual_size=file.virtual_size,
        allocated=None if file.is_device else len(file.clusters) * CLUSTER,
        internal_snapshots=tuple(name for name, _ in file.inside),
        internal_ids=tuple(file.ids.get(name, "") for name, _ in file.inside),
        is_blank=(file.backing is not None or file.is_empty) and file.is_untouched,
        unwritten_since=tuple(
            name
            for name, held in file.inside
            if held == file.clusters and [said for said, _ in file.inside].count(name) == 1
        ),
        has_data_file=file.has_data_file,
        is_encrypted=file.is_encrypted,
        is_device=file.is_device,
        device_size=file.virtual_size if file.is_device else None,
        file=None if file.is_device else _identity(file),
        saved=file.saved,
    )


def _identity(file: FakeFile) -> FileIdentity:
    """The time of the last write is told by what was written."""
    said = (file.clusters, file.inside, file.has_held_memory, file.backing, file.format)
    digest = hashlib.sha256(repr(said).encode()).digest()
    return FileIdentity(device=1, inode=file.inode, modified=int.from_bytes(digest[:6]))


def _merged_by_hand(world: World, domain: FakeDomain) -> tuple[tuple[ImagePath, ImagePath], ...]:
    """Frozen layers below which their own overlay stands now, when both read the same."""
    if domain.jobs:
        return ()
    pairs: set[tuple[ImagePath, ImagePath]] = set()
    for record in domain.records.values():
        for disk in record.disks.values():
            header = world.storage.files.get(disk.overlay) if disk.overlay else None
            chain = world.storage.header_chain(disk.source, as_we_see=True)
            is_read = header is not None and world.storage.is_open_to_us(header)
            below = header.backing if header is not None and is_read else None
            if below is None or chain is None or below == disk.source or below not in chain:
                continue
            if world.storage.file(disk.source).is_untouched:
                continue
            if world.storage.content(disk.source) == world.storage.content(below):
                pairs.add((disk.source, below))
    return tuple(sorted(pairs))
