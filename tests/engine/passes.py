"""One pass over a fake host, as ``apply`` makes it."""

import threading
from dataclasses import dataclass

from reconciler.engine import executor, reconcile
from reconciler.engine.domain_work import Tools
from reconciler.engine.listener import Silence
from reconciler.model.desired import Desired
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Plan
from reconciler.model.request import PlanRequest
from tests.fakes.host import FakeHost
from tests.fakes.other import FakeIdentity, FakeLocks


@dataclass
class Pass:
    """A plan and what became of it."""

    plan: Plan
    outcomes: tuple[DomainOutcome, ...]

    @property
    def domain(self) -> DomainPlan:
        """The only domain's plan."""
        (domain,) = self.plan.domains
        return domain


def planned(fake: FakeHost, desired: Desired, request: PlanRequest) -> Plan:
    """The plan for *fake* as it is now."""
    observed = {host.name: fake.observe() for host in desired.hosts}
    return reconcile.make_plan(desired, observed, request, now=fake.world.clock.now())


def tools(fake: FakeHost, desired: Desired, stop: threading.Event | None = None) -> Tools:
    """The fake's own journal, clock and identity, with nobody else at work."""
    return Tools(
        hosts={host.name: fake for host in desired.hosts},
        journal=fake.world.journal,
        locks=FakeLocks(),
        clock=fake.world.clock,
        identity=getattr(fake.world, "identity", None) or FakeIdentity(),
        listener=Silence(),
        stop=stop or threading.Event(),
    )


def reconciled(fake: FakeHost, desired: Desired, request: PlanRequest) -> Pass:
    """Plan, and do it, one domain after the other so that runs repeat."""
    plan = planned(fake, desired, request)
    return Pass(plan, executor.apply(plan, desired, request, tools(fake, desired)))
