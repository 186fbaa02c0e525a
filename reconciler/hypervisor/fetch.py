"""Everything libvirt says of its domains, in as few round trips as it allows; nothing is judged."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import libvirt

from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.explaining import explained, explaining, is_gone
from reconciler.hypervisor.xml import Element, parse
from reconciler.model.domain import DiskKind
from reconciler.model.ledger import Remembered
from reconciler.model.names import DiskTarget, DomainName, DomainUuid

#: The definition of a running domain has an id; libvirt writes it into the first tag.
_LIVE = re.compile(r"\s*<domain\b[^>]*\sid=")
_OPERATIONS = {
    libvirt.VIR_DOMAIN_JOB_OPERATION_START: "start",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE: "save",
    libvirt.VIR_DOMAIN_JOB_OPERATION_RESTORE: "restore",
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN: "migration",
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT: "migration",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT: "snapshot",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT: "snapshot revert",
    libvirt.VIR_DOMAIN_JOB_OPERATION_DUMP: "dump",
    libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP: "backup",
}

_BUSY = "other work"
#: A short look of somebody else is no holding.
_HELD_TRIES, _HELD_PAUSE = 5, 0.2
#: Whoever changes a domain writes to its ledger every few tenths of a second, and then not for long.
_SETTLING_TRIES, _SETTLING_PAUSE = 5, 0.1
#: What must be of one moment with the records: the ledger, and which images the disks are on.  Not
#: all of the text: statistics of a balloon change by themselves.
_TOLD = re.compile(r"<metadata>.*?</metadata>|<disk\b.*?</disk>", re.DOTALL)
_LEDGER = "urn:virtsnap:ledger:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """Which domains are what, by UUID: asked for all at once instead of one by one."""

    with_snapshots: frozenset[DomainUuid]
    with_checkpoints: frozenset[DomainUuid]
    with_managed_save: frozenset[DomainUuid]
    states: dict[DomainUuid, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One domain as libvirt describes it at one moment; XML as text."""

    name: DomainName
    uuid: DomainUuid
    state: tuple[int, int]
    live: str | None
    persistent: str | None
    #: in no order
    snapshots: tuple[str, ...]
    current: str | None
    checkpoints: tuple[str, ...]
    #: target → libvirt's block job info
    jobs: dict[DiskTarget, dict[str, int]]
    domain_job: str | None
    has_managed_save: bool
    #: what this machine's journal knew of it *before* the ledger was read, so that a write in between
    #: does not make the ledger look older than the journal
    remembered: Remembered = field(default_factory=Remembered)
    #: it was changed again and again while it was read: this is not of one moment
    is_changing: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """What no other may be when it is asked for again."""
        return _told(self.live, self.persistent)


def lists_of(raw: Any) -> Lists:
    states: dict[DomainUuid, tuple[int, int]] = {}
    with suppress(libvirt.libvirtError):
        for domain, stats in raw.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0):
            if "state.state" in stats:
                uuid = DomainUuid(domain.UUIDString())
                states[uuid] = (stats["state.state"], stats.get("state.reason", 0))
    return Lists(
        with_snapshots=_uuids(raw, libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT),
        with_checkpoints=_uuids(raw, libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT),
        with_managed_save=_uuids(raw, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE),
        states=states,
    )


def _uuids(raw: Any, flag: int) -> frozenset[DomainUuid]:
    with explaining("list the domains"):
        return frozenset(DomainUuid(domain.UUIDString()) for domain in raw.listAllDomains(flag))


def fetch_if_there(
    domain: Any,
    lists: Lists,
    *,
    held: str = _BUSY,
    remembered: Callable[[DomainUuid], Remembered] = lambda _uuid: Remembered(),
) -> Fetched | None:
    """Ledger, definitions and records as they were at one moment; one that somebody holds is busy
    with *held*."""
    try:
        for tries in range(_SETTLING_TRIES):
            found = _fetch(domain, lists, held, remembered, trusts_lists=tries == 0)
            if found.told == _told(*_definitions(domain)):
                return found
            time.sleep(_SETTLING_PAUSE)
        return replace(found, is_changing=True)
    except libvirt.libvirtError as error:
        if is_gone(error):
            return None
        raise explained(error, f"read domain {domain.name()}") from error


def has_changed(domain: Any, since: Fetched) -> bool:
    """Its ledger or its disks are others than they were; so are those of a domain that has gone."""
    try:
        return _told(*_definitions(domain)) != since.told
    except libvirt.libvirtError as error:
        if is_gone(error):
            return True
        raise explained(error, f"read domain {since.name}") from error


def _definitions(domain: Any) -> tuple[str | None, str | None]:
    first = domain.XMLDesc(0)
    return (first, _persistent(domain)) if _LIVE.match(first) else (None, first)


def _told(live: str | None, persistent: str | None) -> tuple[str, ...]:
    texts = (live or "", persistent or "")
    return tuple(part for text in texts for part in ("", *_TOLD.findall(text)))


