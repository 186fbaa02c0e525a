"""Each call that leaves the engine meets each fault: the next passes end the job, nothing is lost.

A share of it, always the same, or with VIRTSNAP_SOAK=1 all of it; what is seen is in ``seen.json``.
"""

import os
from typing import get_args

import pytest

from reconciler.model.action import Action
from tests.faults import recorded
from tests.faults.boundaries import Fault, boundaries, faults_at
from tests.faults.campaign import drive, expected, undisturbed
from tests.faults.scenarios import SCENARIOS, Scenario

IS_SOAK = bool(os.environ.get("VIRTSNAP_SOAK"))
SHARE = 0.15


@pytest.fixture(scope="module")
def seen() -> dict[str, recorded.Seen]:
    """What is recorded of the fake."""
    return recorded.read()[recorded.FAKE]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_whatever_call_meets_a_fault_the_next_passes_end_the_job(
    scenario: Scenario, seen: dict[str, recorded.Seen]
) -> None:
    assert recorded.totals(seen.get(scenario.name, {})) == expected(scenario), recorded.REMEDY
    found = drive(scenario, 1.0 if IS_SOAK else SHARE)
    if IS_SOAK:
        assert recorded.counted(found) == seen[scenario.name], recorded.REMEDY


def test_the_scenarios_plan_every_action_and_call_every_method_of_the_ports() -> None:
    whole = [undisturbed(scenario) for scenario in SCENARIOS]

    planned = {action for each in whole for action in each.actions}
    called = {at for each in whole for at in each.calls}
    assert planned == set(get_args(Action))
    assert called == set(boundaries())


def test_every_fault_is_recorded_at_every_boundary(seen: dict[str, recorded.Seen]) -> None:
    due = {(str(at), fault.value) for at in boundaries() for fault in faults_at(at)}

    found = {
        (at, fault)
        for scenario in seen.values()
        for at, faults in scenario.items()
        for fault in faults
    }

    inside = {(at, fault) for at, fault in found if Fault(fault).is_inside}
    assert found - inside == due, recorded.REMEDY
    assert inside
    assert set(seen) == {scenario.name for scenario in SCENARIOS}, recorded.REMEDY
