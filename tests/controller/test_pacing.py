"""When a domain is tried again."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.controller.causes import EVENTS_APART, Causes
from reconciler.controller.pacing import FIRST, LONGEST, MOST_ROUNDS, Pace
from reconciler.model.action import Risk
from reconciler.model.names import DomainUuid, HostName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Reason
from tests.controller.around import EPOCH
from tests.report.drawn_plans import commit, step

DESTRUCTIVE = replace(step(1, commit(), Reason.NOT_IN_MANIFEST), risk=Risk.DESTRUCTIVE)
PLAN = DomainPlan(
    host=HostName("local"),
    domain="web01",
    uuid=DomainUuid("6f1f5f9e-0000-4000-8000-000000000001"),
    manifest="a.yaml",
    fingerprint="as it was",
    plan_id="sha256:1",
    steps=(DESTRUCTIVE,),
)


def outcome(status: DomainStatus, *, is_in_step: bool = True) -> DomainOutcome:
    return DomainOutcome(
        host=PLAN.host,
        domain=PLAN.domain,
        status=status,
        plan=PLAN,
        failed_step=DESTRUCTIVE if is_in_step else None,
    )


@given(st.integers(1, 200), st.floats(0, 1))
def test_each_failure_waits_longer_up_to_a_bound(failures: int, jitter: float) -> None:
    pace, waits = Pace(), []
    for _ in range(failures):
        pace = pace.ended(outcome(DomainStatus.LOCKED), EPOCH, jitter=jitter)
        assert pace.retry_at is not None
        waits.append(pace.retry_at - EPOCH)

    assert waits == sorted(waits)
    assert FIRST <= waits[0] <= FIRST * 1.2
    assert waits[-1] <= LONGEST * 1.2


def test_a_destructive_step_that_failed_is_not_tried_again_in_the_state_seen_after_it() -> None:
    pace = Pace().begun().ended(outcome(DomainStatus.FAILED), EPOCH, jitter=0)
    later = EPOCH + LONGEST * 2
    after, other = replace(PLAN, fingerprint="after"), replace(PLAN, fingerprint="mended")

    pace = pace.seen(after)

    assert pace.is_given_up(after)
    assert not pace.may_work(after, later)
    assert pace.seen(after).is_given_up(after), "looking again does not change it"
    assert pace.seen(other).may_work(other, later)
    assert pace.asked().seen(after).may_work(after, EPOCH)


def test_a_step_that_discards_nothing_is_tried_again() -> None:
    pace = Pace().ended(outcome(DomainStatus.FAILED, is_in_step=False), EPOCH, jitter=0).seen(PLAN)

    assert not pace.may_work(PLAN, EPOCH)
    assert pace.may_work(PLAN, EPOCH + FIRST)


def test_work_that_never_comes_to_rest_is_slowed_down() -> None:
    pace = Pace()
    for _ in range(MOST_ROUNDS):
        pace = pace.seen(PLAN).begun().ended(outcome(DomainStatus.APPLIED), EPOCH, jitter=0)
        assert pace.retry_at is None
    pace = pace.seen(PLAN).begun().ended(outcome(DomainStatus.APPLIED), EPOCH, jitter=0)

    assert pace.retry_at == EPOCH + FIRST
    assert pace.seen(replace(PLAN, steps=())) == Pace()


class Ticking:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_causes_at_once_are_one_pass_and_the_interval_begins_anew() -> None:
    clock = Ticking()
    causes = Causes(60.0, clock=clock, jitter=0.0)
    assert causes.take(at_most=0) == "interval", "the first pass is at the start"
    causes.add("changed")
    causes.add("hook")

    assert causes.take(at_most=0) in ("changed", "hook")
    assert causes.take(at_most=0) is None
    clock.now += 59.9
    assert causes.take(at_most=0) is None
    clock.now += 0.1
    assert causes.take(at_most=0) == "interval"


def test_a_later_cause_waits_and_an_earlier_one_goes_first() -> None:
    clock = Ticking()
    causes = Causes(3600.0, clock=clock, jitter=0.0)
    causes.take(at_most=0)
    causes.add("retry", within=30)
    causes.add("retry", within=50)

    assert causes.take(at_most=0) is None
    clock.now += 30
    assert causes.take(at_most=0) == "retry"
    assert causes.take(at_most=0) is None


def test_events_come_in_bundles() -> None:
    clock = Ticking()
    causes = Causes(3600.0, clock=clock, jitter=0.0)
    causes.take(at_most=0)
    causes.add("event")

    assert causes.take(at_most=0) is None
    clock.now += EVENTS_APART
    assert causes.take(at_most=0) == "event"


def test_at_the_end_nobody_is_kept_waiting() -> None:
    causes = Causes(3600.0)
    causes.take(at_most=0)
    causes.end()

    assert causes.take(at_most=timedelta(hours=1).total_seconds()) is None
