"""From drift to an ordered plan."""

from datetime import datetime

from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.domain import ObservedHost
from reconciler.model.plan import DomainPlan, Plan
from reconciler.model.request import PlanRequest


def plan_host(
    desired: Desired, host: DesiredHost, observed: ObservedHost, request: PlanRequest
) -> tuple[DomainPlan, ...]:
    """A plan for every domain of *host* that is declared, managed, or has snapshots."""
    return ()


def whole(domains: tuple[DomainPlan, ...], desired: Desired, *, created_at: datetime) -> Plan:
    """The plans of all domains as one."""
    return Plan(
        created_at=created_at,
        source=desired.source,
        revision=desired.revision,
        plan_id="",
        domains=domains,
    )
