"""One whole pass: observe every host, plan, carry out."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from reconciler.engine.ports import Hypervisor
from reconciler.model.desired import Desired
from reconciler.model.domain import ObservedHost
from reconciler.model.names import HostName
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest
from reconciler.planning import planner


def observe_all(hosts: Mapping[HostName, Hypervisor]) -> dict[HostName, ObservedHost]:
    """Every host observed, in parallel; the first that fails raises."""
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        observed = pool.map(lambda host: host.observe(), hosts.values())
        return dict(zip(hosts, observed, strict=True))


def make_plan(
    desired: Desired,
    observed: Mapping[HostName, ObservedHost],
    request: PlanRequest,
    *,
    now: datetime,
) -> Plan:
    """The plan for every host that is desired and was observed."""
    domains = tuple(
        domain
        for host in desired.hosts
        if host.name in observed
        for domain in planner.plan_host(desired, host, observed[host.name], request, now=now)
    )
    return planner.whole(domains, desired, created_at=now)
