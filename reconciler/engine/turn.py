"""Waiting for one's turn before planning, so that the plan is not stale when the turn comes."""

from reconciler.engine import fence
from reconciler.engine.domain_work import Tools
from reconciler.errors import LockedError
from reconciler.model.plan import DomainPlan, Plan

_POLL_SECONDS = 1.0


def wait_for_turn(plan: Plan, tools: Tools) -> bool:
    """Wait until nobody else is at work on what *plan* changes; True if it has to be made anew.

    Whoever is not done after ``tools.lock_patience`` seconds in all is left to the executor.
    """
    deadline = tools.clock.now().timestamp() + tools.lock_patience
    changing = [domain for domain in plan.domains if domain.open_steps]
    waited = [_waited(domain, tools, deadline) for domain in changing]
    return any(waited)


def _waited(plan: DomainPlan, tools: Tools, deadline: float) -> bool:
    if plan.uuid is None:
        return False
    has_waited = False
    while tools.clock.now().timestamp() < deadline and not tools.stop.is_set():
        if not _is_taken(plan, tools):
            return has_waited
        has_waited = True
        tools.clock.wait(_POLL_SECONDS)
    return has_waited


def _is_taken(plan: DomainPlan, tools: Tools) -> bool:
    assert plan.uuid is not None
    try:
        with tools.locks.hold(
            plan.uuid, plan_id=plan.plan_id, patience=0, stop_asked=tools.stop.is_set
        ):
            ledger = tools.hosts[plan.host].read_ledger(plan.uuid)
    except LockedError:
        return True
    return fence.is_in_force(ledger, tools.clock, tools.identity.holder())
