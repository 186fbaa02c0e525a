"""Whatever happens to a host, in whatever order: the laws of design §1 hold (law by law in ``laws``).

``make soak`` runs it two thousand times and tells how often each rule did something and each law
was looked at; none may be at zero.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.laws import LAWS
from tests.machine.rules import RULES, RuledMachine
from tests.machine.tally import TALLY

SOAK = bool(os.environ.get("VIRTSNAP_SOAK"))
RUNS, STEPS = (2000, 40) if SOAK else (25, 30)


@pytest.mark.timeout(4 * 3600 if SOAK else 600)
def test_whatever_happens_the_laws_hold(record_property: Callable[[str, object], None]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        RuledMachine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            backend="plain",
            derandomize=not SOAK,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    if SOAK:
        record_property("told", "\n".join(TALLY.told()))
        assert not TALLY.never(RULES | LAWS)
