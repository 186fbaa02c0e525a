"""Whether a held step needs a person: status, notification and Nagios say the same, for each cause."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.controller import standing
from reconciler.controller.standing import Circumstances
from reconciler.model.action import ForgetSnapshot
from reconciler.model.controller import Readiness
from reconciler.model.plan import Held, HeldBecause, HeldUntil, Reason
from reconciler.report.held_text import why
from reconciler.report.nagios import nagios
from reconciler.service.news import complaints
from tests.report.drawn_plans import domain_plan, s1, step
from tests.service.controllers import NOON, state

WINDOW = datetime(2026, 11, 29, 2, tzinfo=UTC)
CAUSES = [
    (HeldBecause.NEEDS_APPROVAL, HeldUntil.APPROVAL, True),
    (HeldBecause.DISRUPTION_NEVER, HeldUntil.APPROVAL, True),
    (HeldBecause.WINDOW_TOO_SHORT, HeldUntil.APPROVAL, True),
    #: no window that is declared ever opens
    (HeldBecause.WINDOW_CLOSED, HeldUntil.APPROVAL, True),
    (HeldBecause.WINDOW_CLOSED, WINDOW, False),
    (HeldBecause.DEPENDS_ON, HeldUntil.DEPENDENCY, False),
    (HeldBecause.DELETION_BUDGET, HeldUntil.NEXT_PASS, False),
]


def test_each_cause_is_tried() -> None:
    ours = {HeldBecause.BEHIND_HELD, HeldBecause.SUSPENDED}
    assert {because for because, _, _ in CAUSES} == set(HeldBecause) - ours


@pytest.mark.parametrize(("because", "until", "needs_person"), CAUSES)
def test_all_say_the_same(
    because: HeldBecause, until: HeldUntil | datetime, needs_person: bool
) -> None:
    held = Held(step="s1", until=until, because=because, waits_for="db01")
    gone = step(1, ForgetSnapshot(snapshot=s1, has_record=True), Reason.NOT_IN_MANIFEST)
    plan = replace(domain_plan(gone), held=(held,))
    around = Circumstances(now=NOON)
    now = standing.state(None, standing.of_plan(plan, around), plan, None, around)

    assert held.needs_person is needs_person
    assert (now.readiness is Readiness.STALLED) is needs_person
    assert bool(complaints(now)) is needs_person
    assert ("held for a person" in nagios(state(now), now=NOON, is_running=True)[1]) is needs_person
    assert ("person" in why(held)) is needs_person
