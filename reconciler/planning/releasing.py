"""The plan that ends one hold, or one doubt about a revert request: ``virtsnap release``."""

from reconciler.model.action import AdoptRequest, ReleaseSnapshot
from reconciler.model.desired import DesiredHost
from reconciler.model.domain import ObservedDomain, ObservedHost
from reconciler.model.ledger import RequestState
from reconciler.model.names import SnapshotName
from reconciler.model.plan import DomainPlan, Reason
from reconciler.planning import differ, fingerprint, safety
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of

#: no manifest has a say here
_NOBODY = Declared(source="", is_complete=False, domain=None)


def release(
    host: DesiredHost, observed: ObservedHost, domain: ObservedDomain, snapshot: SnapshotName
) -> DomainPlan:
    """One step, or none where no hold is; refused while nothing may be changed on *domain*."""
    world = world_of(index_of(observed), domain, host.folders)
    record = domain.record(snapshot)
    is_held = record is not None and world.is_held(record)
    return _plan(host, world, ReleaseSnapshot(snapshot=snapshot) if is_held else None)


def mark_done(
    host: DesiredHost, observed: ObservedHost, domain: ObservedDomain, request: str
) -> DomainPlan:
    """A request that may have been done counts as done; no step where there is no such doubt."""
    world = world_of(index_of(observed), domain, host.folders)
    known = world.ledger.request(request)
    if known is None or known.state is not RequestState.UNPROVEN:
        return _plan(host, world, None)
    done = AdoptRequest(request=request, snapshot=known.to, state=RequestState.DONE)
    return _plan(host, world, done)


def _plan(
    host: DesiredHost, world: World, action: ReleaseSnapshot | AdoptRequest | None
) -> DomainPlan:
    domain, builder = world.domain, Builder(world)
    if action is not None:
        builder.refuse(*safety.blockers(world, differ.compare(_NOBODY, world).differences))
        if not builder.refusals:
            builder.add(action, Reason.RELEASE_ASKED)
    print_ = fingerprint.of(world)
    return DomainPlan(
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
    )


def why_not_released(world: World, snapshot: SnapshotName) -> str | None:
    """What about *snapshot* makes the question of a hold pointless; None when it can be asked."""
    if differ.rebuild_only(world):
        return "what virtsnap remembers of the domain is lost or outdated"
    record = world.domain.record(snapshot)
    if record is None:
        return "there is no such snapshot"
    return None if world.is_managed(record) else "virtsnap does not manage it"
