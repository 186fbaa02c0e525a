"""Why a step waits, and until when, in words."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from reconciler.model.action import Risk
from reconciler.model.plan import DomainPlan, Held, HeldBecause, HeldUntil, Reason
from reconciler.report import held_text
from reconciler.report.text import domain_lines
from tests.report.drawn_plans import commit, domain_plan, step

SUNDAY = datetime(2026, 11, 29, 2, tzinfo=ZoneInfo("Europe/Madrid"))
STEP = replace(step(1, commit(), Reason.NOT_IN_MANIFEST), risk=Risk.DISRUPTIVE)
APPROVAL = HeldUntil.APPROVAL


def of(until: HeldUntil | datetime, because: HeldBecause, *, is_person: bool) -> tuple[str, ...]:
    held = (Held(step="s1", until=until, because=because),)
    plan = domain_plan(STEP)
    plan = replace(plan, held_from_run=held, held=() if is_person else held)
    return held_text.of_step(plan, STEP)


@pytest.mark.parametrize(
    ("until", "because", "person", "loop"),
    [
        (
            APPROVAL,
            HeldBecause.NEEDS_APPROVAL,
            "run holds it back until a person agrees",
            "held back until a person agrees: virtsnap apply",
        ),
        (
            APPROVAL,
            HeldBecause.DISRUPTION_NEVER,
            "disruptive: run holds it back (disruption: never)",
            "held: disruptive, needs a person's apply, or `disruption: window`",
        ),
        (
            SUNDAY,
            HeldBecause.WINDOW_CLOSED,
            "disruptive: run holds it back until 2026-11-29 02:00 CET (window)",
            "held until 2026-11-29 02:00 CET (window)",
        ),
        (
            SUNDAY.astimezone(UTC),
            HeldBecause.BEHIND_HELD,
            "disruptive: the guest is stopped or paused",
            "held until 2026-11-29 01:00 UTC: it comes after a step that is held",
        ),
    ],
)
def test_each_cause_has_its_words(
    until: HeldUntil | datetime, because: HeldBecause, person: str, loop: str
) -> None:
    assert of(until, because, is_person=True) == (person,)
    assert of(until, because, is_person=False) == (loop,)


def test_a_disruptive_step_that_nothing_holds_says_what_it_does() -> None:
    plan = domain_plan(STEP)

    assert held_text.of_step(plan, STEP) == ("disruptive: the guest is stopped or paused",)


def test_what_holds_a_whole_domain_is_said_once() -> None:
    held = tuple(
        Held(
            step=f"s{n}",
            until=HeldUntil.DEPENDENCY,
            because=HeldBecause.DEPENDS_ON,
            waits_for="db01",
        )
        for n in (1, 2)
    )
    plan: DomainPlan = replace(
        domain_plan(
            step(1, commit(), Reason.NOT_IN_MANIFEST), step(2, commit(), Reason.NOT_IN_MANIFEST)
        ),
        held=held,
        held_from_run=held,
    )

    shown = [line.text for line in domain_lines(plan, prunes={})]

    assert sum("waits for db01" in line for line in shown) == 1
