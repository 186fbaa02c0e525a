"""Exit codes, as a table."""

import pytest

from reconciler.cli.exit_code import MEANINGS, ExitCode, of_outcomes, of_plan
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import Reason
from reconciler.model.refusal import RefusalCode, refusal
from tests.report.drawn_plans import create, domain_plan, s3, step, vda, whole

STEP = step(1, create(s3, vda), Reason.DECLARED_NOT_TAKEN)
REFUSED = (refusal(RefusalCode.NAME_TAKEN),)
QUIET = domain_plan()
CHANGED = domain_plan(STEP)
HELD = domain_plan(STEP, held=("s1",))
REFUSING = domain_plan(refusals=REFUSED)
BOTH = domain_plan(STEP, refusals=REFUSED)


@pytest.mark.parametrize(
    ("plans", "detailed"),
    [
        ((), 0),
        ((QUIET,), 0),
        ((CHANGED,), 2),
        ((HELD,), 5),
        ((HELD, CHANGED), 2),
        ((REFUSING,), 5),
        ((BOTH,), 2),
        ((QUIET, REFUSING, CHANGED), 2),
    ],
)
def test_plan(plans: tuple[object, ...], detailed: int) -> None:
    plan = whole(*plans)  # type: ignore[arg-type]  # a table

    assert of_plan(plan, is_detailed=True) == detailed
    assert of_plan(plan, is_detailed=False) == 0


def outcome(status: DomainStatus, done: int = 0, *, refused: bool = False) -> DomainOutcome:
    plan = CHANGED if not refused else BOTH
    return DomainOutcome(
        host=plan.host, domain=plan.domain, status=status, plan=plan, steps_done=done
    )


S = DomainStatus


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), 0),
        ((outcome(S.IN_SYNC),), 0),
        ((outcome(S.APPLIED, 3), outcome(S.IN_SYNC)), 0),
        ((outcome(S.REFUSED),), 5),
        ((outcome(S.HELD),), 5),
        ((outcome(S.APPLIED, 3), outcome(S.HELD)), 5),
        ((outcome(S.FAILED), outcome(S.HELD)), 1),
        ((outcome(S.APPLIED, 3), outcome(S.REFUSED, 1)), 5),
        ((outcome(S.APPLIED, 3, refused=True),), 5),
        ((outcome(S.FAILED),), 1),
        ((outcome(S.FAILED), outcome(S.IN_SYNC), outcome(S.REFUSED)), 1),
        ((outcome(S.FAILED, 2),), 10),
        ((outcome(S.FAILED), outcome(S.APPLIED, 1)), 10),
        ((outcome(S.LOCKED), outcome(S.APPLIED, 1)), 10),
        ((outcome(S.LOCKED),), 3),
        ((outcome(S.LOCKED), outcome(S.REFUSED)), 3),
        ((outcome(S.STALE),), 4),
        ((outcome(S.STALE), outcome(S.LOCKED)), 1),
        ((outcome(S.INTERRUPTED, 1), outcome(S.FAILED)), 130),
    ],
)
def test_apply(outcomes: tuple[DomainOutcome, ...], code: int) -> None:
    assert of_outcomes(outcomes) == code


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 10, 64, 130]
