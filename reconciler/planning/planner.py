"""From desired and observed to an ordered plan."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches

from reconciler.model.action import StartDomain
from reconciler.model.desired import Desired, DesiredDomain, DesiredHost, Unmanaged
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.model.drift import (
    DanglingCause,
    Difference,
    DomainMissing,
    Drift,
    LedgerFault,
    LedgerStale,
    RecordDangling,
    SnapshotLost,
    SnapshotUnmanaged,
    SnapshotUnproven,
)
from reconciler.model.ledger import LedgerProblem
from reconciler.model.plan import DomainPlan, Plan, Reason
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import PlanRequest
from reconciler.model.suspension import suspension_of
from reconciler.planning import (
    adopting,
    changing,
    creating,
    defining,
    differ,
    fingerprint,
    finishing,
    frozen,
    holding,
    powering,
    repairing,
    safety,
    switching,
    undoing,
    waiting,
)
from reconciler.planning.builder import Builder, renumbered
from reconciler.planning.claims import Claims, contested, is_concerned, together
from reconciler.planning.differ import Declared
from reconciler.planning.index import HostIndex, index_of
from reconciler.planning.world import World, world_of

#: refusals that stand whatever else is wrong with the domain
_OF_THE_MANIFEST = (
    RefusalCode.SNAPSHOT_LOST,
    RefusalCode.NAME_TAKEN,
    RefusalCode.NOT_ADOPTABLE,
)


def plan_host(
    desired: Desired,
    host: DesiredHost,
    observed: ObservedHost,
    request: PlanRequest,
    *,
    now: datetime,
) -> tuple[DomainPlan, ...]:
    """A plan for every domain of *host* that is declared or whose manifest has gone.

    Each comes after those that it depends on, else they are in the order of their names.
    """
    index = index_of(observed)
    wishes = [d for d in desired.of_host(host.name) if _is_selected(d, observed, request)]
    claims: dict[str, list[DesiredDomain]] = {}
    for wish in wishes:
        found = observed.domain(wish.domain)
        claims.setdefault(found.uuid if found else wish.domain, []).append(wish)
    plans = _alone(
        claims.values(),
        host,
        lambda wish, files: _declared(desired, wish, host, index, request, now, files),
    )
    plans = waiting.with_dependencies(claims.values(), plans)
    if desired.is_complete and request.selection.is_everything:
        for domain in observed.domains:
            if domain.uuid not in claims and _is_gone(domain, desired):
                gone = differ.declared(desired, None)
                plan = _plan(gone, host, index, domain, request, now)
                # what its ledger lists may have gone
                plans += [plan] if plan.drift or plan.refusals else []
    return waiting.held_back(waiting.in_order(plans))


def _alone(
    claims: Collection[list[DesiredDomain]],
    host: DesiredHost,
    planned: Callable[[DesiredDomain, Claims], DomainPlan],
) -> list[DomainPlan]:
    """The plan of each claim, in which no two domains make a file of one name.

    Who would is planned again without: for each of them it is refused.
    """
    plans = [
        _claimed_twice(claim, host) if len(claim) > 1 else planned(claim[0], {}) for claim in claims
    ]
    refused: Claims = {}
    while files := contested(plans):
        # without what is refused a plan may take another course, and meet others there
        refused = together(refused, files)
        plans = [
            planned(claim[0], refused) if is_concerned(plan, files) else plan
            for claim, plan in zip(claims, plans, strict=True)
        ]
    return plans


def whole(domains: tuple[DomainPlan, ...], desired: Desired, *, created_at: datetime) -> Plan:
    """The plans of all domains as one."""
    return Plan(
        created_at=created_at,
        source=desired.source,
        revision=desired.revision,
        plan_id=fingerprint.digest([domain.plan_id for domain in domains]),
        domains=domains,
    )


def _is_selected(wish: DesiredDomain, observed: ObservedHost, request: PlanRequest) -> bool:
    found = observed.domain(wish.domain)
    return request.selection.has_domain(found.name if found else wish.domain)


def _is_gone(domain: ObservedDomain, desired: Desired) -> bool:
    """This source declared it once, or nobody can say who left something there to be ended."""
    if domain.ledger is None:
        return False
    sources = {entry.source for entry in domain.ledger.entries}
    return desired.source in sources or (not sources and domain.ledger.is_unfinished)


def _declared(
    desired: Desired,
    wish: DesiredDomain,
    host: DesiredHost,
    index: HostIndex,
    request: PlanRequest,
    now: datetime,
    files: Claims,
) -> DomainPlan:
    domain = index.host.domain(wish.domain)
    if domain is None:
        for other in index.host.undescribed:
            if wish.domain in (other.name, other.uuid):
                busy = refusal(RefusalCode.DOMAIN_BUSY, domain=other.name, job=other.cause)
                return _refused(wish, host, busy, ())
        names = [d.name for d in index.host.domains]
        near = tuple(get_close_matches(wish.domain, names, n=3))
        why = refusal(RefusalCode.DOMAIN_MISSING, domain=wish.domain, near=", ".join(near) or None)
        return _refused(wish, host, why, (DomainMissing(near=near),))
    return _plan(differ.declared(desired, wish), host, index, domain, request, now, files)


def _claimed_twice(claim: list[DesiredDomain], host: DesiredHost) -> DomainPlan:
    manifests = ", ".join(wish.origin.manifest for wish in claim)
    why = refusal(RefusalCode.CLAIMED_TWICE, domain=claim[0].domain, manifests=manifests)
    return _refused(claim[0], host, why, ())


def _refused(
    wish: DesiredDomain, host: DesiredHost, why: Refusal, drift: tuple[Difference, ...]
) -> DomainPlan:
    return DomainPlan(
        host=host.name,
        domain=wish.domain,
        uuid=None,
        manifest=wish.origin.manifest,
        fingerprint="",
        plan_id=fingerprint.of_steps("", ()),
        drift=drift,
        refusals=(why,),
    )


# --- one domain


def _plan(
    wish: Declared,
    host: DesiredHost,
    index: HostIndex,
    domain: ObservedDomain,
    request: PlanRequest,
    now: datetime,
    files: Claims | None = None,
) -> DomainPlan:
    """*files* are not to be made: another domain's plan would make them too."""
    world = replace(world_of(index, domain, host.folders), claimed=files or {})
    drift = differ.compare(wish, world)
    builder = Builder(world)
    if domain.is_changing:
        builder.refuse(*safety.blockers(world, ()))
    elif not drift.is_empty:
        _fill(builder, wish, host, request, drift)
        _block(builder, world, drift)
    print_ = fingerprint.of(world)
    by_hand = suspension_of(wish.suspensions, host.name, domain.name, domain.uuid)
    plan = DomainPlan(
        host=host.name,
        domain=domain.name,
        uuid=domain.uuid,
        manifest=_manifest(wish, domain),
        fingerprint=print_,
        plan_id=fingerprint.of_steps(print_, tuple(builder.steps)),
        drift=drift.differences,
        steps=tuple(builder.steps),
        refusals=tuple(builder.refusals),
        warnings=tuple(builder.warnings),
        power=domain.power,
        agent=domain.agent,
        suspended_by=holding.suspended_by(host, wish.domain, by_hand),
        by_hand=by_hand,
    )
    approvals = frozenset(builder.approvals)
    held = holding.with_held(plan, approvals, wish.domain, request.consent, now=now)
    waits = wish.domain is not None and bool(wish.domain.depends_on)
    payment = powering.due(world) if holding.leaves_off(held, may_wait=waits) else None
    if payment is None:
        return held
    paying = _paying(plan, payment, world)
    return holding.with_held(paying, frozenset(), wish.domain, request.consent, now=now)


