"""Which steps a loop holds back, for what and until when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reconciler.model.action import Risk, ShutDownDomain
from reconciler.model.desired import DesiredDomain, Disruption, Prune, Shutdown, Window
from reconciler.model.plan import Estimate, HeldBecause, HeldUntil, Reason, Step
from reconciler.model.power import PowerState
from reconciler.model.request import Consent, PlanRequest, Selection
from reconciler.planning import creating, differ, holding
from reconciler.planning.builder import Builder
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.drawing import desired, domain, host, wanted
from tests.planning.reading import line, plan_of
from tests.report.drawn_plans import commit, step

THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 29, 1, tzinfo=UTC)
WINDOW = Window(schedule="0 2 * * sun", duration=timedelta(hours=2), zone=ZoneInfo("Europe/Madrid"))


def steps(*risks: Risk) -> tuple[Step, ...]:
    """s1, s2 … with these risks."""
    return tuple(
        replace(step(n, commit(), Reason.NOT_IN_MANIFEST), risk=risk)
        for n, risk in enumerate(risks, 1)
    )


def wish(disruption: Disruption, *windows: Window) -> DesiredDomain:
    return replace(wanted("web01"), disruption=disruption, windows=windows)


def held(
    given: tuple[Step, ...],
    domain: DesiredDomain | None,
    *approvals: str,
    now: datetime = THURSDAY,
) -> list[tuple[str, HeldUntil | datetime, HeldBecause]]:
    found = holding.from_loop(given, frozenset(approvals), domain, now=now)
    return [(each.step, each.until, each.because) for each in found]


SAFE, STOPS, DISCARDS = Risk.SAFE, Risk.DISRUPTIVE, Risk.DESTRUCTIVE


def test_what_stops_the_guest_waits_for_a_person_and_what_is_behind_it_too() -> None:
    found = held(steps(SAFE, STOPS, SAFE), wish(Disruption.NEVER))

    assert found == [
        ("s2", HeldUntil.APPROVAL, HeldBecause.DISRUPTION_NEVER),
        ("s3", HeldUntil.APPROVAL, HeldBecause.BEHIND_HELD),
    ]
    assert held(steps(SAFE, STOPS, SAFE), None) == found


def test_data_that_is_discarded_with_the_guest_stopped_is_held_as_well() -> None:
    (discards,) = steps(DISCARDS)
    stopped = replace(discards, estimate=Estimate(downtime=True))

    assert held((discards,), wish(Disruption.NEVER)) == []
    assert [each[0] for each in held((stopped,), wish(Disruption.NEVER))] == ["s1"]


def test_allowed_holds_nothing_but_what_needs_a_person_for_another_reason() -> None:
    given = steps(STOPS, SAFE, STOPS)

    assert held(given, wish(Disruption.ALLOWED)) == []
    assert held(given, wish(Disruption.ALLOWED), "s2") == [
        ("s2", HeldUntil.APPROVAL, HeldBecause.NEEDS_APPROVAL),
        ("s3", HeldUntil.APPROVAL, HeldBecause.BEHIND_HELD),
    ]


def test_a_window_holds_until_it_opens_and_then_nothing() -> None:
    given = steps(SAFE, STOPS, SAFE)

    assert held(given, wish(Disruption.WINDOW, WINDOW)) == [
        ("s2", SUNDAY, HeldBecause.WINDOW_CLOSED),
        ("s3", SUNDAY, HeldBecause.BEHIND_HELD),
    ]
    assert held(given, wish(Disruption.WINDOW, WINDOW), now=SUNDAY) == []


def test_behind_a_removal_that_needs_a_person_no_time_is_promised() -> None:
    given = steps(STOPS, SAFE, STOPS)

    assert held(given, wish(Disruption.WINDOW, WINDOW), "s2") == [
        ("s1", SUNDAY, HeldBecause.WINDOW_CLOSED),
        ("s2", HeldUntil.APPROVAL, HeldBecause.NEEDS_APPROVAL),
        ("s3", HeldUntil.APPROVAL, HeldBecause.WINDOW_CLOSED),
    ]


def test_a_window_that_never_opens_waits_for_a_person() -> None:
    found = held(steps(STOPS), wish(Disruption.WINDOW))

    assert found == [("s1", HeldUntil.APPROVAL, HeldBecause.WINDOW_CLOSED)]


def test_a_plan_for_a_person_holds_nothing_and_says_what_run_would_hold() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    wish = wanted("web01", "s2", prune=Prune.CONFIRM)

    person = plan_of(fake, wish)
    loop = plan_of(fake, wish, request=PlanRequest(consent=Consent.LOOP))

    assert not person.held
    assert person.held_from_run == loop.held == loop.held_from_run
    assert loop.held[0].because is HeldBecause.NEEDS_APPROVAL


def test_creating_ends_before_the_first_snapshot_that_would_be_held() -> None:
    fake = host(domain("web01", vda="base"))
    wish = wanted("web01", "s1", "s2", "s3")
    index = index_of(fake.observe())
    seen = index.host.domain("web01")
    assert seen is not None
    builder = Builder(world_of(index, seen, ()))
    declared = differ.declared(desired(wish), wish)

    def of_s2(step: Step) -> bool:
        return line(step.action).startswith("create s2")

    left = creating.create(builder, wish, declared, Selection(), until=of_s2)

    assert left
    assert [line(each.action) for each in builder.steps] == ["create s1 vda"]
    assert not creating.create(builder, wish, declared, Selection())
    assert [line(each.action) for each in builder.steps] == [
        "create s1 vda",
        "create s2 vda",
        "create s3 vda",
    ]


def test_a_suspended_domain_shows_its_steps_and_holds_them_all_from_everybody() -> None:
    fake = host(domain("web01", vda="base"))
    wish = replace(wanted("web01", "s1"), is_suspended=True)

    plan = plan_of(fake, wish)

    assert [line(each.action) for each in plan.steps] == ["create s1 vda"]
    assert [each.because for each in plan.held] == [HeldBecause.SUSPENDED]
    assert plan.open_steps == ()


def stopping(seconds: int, *, written: int = 0) -> tuple[tuple[Step, ...], DesiredDomain]:
    """A shutdown of at most *seconds* and a step that copies *written* bytes; windows of two hours."""
    shut = ShutDownDomain(timeout=seconds, then_destroy=False, owes=PowerState.RUNNING)
    given = (
        replace(step(1, shut, Reason.TAKEN_SHUT_OFF), risk=STOPS),
        replace(
            step(2, commit(), Reason.NOT_IN_MANIFEST),
            risk=STOPS,
            estimate=Estimate(bytes=written, downtime=True),
        ),
    )
    return given, replace(
        wish(Disruption.WINDOW, WINDOW), shutdown=Shutdown(timeout=seconds, then_destroy=False)
    )


def test_what_would_not_end_inside_the_window_is_not_begun_in_it() -> None:
    given, domain = stopping(600)
    closes = SUNDAY + timedelta(hours=2)

    assert held(given, domain, now=closes - timedelta(minutes=10)) == []
    (first, *_) = held(given, domain, now=closes - timedelta(minutes=9))
    assert first[1:] == (SUNDAY + timedelta(days=7), HeldBecause.WINDOW_CLOSED)


def test_what_lasts_longer_than_any_window_needs_a_person() -> None:
    given, domain = stopping(60, written=2**40)

    (first, *_) = held(given, domain, now=SUNDAY)

    assert first[1:] == (HeldUntil.APPROVAL, HeldBecause.WINDOW_TOO_SHORT)
