"""Hooks around steps: who is told before is told after, and whom a refusal stops."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import get_args

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from reconciler.engine import executor
from reconciler.engine.hooks import StepTold
from reconciler.errors import HypervisorError
from reconciler.model.action import Action
from reconciler.model.desired import Desired, DesiredSnapshot, Power, Prune
from reconciler.model.ledger import Ledger
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, running, wanted
from tests.engine import oracle
from tests.engine.passes import Pass, planned, tools
from tests.engine.telling import pass_told, situation_told
from tests.engine.test_crashes import passes_until_done
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.strategies import Situation, situations

NAMES = sorted({action.name for action in get_args(Action)})
OWED = {"thaw", "start", "finish-job", "abort-job", "define", "adopt-request", "renew-ledger"}


@dataclass
class Asked:
    """Hooks that say no to the steps named in *no*, and do *deed* before each."""

    no: frozenset[str] = frozenset()
    deed: Callable[[], object] = list
    told: list[tuple[str, str]] = field(default_factory=list)

    def before(self, told: StepTold) -> str | None:
        """Remembered."""
        self.told.append(("before", told.step.action.name))
        self.deed()
        return "not now" if told.step.action.name in self.no else None

    def after(self, told: StepTold, *, is_done: bool) -> None:
        """Remembered."""
        self.told.append(("done" if is_done else "failed", told.step.action.name))


def applied(fake: FakeHost, wish: Desired, hooks: Asked) -> Pass:
    plan = planned(fake, wish, PlanRequest())
    at_work = replace(tools(fake, wish), hooks=hooks)
    return Pass(plan, executor.apply(plan, wish, PlanRequest(), at_work))


def outcome(result: Pass) -> DomainOutcome:
    (found,) = result.outcomes
    return found


def off(name: str) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), power=Power.OFF)


def test_each_step_is_told_before_and_after() -> None:
    fake, hooks = host(domain("web01", vda="base ← s1")), Asked()

    result = applied(fake, desired(wanted("web01", "s2", prune=Prune.AUTO)), hooks)

    assert outcome(result).status is DomainStatus.APPLIED
    names = [step.action.name for step in outcome(result).plan.steps]
    assert hooks.told == [each for name in names for each in (("before", name), ("done", name))]


def test_a_step_that_a_hook_refuses_is_not_done_and_those_behind_it_wait() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))
    before = fake.views()
    hooks = Asked(no=frozenset({"commit"}))

    result = outcome(applied(fake, wish, hooks))

    assert (result.status, result.steps_done) == (DomainStatus.REFUSED, 0)
    (why,) = result.refusals
    assert why.code is RefusalCode.HOOK_REFUSED
    assert dict(why.facts) == {"cause": "not now", "domain": "web01", "step": "commit"}
    assert hooks.told == [("before", "commit"), ("failed", "commit")]
    assert fake.views() == before
    assert outcome(applied(fake, wish, Asked())).status is DomainStatus.APPLIED


def test_a_guest_that_was_shut_down_is_started_whatever_hooks_say() -> None:
    fake = host(domain("web01", running, vda="base"))
    hooks = Asked(no=frozenset(NAMES) - {"shut-down"})

    result = outcome(applied(fake, desired(wanted("web01", off("s1"))), hooks))

    assert result.status is DomainStatus.REFUSED
    assert fake.domain("web01").is_active
    assert hooks.told == [
        *(("before", "shut-down"), ("done", "shut-down")),
        *(("before", "create"), ("failed", "create")),
        *(("before", "start"), ("done", "start")),
    ]


def test_a_frozen_guest_is_thawed_whatever_hooks_say() -> None:
    fake = host(domain("web01", running, vda="base"))
    uuid = fake.domain("web01").uuid
    fake.remember(uuid, replace(fake.read_ledger(uuid) or Ledger(uuid=uuid), is_freezing=True))
    hooks = Asked(no=frozenset(NAMES))

    result = outcome(applied(fake, desired(wanted("web01", "s1")), hooks))

    assert ("done", "thaw") in hooks.told
    assert ("failed", "create") in hooks.told
    assert [why.code for why in result.refusals] == [RefusalCode.HOOK_REFUSED]
    ledger = fake.read_ledger(uuid)
    assert ledger is not None
    assert not ledger.is_freezing


def test_a_ledger_is_put_right_whatever_hooks_say() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Administrator(fake).lose_ledger("web01")
    hooks = Asked(no=frozenset(NAMES))
    wish = desired(wanted("web01", "s1"))

    result = applied(fake, wish, hooks)

    assert outcome(result).status is DomainStatus.APPLIED, pass_told(result)
    assert {when for when, _ in hooks.told} == {"before", "done"}


def test_a_domain_that_changed_while_a_hook_ran_is_not_touched() -> None:
    fake = host(domain("web01", running, vda="base"))
    hooks = Asked(deed=lambda: Person(fake).snapshot_create("web01", "by-hand"))

    result = outcome(applied(fake, desired(wanted("web01", "s1")), hooks))

    assert result.status is DomainStatus.STALE
    assert hooks.told == [("before", "create"), ("failed", "create")]


def test_who_was_told_before_is_told_when_it_fails() -> None:
    fake, hooks = host(domain("web01", vda="base")), Asked()

    def fault(_number: int, method: str, when: str) -> None:
        if (method, when) == ("create_snapshot", "before"):
            raise HypervisorError("cannot take it")

    fake.world.fault = fault
    result = outcome(applied(fake, desired(wanted("web01", "s1")), hooks))

    assert result.status is DomainStatus.FAILED
    assert hooks.told == [("before", "create"), ("failed", "create")]


@given(situations(), st.sets(st.sampled_from(NAMES), min_size=1, max_size=6))
def test_hooks_that_say_no_lose_nothing_and_the_next_pass_finishes(
    situation: Situation, no: set[str]
) -> None:
    note(situation_told(situation))
    fake, hooks = situation.fake, Asked(no=frozenset(no))
    before = oracle.seen(fake)
    plan = planned(fake, situation.desired, situation.request)
    at_work = replace(tools(fake, situation.desired), hooks=hooks)

    result = Pass(plan, executor.apply(plan, situation.desired, situation.request, at_work))

    note(pass_told(result))
    assert not oracle.lost(fake, before, situation.desired)
    done = {name for when, name in hooks.told if when == "done"}
    assert not done & (no - OWED - {"adopt", "redefine"})
    whens = [when for when, _ in hooks.told]
    assert whens.count("before") == len(whens) / 2
    passes_until_done(fake, situation)


@pytest.mark.parametrize("name", sorted(OWED))
def test_what_is_owed_is_an_action(name: str) -> None:
    assert name in NAMES
