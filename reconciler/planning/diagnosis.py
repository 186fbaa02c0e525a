"""What is wrong, or worth knowing, on a host: ``doctor``.  Looks with the eyes of the planner."""

from collections.abc import Iterator

from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.domain import DiskKind, ObservedHost
from reconciler.model.finding import Finding, FindingCode, finding
from reconciler.model.names import ImagePath, folder_of
from reconciler.planning import creation, differ, examining
from reconciler.planning.index import HostIndex, index_of
from reconciler.planning.world import resolved, world_of

#: below it libvirt cannot delete external snapshots, and nothing here was ever tried (facts §13)
OLDEST_LIBVIRT = 9_000_000
#: a folder with less room than either is worth a word
LITTLE_ROOM = 1 << 30
LITTLE_SHARE = 20

#: what is said of a domain that nobody declared anything of
_NOTHING = Desired(source="", revision=None, is_complete=False, hosts=(), domains=())


def diagnose(
    host: ObservedHost,
    *,
    declared: DesiredHost | None = None,
    desired: Desired | None = None,
    unwritable: tuple[str, ...] = (),
) -> tuple[Finding, ...]:
    """Every finding: 1. of the host, 2. of its domains by name, each in the order of the checks.

    *declared* and *desired* are what manifests say, where there are some.  *unwritable* are the
    folders of virtsnap's own state that this user may not write to.
    """
    index = index_of(host)
    folders = tuple(resolved(host, folder) for folder in declared.folders) if declared else ()
    found = list(_of_host(index, folders, unwritable))
    for other in host.undescribed:
        found.append(finding(FindingCode.DOMAIN_BUSY, domain=other.name, job=other.cause))
    for domain in sorted(host.domains, key=lambda domain: (domain.name, domain.uuid)):
        world = world_of(index, domain, folders)
        wishes = (desired or _NOTHING).of_host(host.name)
        wish = next((w for w in wishes if w.domain in (domain.name, domain.uuid)), None)
        found += examining.examine(world, differ.declared(desired or _NOTHING, wish))
    return tuple(found)


def _of_host(
    index: HostIndex, declared: tuple[str, ...], unwritable: tuple[str, ...]
) -> Iterator[Finding]:
    yield from _version(index.host)
    if not index.host.is_local:
        yield finding(FindingCode.HOST_NOT_LOCAL, uri=index.host.uri)
    for folder in unwritable:
        yield finding(FindingCode.STATE_NOT_WRITABLE, folder=folder)
    if index.host.is_local:
        yield from _unseen(index)
    yield from _folders(index.host, declared)


def _version(host: ObservedHost) -> Iterator[Finding]:
    version = dotted(host.libvirt_version)
    if host.libvirt_version < OLDEST_LIBVIRT:
        oldest = dotted(OLDEST_LIBVIRT)
        yield finding(FindingCode.LIBVIRT_TOO_OLD, version=version, oldest=oldest)
    if host.libvirt_version in creation.DEEP_CHAINS_FAIL:
        limit = creation.DEEP_LIMIT
        yield finding(FindingCode.LIBVIRT_DEEP_CHAINS, version=version, limit=limit)


def dotted(version: int) -> str:
    """``11.3.0`` for libvirt's 11003000."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def _unseen(index: HostIndex) -> Iterator[Finding]:
    """Who may not read one image mostly may not read any: one finding a folder."""
    by_folder: dict[str, list[ImagePath]] = {}
    for who in index.unseen:
        if who.cause is None and who.image is not None:
            by_folder.setdefault(folder_of(who.image), []).append(who.image)
        else:
            yield finding(
                FindingCode.READER_UNKNOWN,
                reader=who.reader,
                cause=who.cause,
                missing=who.image if who.is_missing else None,
                file=who.image if who.can_stand_alone else None,
            )
    for folder, paths in sorted(by_folder.items()):
        yield finding(
            FindingCode.IMAGES_UNREADABLE,
            folder=folder,
            image=paths[0],
            more=len(paths) - 1 or None,
        )


def _folders(host: ObservedHost, declared: tuple[str, ...]) -> Iterator[Finding]:
    written = {
        folder_of(disk.source)
        for domain in host.domains
        for disks in domain.definitions
        for disk in disks
        if disk.source is not None and disk.is_writable and disk.kind is not DiskKind.BLOCK
    }
    for folder in sorted(host.folders, key=lambda folder: folder.path):
        path = folder.path
        if host.is_local and not folder.is_listed:
            yield finding(FindingCode.FOLDER_NOT_LISTED, folder=path)
        if path not in written and path not in declared:
            continue  # ISO images and the like: nothing is made or changed there
        if host.is_local and folder.is_listed and not folder.is_writable:
            yield finding(FindingCode.FOLDER_NOT_WRITABLE, folder=path)
        if folder.free is not None and _is_little(folder.free, folder.size):
            yield finding(
                FindingCode.LOW_SPACE,
                folder=path,
                free=folder.free,
                size=folder.size,
                is_problem=folder.free < creation.LEAST_ROOM,
            )
        if folder.is_shared and path not in declared:
            yield finding(FindingCode.STORAGE_SHARED, folder=path)


def _is_little(free: int, size: int | None) -> bool:
    return free < LITTLE_ROOM or (size is not None and free * LITTLE_SHARE < size)
