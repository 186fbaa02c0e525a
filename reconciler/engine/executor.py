"""Carrying out a plan: each domain by itself, each step written down, done, and looked at."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reconciler.engine.domain_work import DomainWork, Tools
from reconciler.errors import (
    HypervisorError,
    Interrupted,
    LockedError,
    PlanStaleError,
    StepRefused,
    VirtsnapError,
)
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Plan
from reconciler.model.request import PlanRequest

__all__ = ["Tools", "apply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    desired: Desired
    hosts: Mapping[HostName, DesiredHost]
    block_jobs: Mapping[HostName, threading.Semaphore]
    tools: Tools


def apply(
    plan: Plan, desired: Desired, request: PlanRequest, tools: Tools
) -> tuple[DomainOutcome, ...]:
    """Do what *plan* says, domains in parallel; one outcome for every domain of the plan.

    Steps that are held, and those behind them, are not done.  One domain's failure never stops
    another domain.
    """
    hosts = {host.name: host for host in desired.hosts}
    jobs = {h.name: threading.Semaphore(h.limits.block_jobs) for h in desired.hosts}
    whole = _Pass(desired=desired, hosts=hosts, block_jobs=jobs, tools=tools)
    at_once = max((host.limits.domains for host in desired.hosts), default=1)
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return tuple(pool.map(lambda domain: _domain(domain, whole), plan.domains))


def _domain(plan: DomainPlan, whole: _Pass) -> DomainOutcome:
    outcome = _carried_out(plan, whole)
    whole.tools.listener.domain_finished(outcome)
    return outcome


def _carried_out(plan: DomainPlan, whole: _Pass) -> DomainOutcome:
    steps = tuple(step for step in plan.steps if step.id not in plan.held_steps)
    if not steps or plan.uuid is None:
        status = DomainStatus.REFUSED if plan.refusals or plan.held else DomainStatus.IN_SYNC
        return _outcome(plan, status)
    work = DomainWork(
        plan=plan,
        uuid=plan.uuid,
        desired=whole.desired,
        host=whole.hosts[plan.host],
        block_jobs=whole.block_jobs[plan.host],
        tools=whole.tools,
    )
    try:
        with whole.tools.locks.hold(plan.uuid, plan_id=plan.plan_id):
            work.carry_out(steps)
    except Interrupted as error:
        return _outcome(plan, DomainStatus.INTERRUPTED, work, error)
    except (PlanStaleError, StepRefused) as error:
        return _outcome(plan, DomainStatus.STALE, work, error)
    except LockedError as error:
        return _outcome(plan, DomainStatus.LOCKED, work, error)
    except VirtsnapError as error:
        return _outcome(plan, DomainStatus.FAILED, work, error)
    except Exception as error:
        defect = HypervisorError(
            f"cannot apply the plan of {plan.domain}: internal error: {error!r}",
            hint="please report this, with the output of: virtsnap observe -o json",
        )
        defect.__cause__ = error
        return _outcome(plan, DomainStatus.FAILED, work, defect)
    refused = plan.refusals or plan.held or work.refusals
    return _outcome(plan, DomainStatus.REFUSED if refused else DomainStatus.APPLIED, work)


def _outcome(
    plan: DomainPlan,
    status: DomainStatus,
    work: DomainWork | None = None,
    error: VirtsnapError | None = None,
) -> DomainOutcome:
    met = tuple(work.refusals) if work else ()
    return DomainOutcome(
        host=plan.host,
        domain=plan.domain,
        status=status,
        plan=plan,
        steps_done=work.done if work else 0,
        refusals=plan.refusals + met,
        error=error,
        left=work.left() if work and status is DomainStatus.INTERRUPTED else "",
    )