def _paying(plan: DomainPlan, payment: StartDomain, world: World) -> DomainPlan:
    """*plan* without all that is held, or may be: what is owed waits for none of it (law 6)."""
    alone = Builder(world)
    alone.add(payment, Reason.POWER_OWED)
    steps = tuple(alone.steps)
    plan_id = fingerprint.of_steps(plan.fingerprint, steps)
    return replace(plan, plan_id=plan_id, steps=steps, warnings=())


def _manifest(wish: Declared, domain: ObservedDomain) -> str | None:
    if wish.domain is not None:
        return wish.domain.origin.manifest
    entries = domain.ledger.entries if domain.ledger else ()
    return next((entry.manifest for entry in entries if entry.manifest), None)


def _fill(
    builder: Builder, wish: Declared, host: DesiredHost, request: PlanRequest, drift: Drift
) -> None:
    """Finish and repair; create; remove; start what is owed.  Under a chain limit removals make room first."""
    for difference in drift.differences:
        why = _refusal_of(difference, wish, builder.world)
        if why is not None:
            builder.refuse(why)
    finishing.thaw(builder)
    if differ.rebuild_only(builder.world):
        if builder.world.domain.ledger_problem in (None, LedgerProblem.FOREIGN):
            finishing.rebuild(builder, wish)
        return
    prune = wish.domain.prune if wish.domain else (request.prune_gone or host.prune_gone)
    before = builder.world
    undoing.undo(builder)
    if builder.world.ledger.left_behind:
        powering.pay(builder)  # what a revert left is needed until the guest goes on
    finishing.settle(builder, wish)
    defining.put_back(builder)
    # before removals that were begun: one of somebody else's above them would hold them up
    adopting.adopt(builder, wish, request.selection, drift)
    finishing.finish(builder, wish)
    repairing.repair(builder, wish, prune, request.selection)
    changing.change(builder, wish, prune, request, before)
    repairing.point_at_current(builder)
    finishing.drop_leftovers(builder, wish)
    powering.pay(builder)


