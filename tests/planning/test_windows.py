"""When windows are open, over every change of clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.desired import Window
from reconciler.planning import windows


def window(schedule: str, hours: float = 2, zone: str = "Europe/Madrid") -> Window:
    return Window(schedule=schedule, duration=timedelta(hours=hours), zone=ZoneInfo(zone))


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SUNDAYS = window("0 2 * * sun")


def next_opening(of: Window, now: str) -> datetime:
    """In UTC: an hour that comes twice is like no time of another zone."""
    found = windows.next_opening((of,), at(now))
    assert found is not None
    return found.astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2026-11-29T00:59:59", None),
        ("2026-11-29T01:00:00", "2026-11-29T03:00:00"),
        ("2026-11-29T02:59:59", "2026-11-29T03:00:00"),
        ("2026-11-29T03:00:00", None),
        ("2026-11-30T01:30:00", None),
    ],
)
def test_a_window_is_open_from_its_opening_to_before_its_end(now: str, closes: str | None) -> None:
    assert windows.closing((SUNDAYS,), at(now)) == (at(closes) if closes else None)


def test_the_next_opening_is_told_in_the_zone_of_its_window() -> None:
    opening = windows.next_opening((SUNDAYS,), at("2026-11-26T12:00:00"))

    assert opening is not None
    assert f"{opening:%Y-%m-%d %H:%M %Z}" == "2026-11-29 02:00 CET"


def test_an_opening_that_a_change_of_clock_leaves_out_comes_right_after_it() -> None:
    # at 02:00 of 2026-03-29 it is 03:00 at once
    assert next_opening(SUNDAYS, "2026-03-28T12:00:00") == at("2026-03-29T01:00:00")
    assert windows.closing((SUNDAYS,), at("2026-03-29T00:59:59")) is None
    assert windows.closing((SUNDAYS,), at("2026-03-29T02:59:59")) == at("2026-03-29T03:00:00")
    assert windows.closing((SUNDAYS,), at("2026-03-29T03:00:00")) is None


def test_an_hour_that_comes_twice_opens_a_window_once() -> None:
    # at 03:00 of 2026-10-25 it is 02:00 again: 00:00 and 01:00 UTC are both 02:00
    assert next_opening(SUNDAYS, "2026-10-24T12:00:00") == at("2026-10-25T00:00:00")
    assert windows.closing((SUNDAYS,), at("2026-10-25T00:00:00")) == at("2026-10-25T02:00:00")
    # 02:30 for the second time
    assert windows.closing((SUNDAYS,), at("2026-10-25T01:30:00")) == at("2026-10-25T02:00:00")
    assert windows.closing((SUNDAYS,), at("2026-10-25T02:00:00")) is None
    assert next_opening(SUNDAYS, "2026-10-25T00:00:00") == at("2026-11-01T01:00:00")


def test_a_window_that_opened_in_the_first_of_two_hours_is_seen_from_the_second() -> None:
    half_past = window("30 2 * * *")
    # 02:10 for the second time, 40 minutes after 02:30
    assert windows.closing((half_past,), at("2026-10-25T01:10:00")) == at("2026-10-25T02:30:00")
    assert next_opening(half_past, "2026-10-25T01:10:00") == at("2026-10-26T01:30:00")


def test_of_several_windows_the_last_closing_and_the_first_opening_count() -> None:
    both = (window("0 2 * * *", zone="UTC"), window("0 3 * * *", zone="UTC"))

    assert windows.closing(both, at("2026-01-01T03:30:00")) == at("2026-01-01T05:00:00")
    assert windows.next_opening(both, at("2026-01-01T02:30:00")) == at("2026-01-01T03:00:00")
    assert windows.closing((), at("2026-01-01T03:30:00")) is None
    assert windows.next_opening((), at("2026-01-01T03:30:00")) is None


def test_a_window_longer_than_its_period_never_closes() -> None:
    always = window("@hourly", hours=30, zone="UTC")

    assert windows.closing((always,), at("2026-01-01T03:30:00")) == at("2026-01-02T09:00:00")


@pytest.mark.parametrize(
    ("nickname", "opens"),
    [
        ("@hourly", "2026-01-01T01:00:00"),
        ("@daily", "2026-01-02T00:00:00"),
        ("@midnight", "2026-01-02T00:00:00"),
        ("@weekly", "2026-01-04T00:00:00"),
        ("@monthly", "2026-02-01T00:00:00"),
        ("@yearly", "2027-01-01T00:00:00"),
        ("@annually", "2027-01-01T00:00:00"),
    ],
)
def test_nicknames(nickname: str, opens: str) -> None:
    found = windows.next_opening((window(nickname, zone="UTC"),), at("2026-01-01T00:00:00"))

    assert found == at(opens)


CHANGES_OF_CLOCK = st.sampled_from(
    (
        at("2026-03-29T01:00:00"),
        at("2026-10-25T01:00:00"),
        at("2026-04-04T15:00:00"),
        at("2026-10-03T15:30:00"),
    )
)


@given(
    CHANGES_OF_CLOCK,
    st.integers(-300, 300),
    st.sampled_from(
        ("0 2 * * *", "30 2 * * *", "15 1-3 * * *", "*/20 * * * *", "@hourly", "@daily")
    ),
    st.sampled_from(("Europe/Madrid", "Australia/Lord_Howe", "UTC")),
    st.integers(1, 180),
)
def test_what_opens_next_is_open_then_and_was_not_open_just_before(
    change: datetime, minutes: int, schedule: str, zone: str, duration: int
) -> None:
    now = change + timedelta(minutes=minutes)
    one = (Window(schedule=schedule, duration=timedelta(minutes=duration), zone=ZoneInfo(zone)),)

    opening = windows.next_opening(one, now)

    assert opening is not None
    assert opening.astimezone(UTC) > now
    closes = windows.closing(one, opening)
    assert closes == opening.astimezone(UTC) + timedelta(minutes=duration)
    # between now and then nothing opens: what is open closes when it would have closed
    before = opening.astimezone(UTC) - timedelta(seconds=1)
    still_open = windows.closing(one, now)
    assert windows.closing(one, before) == (
        still_open if still_open is not None and still_open > before else None
    )
