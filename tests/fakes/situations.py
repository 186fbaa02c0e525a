"""Which hard situations a host is in; a test counts that each of them occurs."""

from collections.abc import Callable

from reconciler.model.chain import Presence
from reconciler.model.domain import AgentState, DiskKind, ObservedDomain, ObservedHost
from reconciler.model.ledger import CommitState, EntryState
from reconciler.model.names import ImagePath
from reconciler.model.power import PowerState
from reconciler.model.snapshot import DiskCapture
from tests.fakes.host import FakeHost

Check = Callable[[ObservedHost, ObservedDomain], bool]


def situations_of(fake: FakeHost) -> frozenset[str]:
    """The names of all that apply to one of the domains."""
    host = fake.observe()
    found = {
        name
        for name, check in CHECKS.items()
        if any(check(host, domain) for domain in host.domains)
    }
    if any(domain.agent.silent_for for domain in fake.world.domains.values()):
        found.add("agent hangs")
    if any(domain.agent.is_frozen for domain in fake.world.domains.values()):
        found.add("frozen guest")
    return frozenset(found)


def devices_of(host: ObservedHost) -> frozenset[ImagePath]:
    """The images that are block devices."""
    return frozenset(image.path for image in host.images if image.is_device)


def _open(domain: ObservedDomain) -> frozenset[ImagePath]:
    found: set[ImagePath] = set()
    for disks in domain.definitions:
        for disk in disks:
            found |= set(disk.chain or ()) | set(disk.stated or ())
            found |= {disk.source} if disk.source else set()
    return frozenset(found)


def _ours(domain: ObservedDomain) -> frozenset[ImagePath]:
    return domain.ledger.image_paths if domain.ledger else frozenset()


def _frozen(domain: ObservedDomain) -> frozenset[ImagePath]:
    sources = {disk.source for record in domain.records for disk in record.external_disks}
    return frozenset(source for source in sources if source)


def _has_branch(_host: ObservedHost, domain: ObservedDomain) -> bool:
    parents = [record.parent for record in domain.records if record.parent]
    return len(parents) != len(set(parents))


def _skips_a_disk(_host: ObservedHost, domain: ObservedDomain) -> bool:
    return any(
        record.uid and any(d.capture is DiskCapture.SKIPPED and d.is_writable for d in record.disks)
        for record in domain.records
    )


def _shares_a_base(host: ObservedHost, domain: ObservedDomain) -> bool:
    return any(_open(domain) & _open(other) for other in host.domains if other is not domain)


def _is_dangling(host: ObservedHost, domain: ObservedDomain) -> bool:
    missing = {image.path for image in host.images if image.presence is Presence.MISSING}
    written = {disk.source for disk in domain.disks if disk.is_writable}
    return bool(_frozen(domain) & (missing | written))


def _has_job(*, ours: bool) -> Check:
    def check(_host: ObservedHost, domain: ObservedDomain) -> bool:
        commits = domain.ledger.commits if domain.ledger else ()
        started = {commit.disk for commit in commits if commit.state is CommitState.STARTED}
        return any((job.disk in started) is ours for job in domain.jobs)

    return check


def _disagrees(_host: ObservedHost, domain: ObservedDomain) -> bool:
    stored = {disk.target: disk.source for disk in domain.persistent or ()}
    return any(stored.get(d.target, d.source) != d.source for d in domain.live or ())


def _has_foreign_overlay(_host: ObservedHost, domain: ObservedDomain) -> bool:
    named = {path for record in domain.records for path in record.mentions} | _ours(domain)
    return any(d.source not in named and d.chain and d.chain.depth > 1 for d in domain.disks)


def _has_orphan(host: ObservedHost, domain: ObservedDomain) -> bool:
    there = {image.path for image in host.images if image.presence is Presence.PRESENT}
    return bool((_ours(domain) & there) - _open(domain) - _frozen(domain))


def _lost_its_ledger(_host: ObservedHost, domain: ObservedDomain) -> bool:
    marked = any(record.uid for record in domain.records)
    return domain.ledger is None and (marked or domain.journal_serial > 0)


def _lacks_an_image(host: ObservedHost, domain: ObservedDomain) -> bool:
    missing = {image.path for image in host.images if image.presence is Presence.MISSING}
    return bool(missing & (_open(domain) | _frozen(domain)))


def _has_stray_reader(host: ObservedHost, domain: ObservedDomain) -> bool:
    known = frozenset[ImagePath]().union(*(_open(d) | _ours(d) | _frozen(d) for d in host.domains))
    return any(i.backing in _open(domain) and i.path not in known for i in host.images)


def _is_half_held(_host: ObservedHost, domain: ObservedDomain) -> bool:
    held = {e.name for e in (domain.ledger.entries if domain.ledger else ()) if e.is_held}
    return any(r.name in held and not r.is_held for r in domain.records)


def _has_stray_mark(_host: ObservedHost, domain: ObservedDomain) -> bool:
    known = {e.name for e in (domain.ledger.entries if domain.ledger else ())}
    return domain.ledger is not None and any(r.uid and r.name not in known for r in domain.records)


CHECKS: dict[str, Check] = {
    "block device": lambda _host, domain: any(d.kind is DiskKind.BLOCK for d in domain.disks),
    "overlay above a device": lambda host, domain: any(
        disk.chain is not None and disk.chain.depth and disk.chain.base in devices_of(host)
        for disk in domain.disks
    ),
    "branches": _has_branch,
    "held snapshot": lambda _host, domain: any(record.is_held for record in domain.records),
    "half a hold": _is_half_held,
    "mark without entry": _has_stray_mark,
    "two disks": lambda _host, domain: len(domain.disks) > 1,
    "per-disk skip": _skips_a_disk,
    "shared base": _shares_a_base,
    "unmanaged record": lambda _host, domain: any(r.uid is None for r in domain.records),
    "dangling record": _is_dangling,
    "unfinished job of ours": _has_job(ours=True),
    "foreign job": _has_job(ours=False),
    "definitions disagree": _disagrees,
    "foreign overlay": _has_foreign_overlay,
    "orphan": _has_orphan,
    "lost ledger": _lost_its_ledger,
    "disk out of sight": lambda _host, domain: any(d.unresolved for d in domain.disks),
    "missing image": _lacks_an_image,
    "stray reader": _has_stray_reader,
    "paused": lambda _host, domain: domain.power is PowerState.PAUSED,
    "shut off": lambda _host, domain: domain.power is PowerState.SHUT_OFF,
    "unfinished create": lambda _host, domain: any(
        entry.state is EntryState.CREATING
        for entry in (domain.ledger.entries if domain.ledger else ())
    ),
    "unfinished removal": lambda _host, domain: bool(domain.ledger and domain.ledger.commits),
    "internal snapshots": lambda _host, domain: any(
        disk.capture is DiskCapture.INTERNAL for record in domain.records for disk in record.disks
    ),
    "managed save": lambda _host, domain: domain.has_managed_save,
    "ledger problem": lambda _host, domain: domain.ledger_problem is not None,
    "unreadable chain": lambda _host, domain: any(disk.chain is None for disk in domain.disks),
    "stated wrongly": lambda _host, domain: any(
        disk.stated and disk.chain != disk.stated for disk in domain.persistent or ()
    ),
    "transient": lambda _host, domain: domain.is_transient,
    "power owed": lambda _host, domain: bool(domain.ledger and domain.ledger.owed),
    "no agent": lambda _host, domain: domain.agent is AgentState.ABSENT,
}
SPECIAL = frozenset({"agent hangs", "frozen guest"})
