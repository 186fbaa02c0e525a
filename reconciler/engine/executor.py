"""Carrying out plans: each domain by itself, each step written down, done, and looked at."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.engine.domain_work import DomainWork, Tools
from reconciler.engine.slots import Slots
from reconciler.errors import (
    HypervisorError,
    Interrupted,
    LockedError,
    PlanStaleError,
    StepRefused,
    VirtsnapError,
)
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.outcome import Awaited, DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, HeldBecause, Plan
from reconciler.model.request import PlanRequest

__all__ = ["Executor", "Tools", "apply"]

#: A domain of one host.
_Key = str


def apply(
    plan: Plan, desired: Desired, request: PlanRequest, tools: Tools
) -> tuple[DomainOutcome, ...]:
    """Do what *plan* says and wait for it; one outcome for every domain of the plan."""
    executors = [Executor(host) for host in desired.hosts]
    for host, executor in zip(desired.hosts, executors, strict=True):
        executor.begin([part for part in plan.domains if part.host == host.name], desired, tools)
    ends = {
        (outcome.host, outcome.domain): outcome
        for executor in executors
        for outcome in executor.wait()
    }
    return tuple(ends[part.host, part.domain] for part in plan.domains)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    plan: DomainPlan
    desired: Desired
    tools: Tools

    @property
    def awaited(self) -> tuple[str, ...]:
        """What is left to do on a held domain is owed to its guest: that waits for nobody."""
        is_held = any(held.because is HeldBecause.DEPENDS_ON for held in self.plan.held)
        return () if is_held and self.plan.open_steps else self.plan.depends_on


class Executor:
    """Works on the domains of one host in parallel, for as many plans as come.

    Steps that are held, and those behind them, are not done.  One domain's failure never stops
    another domain, but for those that depend on it: each waits for the ends of its dependencies.
    """

    def __init__(
        self,
        host: DesiredHost,
        *,
        block_jobs: Slots | None = None,
        on_end: Callable[[DomainOutcome], None] = lambda outcome: None,
    ) -> None:
        """*block_jobs* bounds several executors; *on_end* hears of each end, in that work's thread."""
        self._host = host
        self._at_once = host.limits.domains
        self._block_jobs = Slots(host.limits.block_jobs, above=block_jobs)
        self._on_end = on_end
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: set[_Key] = set()
        #: of those running: they wait for a block job of another domain, and take nobody's place
        self._idle: set[_Key] = set()
        self._ends: dict[_Key, DomainOutcome] = {}
        self._death: BaseException | None = None

    def limit(self, host: DesiredHost) -> None:
        """What *host* says now, its limits among it."""
        with self._changed:
            self._host = host
            self._at_once = host.limits.domains
            self._block_jobs.set_limit(host.limits.block_jobs)
            self._start_ready()

    def at_work(self) -> frozenset[str]:
        """The domains whose work has not ended."""
        with self._changed:
            return frozenset(self._open())

    def begin(self, plans: list[DomainPlan], desired: Desired, tools: Tools) -> None:
        """Begin the work on *plans*; domains that are at work already are left alone."""
        with self._changed:
            busy = self._open()
            jobs = [
                _Job(plan=plan, desired=desired, tools=tools)
                for plan in plans
                if plan.domain not in busy
            ]
            for job in jobs:
                self._ends.pop(job.plan.domain, None)
            self._waiting += jobs
            self._start_ready()

    def rest(self, plans: list[DomainPlan]) -> None:
        """Nothing is begun on *plans*: who depends on one learns how it stands."""
        with self._changed:
            for plan in plans:
                self._ends[plan.domain] = _outcome(
                    plan, DomainStatus.HELD if plan.open_steps else at_rest(plan)
                )

    def wait(self, seconds: float | None = None) -> tuple[DomainOutcome, ...]:
        """Until nothing is at work, at most *seconds*; all ends so far.

        Raises what ended a work that should have had an outcome; nothing more is begun then.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._running, seconds)
            if self._death is not None:
                raise self._death
            return tuple(self._ends.values())

    def _open(self) -> set[_Key]:
        return self._running.union(job.plan.domain for job in self._waiting)

    def _start_ready(self) -> None:
        """Begin each domain when those before it have ended, and there is room."""
        open_ = self._open()
        for job in tuple(self._waiting):
            if len(self._running - self._idle) >= self._at_once:
                return
            if open_.isdisjoint(job.awaited):
                self._waiting.remove(job)
                self._running.add(job.plan.domain)
                before = [self._ends[name] for name in job.awaited if name in self._ends]
                work = threading.Thread(
                    target=self._work, args=(job, before), name=f"domain {job.plan.domain}"
                )
                work.start()

    def _work(self, job: _Job, before: list[DomainOutcome]) -> None:
        try:
            outcome = self._outcome(job, before)
            job.tools.listener.domain_finished(outcome)
            with self._changed:
                self._ends[job.plan.domain] = outcome
            self._on_end(outcome)
        except BaseException as death:  # not of an error: those are outcomes
            with self._changed:
                self._waiting.clear()
                self._death = death
        finally:
            with self._changed:
                self._running.discard(job.plan.domain)
                self._idle.discard(job.plan.domain)
                self._start_ready()
                self._changed.notify_all()

    def _outcome(self, job: _Job, before: list[DomainOutcome]) -> DomainOutcome:
        undone = tuple(Awaited(domain=e.domain, status=e.status) for e in before if not e.is_done)
        if undone and job.plan.steps:
            return replace(_outcome(job.plan, at_rest(job.plan)), waits_for=undone)
        return self._carried_out(job)

    def _carried_out(self, job: _Job) -> DomainOutcome:
        plan, tools = job.plan, job.tools
        steps = plan.open_steps
        if not steps or plan.uuid is None:
            return _outcome(plan, at_rest(plan))
        work = DomainWork(
            plan=plan,
            uuid=plan.uuid,
            desired=job.desired,
            host=self._host,
            block_jobs=self._block_jobs,
            tools=tools,
            on_wait=lambda: self._stands_idle(plan.domain),
        )
        try:
            with tools.locks.hold(
                plan.uuid,
                plan_id=plan.plan_id,
                patience=tools.lock_patience,
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

    def _stands_idle(self, domain: str) -> None:
        """It waits for a block job of another: a domain with quick steps may go first."""
        with self._changed:
            self._idle.add(domain)
            self._start_ready()


def at_rest(plan: DomainPlan) -> DomainStatus:
    """The end of a domain on which nothing was done."""
    if plan.refusals:
        return DomainStatus.REFUSED
    return DomainStatus.HELD if plan.steps else DomainStatus.IN_SYNC


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
        failed_step=work.step if work and error else None,
        left=work.left() if work and is_left else "",
        is_too_late=is_too_late,
    )
