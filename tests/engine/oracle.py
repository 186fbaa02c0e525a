"""What must be true of a host after any pass, whatever was asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.chain import BackingChain
from reconciler.model.desired import Desired, DesiredRevert, RevertConfig, RevertPower
from reconciler.model.domain import ObservedDomain
from reconciler.model.drift import (
    CaptureDiffers,
    CurrentMisplaced,
    DefinitionOwed,
    DescriptionDiffers,
    HoldDiffers,
    ImageOrphaned,
    LedgerStale,
    OverlayUnrecorded,
    RevertRequested,
    SnapshotUndeclared,
)
from reconciler.model.ledger import EntryState, RequestState
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.plan import DomainPlan, Plan
from reconciler.model.power import PowerState
from reconciler.model.refusal import RefusalCode
from reconciler.model.snapshot import MemoryCapture, SnapshotRecord
from tests.fakes import moments
from tests.fakes.domain import FakeDomain, FakeRecord
from tests.fakes.host import FakeHost
from tests.fakes.moments import Moment, Place
from tests.fakes.storage import Content

Views = Mapping[tuple[str, ...], Content | None]
#: drift that names a snapshot and says nothing against what it holds; all other kinds do
_HARMLESS = (
    CaptureDiffers
    | CurrentMisplaced
    | DefinitionOwed
    | DescriptionDiffers
    | HoldDiffers
    | ImageOrphaned
    | OverlayUnrecorded
    | RevertRequested
    | SnapshotUndeclared
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerBefore:
    """What a domain did, what its snapshots were taken in, which requests were done."""

    due: PowerState
    taken: Mapping[str, PowerState | None]
    requests: frozenset[str]


Powers = Mapping[str, PowerBefore]


def seen(fake: FakeHost) -> dict[tuple[str, ...], Content | None]:
    """What every guest reads from every disk, and what every snapshot holds."""
    return fake.views()


def lost(fake: FakeHost, before: Views, desired: Desired) -> list[tuple[str, ...]]:
    """Disks whose content changed, other than by a revert that was asked for and keeps it, or by a
    definition that names again what it named before an older one was put back.

    *before* has snapshots too.  After a revert the disk reads as the snapshot did at its moment, and what it read before
    is in another snapshot, unless the present was to be discarded.
    """
    after = fake.views()
    found = []
    for key, view in before.items():
        if len(key) != 2 or after.get(key) == view or _is_switched(fake, key, view):
            continue
        revert = _done(fake, key[0], desired)
        if (
            revert is None
            or after.get(key) != held_by(fake, before, (*key, revert.to))
            or (not revert.discards and not _is_kept(after, key, view))
        ):
            found.append(key)
    return found


def _is_switched(fake: FakeHost, key: tuple[str, ...], before: Content | None) -> bool:
    """It reads as was noted when an older definition came, and what it read *before* lies below."""
    storage = fake.world.storage
    disk = fake.domain(key[0]).definition.disk(DiskTarget(key[1]))
    if disk is None or disk.source not in fake.world.moments.left:
        return False
    below = (storage.header_chain(disk.source) or BackingChain((disk.source,))).images[:-1]
    is_below = any(moments.read(storage, Place(image=path)) == before for path in below)
    now = fake.views().get(key)
    return is_below and now == fake.world.moments.left[disk.source]


def held_by(fake: FakeHost, before: Views, key: tuple[str, ...]) -> Content | None:
    """What a snapshot held of a disk: as noted when it was taken, else what it said in *before*."""
    domain = fake.domain(key[0])
    entry = domain.ledger.entry(SnapshotName(key[2])) if domain.ledger else None
    moment = fake.world.moments.of_entry(domain.uuid, entry.uid if entry else None)
    held = {str(target): content for target, content in moment.held.items()} if moment else {}
    return held.get(key[1], before.get(key))


def untrue(fake: FakeHost, plan: Plan) -> list[tuple[str, ...]]:
    """Snapshots that *plan*, made of the host as it is, has nothing against, and that do not read as
    they did when they were taken."""
    return [
        (domain.name, target, record.name)
        for domain, record, moment in called_taken(fake, plan)
        for target, content in sorted(moment.held.items())
        if moments.read_as_said(fake.world.storage, record, target) != content
    ]


def called_taken(fake: FakeHost, plan: Plan) -> Iterator[tuple[FakeDomain, FakeRecord, Moment]]:
    """Managed snapshots in which virtsnap sees nothing wrong, each with its moment."""
    for of in plan.domains:
        domain = next((d for d in fake.world.domains.values() if d.uuid == of.uuid), None)
        if domain is None or any(isinstance(d, LedgerStale) for d in of.drift):
            continue
        doubted = doubted_in(of)
        for record, moment in managed_moments(fake, domain):
            if record.name not in doubted:
                yield domain, record, moment


def managed_moments(fake: FakeHost, domain: FakeDomain) -> Iterator[tuple[FakeRecord, Moment]]:
    """Of each snapshot that the ledger calls taken, and whose record bears its mark."""
    observed = fake.observe().domain(domain.uuid)
    for entry in observed.ledger.entries if observed and observed.ledger else ():
        record = observed.record(entry.name) if observed else None
        moment = fake.world.moments.of_entry(domain.uuid, entry.uid)
        if record is None or moment is None or record.uid != entry.uid:
            continue
        if entry.state is EntryState.TAKEN:
            yield domain.records[entry.name], moment


def doubted_in(plan: DomainPlan) -> set[SnapshotName]:
    """Snapshots of which drift or a refusal says that they do not hold what they should."""
    found = {
        difference.snapshot
        for difference in plan.drift
        if not isinstance(difference, _HARMLESS) and hasattr(difference, "snapshot")
    }
    refused = {r.snapshot for r in plan.refusals if r.code is RefusalCode.REVERT_NOT_POSSIBLE}
    return {name for name in found | refused if name is not None}


def power_after(fake: FakeHost, before: Powers, desired: Desired) -> dict[str, PowerState]:
    """What each domain is to do now: as before, or as a revert that was done since asks for."""
    expected = {}
    for domain in fake.observe().domains:
        was = before.get(domain.name)
        if was is None:
            continue
        revert = _done(fake, domain.name, desired)
        expected[domain.name] = was.due
        if revert is not None and revert.request not in was.requests:
            expected[domain.name] = _asked(revert, was)
    return expected


def definitions(fake: FakeHost) -> dict[tuple[str, ...], str]:
    """What definitions say beside disks: that of each domain, and those that snapshots hold."""
    found: dict[tuple[str, ...], str] = {}
    for domain in fake.world.domains.values():
        if domain.persistent is not None:
            found[domain.name,] = domain.persistent.hardware
        for record in domain.records.values():
            if record.definition is not None:
                found[domain.name, record.name] = record.definition.hardware
    return found


def redefined(
    fake: FakeHost, before: Mapping[tuple[str, ...], str], powers: Powers, desired: Desired
) -> list[tuple[str, ...]]:
    """Domains whose definition changed, other than by a revert since that asks for ``config: whole``,
    and snapshots whose definition changed.
    """
    found = []
    for key, now in definitions(fake).items():
        expected = before.get(key)
        revert = _done(fake, key[0], desired) if len(key) == 1 else None
        is_new = revert is not None and revert.request not in powers[key[0]].requests
        if revert is not None and is_new and revert.config is RevertConfig.WHOLE:
            expected = before.get((key[0], revert.to))
        if expected is not None and now != expected:
            found.append(key)
    return found


def powers(fake: FakeHost) -> dict[str, PowerBefore]:
    """Of every domain, what an earlier virtsnap owes it considered."""
    found = {}
    for domain in fake.observe().domains:
        ledger = domain.ledger
        owed = ledger.owed if ledger else None
        found[domain.name] = PowerBefore(
            due=domain.power if domain.is_active or owed is None else owed.state,
            taken={record.name: _done_then(domain, record) for record in domain.records},
            requests=frozenset(
                r.request
                for r in (ledger.requests if ledger else ())
                if r.state is RequestState.DONE
            ),
        )
    return found


def _done_then(domain: ObservedDomain, record: SnapshotRecord) -> PowerState | None:
    """What the domain did when *record* was taken, as the ledger or, with memory, libvirt says."""
    entry = domain.agreeing_entry(record)
    if entry is not None and entry.power is not None:
        return entry.power
    says_it = record.memory is not MemoryCapture.NONE and record.state in ("running", "paused")
    return PowerState(record.state) if says_it else None


def _asked(revert: DesiredRevert, before: PowerBefore) -> PowerState:
    match revert.power:
        case RevertPower.RECORDED:
            return before.taken.get(revert.to) or before.due
        case RevertPower.OFF:
            return PowerState.SHUT_OFF
        case RevertPower.RUNNING:
            return PowerState.RUNNING
        case RevertPower.PAUSED:
            return PowerState.PAUSED


def _is_kept(views: Views, disk: tuple[str, ...], content: Content | None) -> bool:
    return any(len(key) == 3 and key[:2] == disk and view == content for key, view in views.items())


def _done(fake: FakeHost, domain: str, desired: Desired) -> DesiredRevert | None:
    """The revert that was asked for and is done."""
    observed = next(d for d in fake.observe().domains if d.name == domain)
    for wish in desired.domains:
        if wish.domain in (observed.name, observed.uuid) and wish.revert is not None:
            return wish.revert if _is_done(observed, wish.revert) else None
    return None


def _is_done(domain: ObservedDomain, revert: DesiredRevert) -> bool:
    known = domain.ledger.request(revert.request) if domain.ledger else None
    return known is not None and known.state is RequestState.DONE
