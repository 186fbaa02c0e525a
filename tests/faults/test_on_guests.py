"""The same on real guests: a few, always the same, or with VIRTSNAP_SOAK=1 every boundary with every fault."""

import os
from pathlib import Path
from random import Random

import pytest

from tests.faults import recorded
from tests.faults.boundaries import Boundary, boundaries, faults_at
from tests.faults.campaign import READS
from tests.faults.guests import SCENARIOS, Case, cases, run
from tests.lab.guest import Lab

#: it boots its guest twice; the others have a case each without the soak
SLOW = "merge below a branch, running"


def _chosen() -> list[Case]:
    found = cases()
    if os.environ.get("VIRTSNAP_SOAK"):
        return list(found)
    random = Random(0)
    return [
        random.choice([case for case in found if case.scenario is scenario])
        for scenario in SCENARIOS
        if scenario.name != SLOW
    ]


@pytest.mark.qemu
@pytest.mark.parametrize("case", _chosen(), ids=str)
def test_whatever_call_meets_a_fault_the_next_passes_end_the_job(
    lab: Lab, tmp_path: Path, case: Case
) -> None:
    run(lab, tmp_path, case)


def test_every_boundary_meets_every_fault_of_a_process() -> None:
    def is_due(at: Boundary, fault: str) -> bool:
        return at.method not in READS or fault.endswith("before")

    due = {
        (at, fault)
        for at in boundaries()
        for fault in faults_at(at)
        if not fault.is_of_machine and is_due(at, fault)
    }

    assert {(case.at, case.fault) for case in cases()} == due


def test_what_is_recorded_of_guests_is_all_of_it() -> None:
    seen = recorded.read()[recorded.GUESTS]

    found = sorted((name, at, f) for name, by in seen.items() for at, fs in by.items() for f in fs)

    assert found == sorted((c.scenario.name, str(c.at), c.fault.value) for c in cases())
