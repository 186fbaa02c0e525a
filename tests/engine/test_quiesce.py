"""Guests whose agent may not, or fails: found out before the freeze, told once, and nothing undone."""

import pytest

from reconciler.model.desired import Desired, DesiredSnapshot, Prune, Quiesce
from reconciler.model.ledger import Consistency
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainStatus
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, wanted
from tests.engine.passes import reconciled
from tests.fakes.host import FakeHost

S1 = SnapshotName("s1")


def quiescing(quiesce: Quiesce) -> Desired:
    snapshot = DesiredSnapshot(name=S1, quiesce=quiesce)
    return desired(wanted("web01", snapshot, prune=Prune.AUTO))


def guest(*, blocked: str = "", failing: str = "") -> FakeHost:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").agent.blocked = frozenset(filter(None, [blocked]))
    fake.domain("web01").agent.failing = frozenset(filter(None, [failing]))
    return fake


def consistency(fake: FakeHost) -> Consistency | None:
    (entry,) = fake.domain("web01").ledger.entries  # type: ignore[union-attr]
    return entry.consistency


@pytest.mark.parametrize("blocked", ["freeze", "thaw"])
def test_nobody_is_frozen_whose_agent_may_not_thaw(blocked: str) -> None:
    fake = guest(blocked=blocked)

    (outcome,) = reconciled(fake, quiescing(Quiesce.REQUIRED), PlanRequest()).outcomes

    (refused,) = outcome.refusals
    assert refused.code == "AgentNotConnected"
    assert refused.fact("state") == "not able to do it"
    assert "block" in refused.fact("way")
    assert not fake.domain("web01").agent.is_frozen
    assert "create_snapshot" not in fake.world.changes

    reconciled(fake, quiescing(Quiesce.PREFERRED), PlanRequest())

    assert consistency(fake) is Consistency.CRASH
    assert not fake.domain("web01").agent.is_frozen


def test_a_freeze_that_fails_is_thawed_and_told_in_the_agents_words() -> None:
    fake = guest(failing="freeze")

    (outcome,) = reconciled(fake, quiescing(Quiesce.REQUIRED), PlanRequest()).outcomes

    assert outcome.status is DomainStatus.FAILED
    assert "the hook has failed" in str(outcome.error)
    assert not fake.domain("web01").agent.is_frozen
    assert [path for path in fake.world.storage.files if "s1" in path] == []
    assert fake.domain("web01").ledger is not None
    assert not fake.domain("web01").ledger.entries

    reconciled(fake, quiescing(Quiesce.PREFERRED), PlanRequest())

    assert consistency(fake) is Consistency.CRASH


@pytest.mark.parametrize("quiesce", [Quiesce.REQUIRED, Quiesce.PREFERRED])
def test_a_hook_that_fails_on_thaw_alone_costs_no_snapshot(quiesce: Quiesce) -> None:
    fake = guest(failing="thaw")

    (outcome,) = reconciled(fake, quiescing(quiesce), PlanRequest()).outcomes

    assert outcome.error is None
    assert consistency(fake) is Consistency.QUIESCED
    assert not fake.domain("web01").agent.is_frozen
    again = reconciled(fake, quiescing(quiesce), PlanRequest())
    assert not again.domain.drift
