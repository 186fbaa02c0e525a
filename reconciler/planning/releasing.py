"""The plan that ends one hold, or one doubt about a request or a snapshot: ``virtsnap release``."""

from dataclasses import dataclass, replace

from reconciler.model.action import AdoptRequest, AdoptSnapshot, ReleaseSnapshot
from reconciler.model.desired import DesiredHost
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.model.ledger import MEMORY, EntryState, RequestState
from reconciler.model.names import SnapshotName
from reconciler.model.plan import DomainPlan, HeldBecause, Reason
from reconciler.model.refusal import Refusal
from reconciler.model.snapshot import SnapshotRecord
from reconciler.model.suspension import ByHand, SuspendedBy
from reconciler.planning import (
    adopting,
    bookkeeping,
    completion,
    differ,
    fingerprint,
    frozen,
    holding,
    safety,
    storage,
)
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of

#: no manifest has a say here
_NOBODY = Declared(source="", is_complete=False, domain=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """Who says that nothing is to be changed, and what was said by hand."""

    by: tuple[SuspendedBy, ...] = ()
    by_hand: ByHand | None = None


_NOT = Suspended()


def release(
    host: DesiredHost,
    observed: ObservedHost,
    domain: ObservedDomain,
    snapshot: SnapshotName,
    *,
    suspended: Suspended = _NOT,
) -> DomainPlan:
    """One step, or none where no hold is; refused while nothing may be changed on *domain*, and held
    while it is suspended."""
    world = world_of(index_of(observed), domain, host.folders)
    record = domain.record(snapshot)
    is_held = record is not None and world.is_held(record)
    ends = ReleaseSnapshot(snapshot=snapshot) if is_held else None
    return _plan(host, world, ends, suspended=suspended)


def mark_done(
    host: DesiredHost,
    observed: ObservedHost,
    domain: ObservedDomain,
    request: str,
    *,
    suspended: Suspended = _NOT,
) -> DomainPlan:
    """A request that may have been done counts as done; no step where there is no such doubt."""
    world = world_of(index_of(observed), domain, host.folders)
    known = world.ledger.request(request)
    if known is None or known.state is not RequestState.UNPROVEN:
        return _plan(host, world, None, suspended=suspended)
    done = AdoptRequest(request=request, snapshot=known.to, state=RequestState.DONE)
    return _plan(host, world, done, suspended=suspended)


def believe(
    host: DesiredHost,
    observed: ObservedHost,
    domain: ObservedDomain,
    snapshot: SnapshotName,
    *,
    suspended: Suspended = _NOT,
) -> DomainPlan:
    """A person says that the images *snapshot*'s record names, as they are now, hold its moment.

    No step where nobody doubts it; refused where a header or the saved memory says otherwise still, or
    an image is not there.
    """
    world = world_of(index_of(observed), domain, host.folders)
    record = domain.record(snapshot)
    entry = world.agreeing_entry(record) if record is not None else None
    if record is None or entry is None or not _is_doubted(world, record):
        return _plan(host, world, None, suspended=suspended)
    images = [(disk.target, disk.source) for disk in record.disks] + [(MEMORY, record.memory_file)]
    believed = AdoptSnapshot(
        snapshot=snapshot,
        uid=entry.uid,
        state=EntryState.TAKEN,
        created=entry.created,
        consistency=entry.consistency,
        is_held=entry.is_held,
        believed=tuple((target, path) for target, path in images if path is not None),
    )
    after = world.with_ledger(bookkeeping.confirmed(world.ledger, believed))
    after = after.with_ledger(completion.completed(after))
    why = frozen.why_unproven(after, snapshot) or adopting.why_broken(
        record, storage.dangling(after, frozenset())
    )
    return _plan(host, world, believed, suspended=suspended, why_not=why)


def _is_doubted(world: World, record: SnapshotRecord) -> bool:
    return (
        frozen.doubt_of(world, record) is not None
        or any(found.snapshot == record.name for found in storage.dangling(world, frozenset()))
        or frozen.why_not_resumed(world, record) is not None
    )


def _plan(
    host: DesiredHost,
    world: World,
    action: ReleaseSnapshot | AdoptRequest | AdoptSnapshot | None,
    *,
    suspended: Suspended,
    why_not: Refusal | None = None,
) -> DomainPlan:
    domain, builder = world.domain, Builder(world)
    if why_not is not None:
        builder.refuse(why_not.doing("adopt"))
    elif action is not None:
        builder.refuse(*safety.blockers(world, differ.compare(_NOBODY, world).differences))
        if not builder.refusals:
            builder.add(action, Reason.RELEASE_ASKED)
    print_ = fingerprint.of(world)
    plan = DomainPlan(
        host=host.name,
        domain=domain.name,
        uuid=domain.uuid,
        manifest=None,
        fingerprint=print_,
        plan_id=fingerprint.of_steps(print_, tuple(builder.steps)),
        steps=tuple(builder.steps),
        refusals=tuple(builder.refusals),
        power=domain.power,
        agent=domain.agent,
        suspended_by=suspended.by,
        by_hand=suspended.by_hand,
    )
    if not plan.is_suspended:
        return plan
    held = holding.all_of(plan, HeldBecause.SUSPENDED)
    return replace(plan, held=held, held_from_run=held)


def why_not_released(world: World, snapshot: SnapshotName) -> str | None:
    """What about *snapshot* makes the question of a hold pointless; None when it can be asked."""
    if differ.rebuild_only(world):
        return "what virtsnap remembers of the domain is lost or outdated"
    record = world.domain.record(snapshot)
    if record is None:
        return "there is no such snapshot"
    return None if world.is_managed(record) else "virtsnap does not manage it"
