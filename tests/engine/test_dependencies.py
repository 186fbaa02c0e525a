"""Domains wait for others while a plan is carried out."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.engine import executor
from reconciler.engine.listener import Silence
from reconciler.errors import HypervisorError
from reconciler.model.action import Risk
from reconciler.model.desired import Desired, DesiredDomain, Limits
from reconciler.model.ledger import Ledger
from reconciler.model.outcome import Awaited, DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Plan, Step
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, wanted
from tests.engine.passes import planned, tools
from tests.fakes.host import FakeHost

NAMES = ("app", "cache", "db", "web")


class Order(Silence):
    """Remembers which domain began a step, or ended, and when."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """Noted."""
        self.events.append(f"{domain.domain} begins")

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """Noted."""
        self.events.append(f"{outcome.domain} ends")


def four() -> FakeHost:
    return host(*(domain(name, vda=f"{name}-base") for name in NAMES))


def declared(depends: dict[str, Sequence[str]], at_once: int) -> Desired:
    """All four want s1; who is to wait for whom."""
    wishes = tuple(
        replace(wanted(name, "s1"), depends_on=tuple(depends.get(name, ()))) for name in NAMES
    )
    whole = desired(*wishes)
    (local,) = whole.hosts
    return replace(whole, hosts=(replace(local, limits=Limits(domains=at_once)),))


def applied(
    fake: FakeHost, wish: Desired, stop: threading.Event | None = None
) -> tuple[dict[str, DomainOutcome], list[str]]:
    order = Order()
    at_work = replace(tools(fake, wish, stop), listener=order)
    plan = planned(fake, wish, PlanRequest())
    outcomes = executor.apply(plan, wish, PlanRequest(), at_work)
    assert [o.domain for o in outcomes] == [p.domain for p in plan.domains]
    return {outcome.domain: outcome for outcome in outcomes}, order.events


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_a_domain_begins_when_all_it_depends_on_have_ended(at_once: int) -> None:
    wish = declared({"app": ("db", "web"), "web": ("cache",), "cache": ("db",)}, at_once)

    outcomes, events = applied(four(), wish)

    assert {outcome.status for outcome in outcomes.values()} == {DomainStatus.APPLIED}
    chain = ["db begins", "db ends", "cache begins", "cache ends"]
    assert events == [*chain, "web begins", "web ends", "app begins", "app ends"]


def failing(fake: FakeHost, name: str) -> None:
    """The next snapshot of the domain fails in libvirt."""
    uuid = fake.domain(name).uuid
    take = fake.create_snapshot

    def create_snapshot(of: str, *arguments: object, **more: object) -> None:
        if of == uuid:
            raise HypervisorError("cannot take a snapshot: injected", code=1)
        take(of, *arguments, **more)  # type: ignore[arg-type]  # handed through

    fake.create_snapshot = create_snapshot  # type: ignore[method-assign]  # of this one host


def test_who_depends_on_a_failure_is_held_and_the_others_are_not() -> None:
    fake = four()
    failing(fake, "db")

    outcomes, _ = applied(fake, declared({"web": ("db",), "app": ("web",)}, 8))

    assert outcomes["db"].status is DomainStatus.FAILED
    assert outcomes["cache"].status is DomainStatus.APPLIED
    assert outcomes["web"].status is DomainStatus.HELD
    assert outcomes["web"].waits_for == (Awaited(domain="db", status=DomainStatus.FAILED),)
    assert outcomes["app"].waits_for == (Awaited(domain="web", status=DomainStatus.HELD),)
    assert not fake.domain("web").records


class StopAfter(Order):
    """Ctrl-C right after the first domain has ended."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """Stop."""
        super().domain_finished(outcome)
        self._stop.set()


def test_ctrl_c_ends_those_that_wait_without_beginning_them() -> None:
    fake = four()
    wish = declared({"web": ("db",), "app": ("web",), "cache": ("db",)}, 1)
    stop = threading.Event()
    at_work = replace(tools(fake, wish, stop), listener=StopAfter(stop))

    outcomes = executor.apply(planned(fake, wish, PlanRequest()), wish, PlanRequest(), at_work)

    ends = {outcome.domain: outcome.status for outcome in outcomes}
    assert ends == {
        "db": DomainStatus.APPLIED,
        "cache": DomainStatus.INTERRUPTED,
        "web": DomainStatus.INTERRUPTED,
        "app": DomainStatus.HELD,
    }
    assert [name for name in NAMES if fake.domain(name).records] == ["db"]


def disruptive(plan: Plan, *ids: str, closes_in: timedelta) -> Plan:
    """The only domain's plan, with these steps stopping the guest and its window closing."""
    (only,) = plan.domains
    steps = tuple(
        replace(step, risk=Risk.DISRUPTIVE) if step.id in ids else step for step in only.steps
    )
    closes = plan.created_at + closes_in
    return replace(plan, domains=(replace(only, steps=steps, window_closes=closes),))


class Slow(Silence):
    """Every step takes an hour."""

    def __init__(self, fake: FakeHost) -> None:
        self._fake = fake

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """An hour goes by."""
        self._fake.world.clock.wait(3600)


def slowly(*ids: str, hours: float) -> DomainOutcome:
    """Three steps of an hour each, *ids* of them disruptive, the window closing after *hours*."""
    fake = host(domain("web01", vda="base"))
    wish: DesiredDomain = wanted("web01", "s1", "s2", "s3")
    plan = planned(fake, desired(wish), PlanRequest())
    plan = disruptive(plan, *ids, closes_in=timedelta(hours=hours))
    at_work = replace(tools(fake, desired(wish)), listener=Slow(fake))
    (outcome,) = executor.apply(plan, desired(wish), PlanRequest(), at_work)
    return outcome


def test_no_disruptive_step_begins_after_its_window_has_closed() -> None:
    outcome = slowly("s2", hours=0.5)

    assert (outcome.status, outcome.steps_done) == (DomainStatus.HELD, 1)
    assert outcome.is_too_late
    assert outcome.left == "2 of 3 steps left: create, create"


def test_what_began_in_its_window_is_finished() -> None:
    outcome = slowly("s1", "s3", hours=0.5)

    assert (outcome.status, outcome.steps_done) == (DomainStatus.APPLIED, 3)


def test_a_closed_window_stops_nothing_that_lets_the_guest_run() -> None:
    assert slowly(hours=0.5).status is DomainStatus.APPLIED


def frozen_by_us(fake: FakeHost, name: str) -> None:
    """A pass died with the guest frozen."""
    guest = fake.domain(name)
    guest.agent.is_frozen = True
    fake.remember(guest.uuid, Ledger(uuid=guest.uuid, is_freezing=True))


def test_a_guest_that_virtsnap_left_frozen_is_thawed_whatever_it_waits_for() -> None:
    fake = four()
    failing(fake, "db")
    frozen_by_us(fake, "web")

    outcomes, events = applied(fake, declared({"web": ("db",)}, 1))

    assert not fake.domain("web").agent.is_frozen
    assert (outcomes["web"].status, outcomes["web"].steps_done) == (DomainStatus.HELD, 1)
    assert not fake.domain("web").records
    assert "web ends" in events


def test_a_guest_that_virtsnap_left_frozen_is_thawed_while_it_is_suspended() -> None:
    fake = host(domain("web01", vda="base"))
    frozen_by_us(fake, "web01")
    wish = desired(replace(wanted("web01", "s1"), is_suspended=True))

    outcomes, _ = applied(fake, wish)

    assert not fake.domain("web01").agent.is_frozen
    assert outcomes["web01"].status is DomainStatus.HELD
    assert not fake.domain("web01").records