def _refusal_of(difference: Difference, wish: Declared, world: World) -> Refusal | None:
    """What a difference means for the manifest, whatever else is done."""
    match difference:
        case SnapshotLost() if creating.is_retaken(wish, difference.snapshot, world):
            return None
        case SnapshotLost():
            return refusal(RefusalCode.SNAPSHOT_LOST, snapshot=difference.snapshot)
        case RecordDangling(is_managed=True, is_declared=True, cause=DanglingCause.MISSING):
            # an unmounted folder is no loss
            return refusal(
                RefusalCode.STORAGE_ABSENT,
                snapshot=difference.snapshot,
                disk=difference.disk,
                image=difference.image,
            )
        case RecordDangling(is_managed=True, is_declared=True, cause=DanglingCause.EXPOSED):
            return refusal(
                RefusalCode.SNAPSHOT_EXPOSED,
                snapshot=difference.snapshot,
                disk=difference.disk,
                image=difference.image,
                readers=", ".join(world.writers(difference.image)),
            )
        case SnapshotUnproven():
            return frozen.refusal_of(difference.snapshot, difference.disk, difference.says)
        case RecordDangling(is_managed=True, is_declared=True):
            return refusal(
                RefusalCode.SNAPSHOT_LOST, snapshot=difference.snapshot, cause=difference.cause
            )
        case LedgerStale(fault=LedgerFault.NEWER | LedgerFault.DAMAGED):
            return refusal(RefusalCode.LEDGER_UNREADABLE, cause=difference.fault)
        case SnapshotUnmanaged(is_declared=True) if (
            wish.domain is None or wish.domain.unmanaged is not Unmanaged.ADOPT
        ):
            return refusal(
                RefusalCode.NAME_TAKEN,
                snapshot=difference.snapshot,
                name=difference.snapshot,
                domain=world.domain.name,
            )
        case _:
            return None


def _block(builder: Builder, world: World, drift: Drift) -> None:
    """Where nothing may be changed now, only thawing, writing the ledger and starting a guest that
    virtsnap shut down are left; and, where nothing but that is in the way, the definition that went
    back is put right."""
    blockers = list(safety.blockers(world, drift.differences))
    standing = [r for r in builder.refusals if r.code in _OF_THE_MANIFEST]
    back = [why for why in blockers if why.code is RefusalCode.DEFINITION_WENT_BACK]
    is_idle = not builder.steps and len(standing) == len(builder.refusals)
    if not blockers or (is_idle and not back):
        return
    kept = [s for s in builder.steps if s.action.card.is_ledger_alone]
    builder.steps = renumbered(kept)
    builder.approvals = []
    builder.refusals = standing
    builder.world = world
    if len(back) < len(blockers) or not switching.switch(builder):
        builder.refuse(*blockers)
    if not differ.rebuild_only(world):
        powering.pay(builder)
