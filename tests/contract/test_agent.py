"""Freezing and thawing."""

import pytest

from reconciler.errors import AgentError
from tests.contract.bench import Bench


def test_a_guest_that_is_thawed_is_thawed_again(bench: Bench) -> None:
    handle = bench.domain(running=True)

    bench.host.thaw(handle.uuid)

    assert not bench.host.freeze_status(handle.uuid)


def test_a_guest_that_is_off_has_nothing_to_thaw(bench: Bench) -> None:
    bench.host.thaw(bench.domain().uuid)


def test_without_an_agent_nobody_knows_whether_it_is_frozen(bench: Bench) -> None:
    handle = bench.domain(running=True, agent=False)

    with pytest.raises(AgentError):
        bench.host.freeze_status(handle.uuid)


def test_a_guest_that_is_off_is_not_asked(bench: Bench) -> None:
    handle = bench.domain()

    with pytest.raises(AgentError):
        bench.host.freeze_status(handle.uuid)
