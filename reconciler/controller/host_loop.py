"""One libvirt: observed and planned for each cause, its domains worked on meanwhile."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.controller import standing
from reconciler.controller.board import Board
from reconciler.controller.keeper import trouble_of
from reconciler.controller.pacing import Pace, remembered
from reconciler.controller.standing import Circumstances
from reconciler.engine.domain_work import Tools
from reconciler.engine.executor import Executor
from reconciler.engine.ports import Hypervisor
from reconciler.engine.slots import Slots
from reconciler.errors import HypervisorError, VirtsnapError
from reconciler.model.controller import HostState, PassRecord, SuspendedBy
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.domain import ObservedHost
from reconciler.model.names import DomainUuid, HostName, is_meant
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan
from reconciler.model.request import PlanRequest
from reconciler.planning import budget, planner

#: After work: a look at what came of it.
LOOK_AFTER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked a pass for: names, UUIDs or globs, none for all; of *host*, None: of any."""

    domains: tuple[str, ...]
    host: str | None

    def covers(self, host: HostName, domain: str, uuid: DomainUuid | None) -> bool:
        """Whether *domain* is meant."""
        return self.host in (None, host) and (
            not self.domains or any(is_meant(wanted, domain, uuid) for wanted in self.domains)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What one pass over a host is made from."""

    desired: Desired
    cause: str
    #: the source holds what is in force
    is_source_ready: bool = True
    #: by persons, who do not wait for a back-off to end
    asked: tuple[Asked, ...] = ()
    #: counts the orders
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a host is worked on with."""

    host: Hypervisor
    tools: Tools
    request: PlanRequest
    board: Board
    now: Callable[[], datetime]
    block_jobs: Slots
    #: asks for another pass, within so many seconds
    again: Callable[[str, float], None]
    is_report_only: bool = False
    max_deletions: int | None = None


@dataclass(slots=True)
class _Domain:
    pace: Pace = field(default_factory=Pace)
    #: the orders under which its work began
    begun: int = 0
    #: the orders under which it last came to rest
    settled: int = 0


class HostLoop:
    """Passes over one host, in a thread of its own; a slow libvirt holds up no other."""

    def __init__(self, host: DesiredHost, means: Means) -> None:
        self.name: HostName = host.name
        self._means = means
        self._orders: Orders | None = None
        self._newest: Orders | None = None
        self._changed = threading.Condition()
        self._is_over = False
        #: the number of the last orders that were carried out, or could not be
        self.made = 0
        #: what a controller before this one left is not forgotten
        self._domains = {
            state.domain: _Domain(pace=remembered(state))
            for state in means.board.snapshot().domains
            if state.host == host.name
        }
        self._executor = Executor(host, block_jobs=means.block_jobs, on_end=self._ended)
        self._thread = threading.Thread(target=self._run, name=f"host {host.name}", daemon=True)

    # --- as a thread

    def start(self) -> None:
        """Begin to wait for orders."""
        self._thread.start()

    def order(self, orders: Orders) -> None:
        """Make a pass as soon as the one under way is made; newer orders replace older ones."""
        with self._changed:
            waiting = self._orders
            if waiting is not None:
                orders = replace(orders, asked=waiting.asked + orders.asked)
            self._orders = orders
            self._changed.notify_all()

    def stop(self, seconds: float) -> bool:
        """No more passes; wait for the work under way.  Whether all of it has ended."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._executor.wait(seconds)
        return not self._executor.at_work()

    def settled(self, domain: str) -> int:
        """Under which orders *domain* last came to rest."""
        with self._changed:
            found = self._domains.get(domain)
            return found.settled if found else 0

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._orders is not None or self._is_over)
                if self._is_over:
                    return
                orders, self._orders = self._orders, None
            assert orders is not None
            try:
                self.one_pass(orders)
            except VirtsnapError as error:
                self._failed(orders, error)
            except Exception as error:
                defect = HypervisorError(
                    f"cannot make a pass over {self.name}: internal error: {error!r}",
                    hint="please report this, with the output of: virtsnap observe -o json",
                )
                self._failed(orders, defect)
            finally:
                self.made = orders.number

    # --- one pass

    def one_pass(self, orders: Orders) -> None:
        """Observe, plan, begin what may begin; raises where the host cannot be observed."""
        begun = self._means.now()
        # what was seen of a domain whose work has ended meanwhile is of the middle of it
        busy = self._executor.at_work()
        observed = self._means.host.observe()
        now = self._means.now()
        host = next(host for host in orders.desired.hosts if host.name == self.name)
        plans = planner.plan_host(orders.desired, host, observed, self._means.request, now=now)
        plans = budget.within(plans, self._means.max_deletions)
        self._executor.limit(host)
        busy |= self._executor.at_work()
        work = self._judged(plans, observed, host, orders, now, busy)
        record = PassRecord(
            host=self.name,
            cause=orders.cause,
            begun=begun,
            seconds=max(0.0, (now - begun).total_seconds()),
            revision=orders.desired.revision,
            domains=len(work),
        )
        is_suspended = host.is_suspended and orders.is_source_ready
        state = HostState(name=self.name, observed=now, is_suspended=is_suspended)
        self._means.board.passed(state, record, [plan.domain for plan in plans])
        self._executor.begin(work, orders.desired, self._means.tools)

    def wait(self) -> tuple[DomainOutcome, ...]:
        """Until nothing is at work; how each domain ended."""
        return self._executor.wait()

    def _judged(
        self,
        plans: tuple[DomainPlan, ...],
        observed: ObservedHost,
        host: DesiredHost,
        orders: Orders,
        now: datetime,
        busy: frozenset[str],
    ) -> list[DomainPlan]:
        """Put every domain on the board but those that are *busy*; which are to be worked on."""
        resting = [plan for plan in plans if plan.domain not in busy]
        with self._changed:
            self._newest = orders
            for name in self._domains.keys() - {plan.domain for plan in plans} - busy:
                del self._domains[name]
            work = [plan for plan in resting if self._begins(plan, orders, now)]
        begun = {plan.domain for plan in work}
        there = {domain.uuid: domain for domain in observed.domains}
        for plan in resting:
            is_begun = plan.domain in begun
            around = self._around(plan, host, orders, now)
            verdict = standing.at_work(plan) if is_begun else standing.of_plan(plan, around)
            before = self._means.board.domain(plan.host, plan.domain)
            of_host = there.get(plan.uuid) if plan.uuid else None
            self._means.board.put(standing.state(before, verdict, plan, of_host, around))
            if is_begun:
                self._means.board.work_begins(plan)
            elif plan.open_steps and around.pace.retry_at is not None:
                self._means.again("retry", max(0.0, (around.pace.retry_at - now).total_seconds()))
        self._executor.rest([plan for plan in resting if plan.domain not in begun])
        return work

    def _begins(self, plan: DomainPlan, orders: Orders, now: datetime) -> bool:
        """Whether the work on *plan* begins now; written down either way."""
        known = self._domains.setdefault(plan.domain, _Domain())
        if any(asked.covers(plan.host, plan.domain, plan.uuid) for asked in orders.asked):
            known.pace = known.pace.asked()
        known.pace = known.pace.seen(plan)
        may = not self._means.is_report_only and known.pace.may_work(plan, now)
        if may and plan.open_steps:
            known.pace = known.pace.begun()
            known.begun = orders.number
            return True
        known.settled = orders.number
        return False

    def _around(
        self, plan: DomainPlan, host: DesiredHost, orders: Orders, now: datetime
    ) -> Circumstances:
        wish = next(
            (w for w in orders.desired.of_host(host.name) if w.domain in (plan.domain, plan.uuid)),
            None,
        )
        return Circumstances(
            now=now,
            pace=self._domains[plan.domain].pace,
            is_report_only=self._means.is_report_only,
            is_source_ready=orders.is_source_ready,
            suspended_by=tuple(
                who
                for who in plan.suspended_by
                if orders.is_source_ready or who is not SuspendedBy.HOST
            ),
            depth_limit=wish.max_depth if wish else None,
            revision=orders.desired.revision,
        )

    def _ended(self, outcome: DomainOutcome) -> None:
        """In the thread of the work."""
        now = self._means.now()
        with self._changed:
            known = self._domains.setdefault(outcome.domain, _Domain())
            known.pace = known.pace.ended(outcome, now, jitter=random.random())
            known.settled = known.begun
            orders = self._newest
        assert orders is not None
        host = next(host for host in orders.desired.hosts if host.name == self.name)
        around = self._around(outcome.plan, host, orders, now)
        board = self._means.board
        before = board.domain(outcome.host, outcome.domain)
        verdict = standing.of_outcome(outcome, around)
        board.put(
            standing.state(before, verdict, outcome.plan, None, around, refusals=outcome.refusals)
        )
        wait = LOOK_AFTER
        if known.pace.retry_at is not None:
            wait = max(wait, (known.pace.retry_at - now).total_seconds())
        if outcome.status is not DomainStatus.IN_SYNC:
            self._means.again("retry" if known.pace.failures else "after", wait)

    def _failed(self, orders: Orders, error: VirtsnapError) -> None:
        now = self._means.now()
        before = next((h for h in self._means.board.snapshot().hosts if h.name == self.name), None)
        trouble = trouble_of(error)
        state = HostState(
            name=self.name, observed=before.observed if before else None, trouble=trouble
        )
        record = PassRecord(
            host=self.name,
            cause=orders.cause,
            begun=now,
            seconds=0.0,
            revision=orders.desired.revision,
            domains=0,
            trouble=trouble,
        )
        self._means.board.passed(state, record, None)
