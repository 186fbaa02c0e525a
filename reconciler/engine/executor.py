"""Carrying out a plan: each domain by itself, each step written down, done, and looked at."""

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

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
from reconciler.model.outcome import Awaited, DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, HeldBecause, Plan
from reconciler.model.request import PlanRequest

__all__ = ["Tools", "apply"]

_Key = tuple[HostName, str]


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
    another domain, but for those that depend on it: each waits for the ends of its dependencies.
    """
    hosts = {host.name: host for host in desired.hosts}
    jobs = {h.name: threading.Semaphore(h.limits.block_jobs) for h in desired.hosts}
    whole = _Pass(desired=desired, hosts=hosts, block_jobs=jobs, tools=tools)
    at_once = max((host.limits.domains for host in desired.hosts), default=1)
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        ends = _in_turn(plan.domains, whole, pool)
    return tuple(ends[_key(domain)] for domain in plan.domains)


def _key(plan: DomainPlan) -> _Key:
    return plan.host, plan.domain


def _in_turn(
    plans: tuple[DomainPlan, ...], whole: _Pass, pool: ThreadPoolExecutor
) -> dict[_Key, DomainOutcome]:
    """Begin each domain when those before it have ended, so that no worker is kept waiting."""
    waiting, ends = list(plans), dict[_Key, DomainOutcome]()
    running: dict[Future[DomainOutcome], _Key] = {}
    while waiting or running:
        open_ = {_key(plan) for plan in waiting} | set(running.values())
        ready = [p for p in waiting if not any((p.host, name) in open_ for name in _awaited(p))]
        for plan in ready:
            before = [ends[plan.host, n] for n in _awaited(plan) if (plan.host, n) in ends]
            running[pool.submit(_domain, plan, whole, before)] = _key(plan)
            waiting.remove(plan)
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            ends[running.pop(future)] = future.result()
    return ends


def _awaited(plan: DomainPlan) -> tuple[str, ...]:
    """What is left to do on a held domain is owed to its guest: that waits for nobody."""
    is_held = any(held.because is HeldBecause.DEPENDS_ON for held in plan.held)
    return () if is_held and plan.open_steps else plan.depends_on


def _domain(plan: DomainPlan, whole: _Pass, before: list[DomainOutcome]) -> DomainOutcome:
    undone = tuple(Awaited(domain=e.domain, status=e.status) for e in before if not e.is_done)
    if undone and plan.steps:
        outcome = replace(_outcome(plan, _at_rest(plan)), waits_for=undone)
    else:
        outcome = _carried_out(plan, whole)
    whole.tools.listener.domain_finished(outcome)
    return outcome


def _at_rest(plan: DomainPlan) -> DomainStatus:
    """The end of a domain on which nothing was done."""
    if plan.refusals:
        return DomainStatus.REFUSED
    return DomainStatus.HELD if plan.steps else DomainStatus.IN_SYNC


def _carried_out(plan: DomainPlan, whole: _Pass) -> DomainOutcome:
    steps = plan.open_steps
    if not steps or plan.uuid is None:
        return _outcome(plan, _at_rest(plan))
    work = DomainWork(
        plan=plan,
        uuid=plan.uuid,
        desired=whole.desired,
        host=whole.hosts[plan.host],
        block_jobs=whole.block_jobs[plan.host],
        tools=whole.tools,
    )
    try:
        with whole.tools.locks.hold(
            plan.uuid,
            plan_id=plan.plan_id,
            patience=whole.tools.lock_patience,
            stop_asked=work.stop_asked,
        ):
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
    if plan.refusals or work.refusals:
        return _outcome(plan, DomainStatus.REFUSED, work)
    is_held = plan.held or work.is_too_late
    return _outcome(plan, DomainStatus.HELD if is_held else DomainStatus.APPLIED, work)


def _outcome(
    plan: DomainPlan,
    status: DomainStatus,
    work: DomainWork | None = None,
    error: VirtsnapError | None = None,
) -> DomainOutcome:
    met = tuple(work.refusals) if work else ()
    is_too_late = work is not None and work.is_too_late
    is_left = status is DomainStatus.INTERRUPTED or is_too_late
    return DomainOutcome(
        host=plan.host,
        domain=plan.domain,
        status=status,
        plan=plan,
        steps_done=work.done if work else 0,
        refusals=plan.refusals + met,
        error=error,
        left=work.left() if work and is_left else "",
        is_too_late=is_too_late,
    )
