"""One line for Nagios."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.controller import (
    ControllerState,
    HeldStep,
    HostState,
    Readiness,
    SourceState,
    SuspendedBy,
)
from reconciler.model.plan import HeldBecause
from reconciler.report.nagios import nagios
from tests.service.controllers import KVM01, NOON, TROUBLE, busy, state, web
from tests.service.states import states

#: what waits for `apply`, and for nothing else
FOR_A_PERSON = (
    HeldBecause.NEEDS_APPROVAL,
    HeldBecause.DISRUPTION_NEVER,
    HeldBecause.WINDOW_TOO_SHORT,
)
LATER = NOON + timedelta(seconds=30)
#: A word, what is wrong, and numbers as the plugin guidelines have them.
LINE = re.compile(
    r"VIRTSNAP (OK|WARNING|CRITICAL|UNKNOWN): [^|]+"
    r"( \| ([a-z_]+=-?\d+s?(;\d*)?(;\d*)?)( [a-z_]+=-?\d+s?(;\d*)?(;\d*)?)*)?"
)


def held(because: HeldBecause) -> ControllerState:
    until = "approval" if because in FOR_A_PERSON else "resume"
    step = HeldStep(title="merge s1", because=because, until=until)
    return state(replace(web(), held=(step,)))


def told(found: ControllerState | None, *, is_running: bool = True) -> tuple[int, str]:
    code, line = nagios(found, now=LATER, is_running=is_running)
    return code, line.partition(" | ")[0]


def test_all_is_well() -> None:
    assert nagios(state(web()), now=LATER, is_running=True) == (
        0,
        (
            "VIRTSNAP OK: 1 domain ready | domains=1 ready=1 reconciling=0 stalled=0 lost=0;;0 "
            "failing=0;0 suspended=0 held_steps=0 refusals=0 depth=2 source_age=30s;480"
        ),
    )


def test_a_domain_that_is_being_worked_on_is_well_too() -> None:
    busy_one = replace(web("web02"), readiness=Readiness.RECONCILING, reason="Progressing")

    assert told(state(web(), busy_one)) == (0, "VIRTSNAP OK: 1 of 2 domains ready")


def test_where_none_has_run_nothing_is_known() -> None:
    assert told(None, is_running=False) == (
        3,
        "VIRTSNAP UNKNOWN: no controller has ever run here",
    )


def test_a_controller_that_does_not_run_is_critical() -> None:
    assert told(state(web()), is_running=False) == (
        2,
        "VIRTSNAP CRITICAL: no controller is running; the last was seen 30s ago",
    )


def test_what_is_worst_is_said_first() -> None:
    failing = replace(web(), readiness=Readiness.RECONCILING, reason="HypervisorError", failures=1)

    assert told(state(failing, busy())) == (
        2,
        (
            "VIRTSNAP CRITICAL: lost a snapshot: db01; failing: web01 (HypervisorError); "
            "held for a person: db01; suspended by hand: db01"
        ),
    )


def test_many_are_not_all_named() -> None:
    stalled = [
        replace(web(f"web{i}"), readiness=Readiness.STALLED, reason="NoSpace") for i in range(5)
    ]

    assert told(state(*stalled)) == (
        2,
        "VIRTSNAP CRITICAL: stalled: web0 (NoSpace), web1 (NoSpace), web2 (NoSpace), 2 more",
    )


@pytest.mark.parametrize(
    ("because", "code"),
    [
        (HeldBecause.NEEDS_APPROVAL, 1),
        (HeldBecause.DISRUPTION_NEVER, 1),
        (HeldBecause.WINDOW_CLOSED, 0),
        (HeldBecause.BEHIND_HELD, 0),
        (HeldBecause.DEPENDS_ON, 0),
        (HeldBecause.SUSPENDED, 0),
    ],
)
def test_only_what_waits_for_a_person_warns(because: HeldBecause, code: int) -> None:
    assert told(held(because))[0] == code


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("NoSpace", 2),
        ("DestructiveStepFailed", 2),
        ("ReportOnly", 1),
        ("Suspended", 0),
        ("NeedsApproval", 0),
    ],
)
def test_only_what_is_in_need_is_critical(reason: str, code: int) -> None:
    stalled = replace(web(), readiness=Readiness.STALLED, reason=reason)

    assert told(state(stalled))[0] == code


@pytest.mark.parametrize(
    ("by", "code"), [(SuspendedBy.HAND, 1), (SuspendedBy.MANIFEST, 0), (SuspendedBy.HOST, 0)]
)
def test_a_suspension_by_hand_may_be_forgotten(by: SuspendedBy, code: int) -> None:
    assert told(state(replace(web(), suspended_by=(by,))))[0] == code


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        (SourceState(id="x", fetched=NOON, trouble=TROUBLE), 2, "source: web.yaml:3:1: cannot"),
        (SourceState(id="x"), 2, "source: not read yet"),
        (SourceState(id="x", fetched=NOON - timedelta(hours=3)), 1, "last read 3h ago"),
    ],
)
def test_the_source_counts(source: SourceState, code: int, said: str) -> None:
    found = told(replace(state(web()), source=source))

    assert found[0] == code
    assert said in found[1]


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (HostState(name=KVM01, observed=NOON, trouble=TROUBLE), 2),
        (HostState(name=KVM01, observed=NOON - timedelta(hours=1)), 1),
        (HostState(name=KVM01), 1),
    ],
)
def test_hosts_count(host: HostState, code: int) -> None:
    assert told(replace(state(web()), hosts=(host,)))[0] == code


@given(found=states, is_running=st.booleans())
def test_it_is_always_one_line_of_the_right_form(
    found: ControllerState, *, is_running: bool
) -> None:
    code, line = nagios(found, now=LATER, is_running=is_running)

    assert LINE.fullmatch(line), line
    assert line.isprintable()
    assert f"VIRTSNAP {('OK', 'WARNING', 'CRITICAL', 'UNKNOWN')[code]}: " in line
    assert "hush" not in line
