"""Durations, sizes, schedules and time zones."""

from datetime import timedelta

import pytest

from reconciler.manifest import texts


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604800)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert texts.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "90", "s", "-1s", "1.5h", "1 h", "1w", "999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        texts.check_duration(text)


@pytest.mark.parametrize(("text", "size"), [("1B", 1), ("1KiB", 1024), ("2GiB", 2**31)])
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert texts.size(text) == size


@pytest.mark.parametrize("text", ["", "0B", "1", "1k", "1MB", "1 MiB", "99999999TiB", "1.5MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        texts.check_size(text)


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "0 2 * * sun",
        "*/5 0-6 1,15 jan-MAR 1-5",
        "0 0 31 12 7",
        "@daily",
        "5-50/5 * * * *",
    ],
)
def test_a_schedule_has_five_fields_or_a_nickname(text: str) -> None:
    assert texts.check_schedule(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
     "*/0 * * * *", "5-1 * * * *", "5/5 * * * *", "a * * * *", "@noon", "-1 * * * *", "1,,2 * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        texts.check_schedule(text)


def test_a_time_zone_is_known_to_the_system() -> None:
    assert texts.check_time_zone("Europe/Madrid") == "Europe/Madrid"


@pytest.mark.parametrize("text", ["", "Mars/Base", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        texts.check_time_zone(text)