def _fetch(
    domain: Any,
    lists: Lists,
    held: str,
    remembered: Callable[[DomainUuid], Remembered],
    *,
    trusts_lists: bool,
) -> Fetched:
    """All round trips of one domain."""
    uuid = DomainUuid(domain.UUIDString())
    known = remembered(uuid)
    live, persistent = _definitions(domain)
    jobs: dict[DiskTarget, dict[str, int]] = {}
    is_held = live is not None and is_held_by_somebody(domain)
    if live is not None and not is_held:
        jobs = _jobs(domain, parse(live))
    if jobs:
        # The mirror belongs to the job: read after it, or a job begun in between has none.
        again = domain.XMLDesc(0)
        live = again if _LIVE.match(again) else live
    # The lists are older than the ledger, which may tell of a snapshot taken since.
    may_have = not trusts_lists or _LEDGER in (persistent or live or "")
    snapshots = _snapshots(domain) if may_have or uuid in lists.with_snapshots else ()
    return Fetched(
        name=DomainName(domain.name()),
        uuid=uuid,
        state=_state(domain, uuid, lists, is_live=live is not None),
        live=live,
        persistent=persistent,
        snapshots=snapshots,
        current=_current(domain) if snapshots else None,
        checkpoints=_checkpoints(domain) if uuid in lists.with_checkpoints else (),
        jobs=jobs,
        domain_job=held if is_held else _domain_job(domain) if live is not None else None,
        has_managed_save=uuid in lists.with_managed_save,
        remembered=known,
    )


def _state(domain: Any, uuid: DomainUuid, lists: Lists, *, is_live: bool) -> tuple[int, int]:
    known = lists.states.get(uuid)
    off = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED)
    if known is not None and (known[0] not in off) == is_live:
        return known
    state, reason = domain.state()
    return state, reason


def _persistent(domain: Any) -> str | None:
    if not domain.isPersistent():
        return None
    text: str = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    return text


def _snapshots(domain: Any) -> tuple[str, ...]:
    found = []
    # Not TOPOLOGICAL: while a snapshot is being taken libvirt 9.0 counts it and does not list it,
    # and fails with "name in virGetDomainSnapshot must not be NULL".
    for snapshot in domain.listAllSnapshots(0):
        try:
            found.append(snapshot.getXMLDesc(0))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
                raise
    return tuple(found)


def _current(domain: Any) -> str | None:
    try:
        name: str = domain.snapshotCurrent(0).getName()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
            return None
        raise
    return name


def _checkpoints(domain: Any) -> tuple[str, ...]:
    return tuple(sorted(checkpoint.getName() for checkpoint in domain.listAllCheckpoints(0)))


def is_held_by_somebody(domain: Any) -> bool:
    """Somebody (a freeze, say) holds the domain: each question about jobs would wait for 30 s.

    Statistics asked for without waiting then lack what QEMU itself would have to say.
    """
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    for _ in range(_HELD_TRIES):
        try:
            found = domain.connect().domainListGetStats(
                [domain], libvirt.VIR_DOMAIN_STATS_BLOCK, flags
            )
        except libvirt.libvirtError:
            return False  # a driver or a daemon without them
        stats = found[0][1] if found else {}
        if not stats.get("block.count") or any(key.endswith(".rd.reqs") for key in stats):
            return False
        time.sleep(_HELD_PAUSE)
    return True


def _jobs(domain: Any, live: Element) -> dict[DiskTarget, dict[str, int]]:
    jobs: dict[DiskTarget, dict[str, int]] = {}
    for element in domain_xml.disk_elements(live):
        if (
            domain_xml.source_of(element)[0] is DiskKind.EMPTY
            or element.find("readonly") is not None
        ):
            continue
        target = domain_xml.target_of(element)
        # The disk or the domain may have gone since: then there is no job.
        with suppress(libvirt.libvirtError):
            if info := domain.blockJobInfo(target, 0):
                jobs[target] = info
    return jobs


def _domain_job(domain: Any) -> str | None:
    try:
        stats = domain.jobStats(0)
    except libvirt.libvirtError as error:
        # 9.0 has no statistics for a native snapshot delete, and says so with an error (facts §4.1).
        is_delete = error.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
        return "snapshot" if is_delete else None
    if stats.get("type", 0) in (
        libvirt.VIR_DOMAIN_JOB_NONE,
        libvirt.VIR_DOMAIN_JOB_COMPLETED,
        libvirt.VIR_DOMAIN_JOB_FAILED,
        libvirt.VIR_DOMAIN_JOB_CANCELLED,
    ):
        return None
    return _OPERATIONS.get(stats.get("operation", 0), _BUSY)


def pool_folders(raw: Any) -> tuple[str, ...]:
    """Target folders of the pools that are folders; none without a storage driver.

    A pool that is stopped has its folder all the same, if it is there.
    """
    flags = (
        libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_DIR
        | libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_FS
        | libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_NETFS
    )
    found: list[str] = []
    with suppress(libvirt.libvirtError):
        for pool in raw.listAllStoragePools(flags):
            with suppress(libvirt.libvirtError):
                path = parse(pool.XMLDesc(0)).findtext("target/path")
                is_used = path and (pool.isActive() or Path(path).is_dir())
                found += [path] if path and is_used else []
    return tuple(sorted(found))
