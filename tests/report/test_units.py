"""Amounts and times."""

from datetime import UTC, datetime

import pytest

from reconciler.report.lines import padded, safe
from reconciler.report.units import count, joined, local_epoch, local_time, size


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (196608, "192 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (312 * 1024**2, "312 MiB"),
        (int(1.2 * 1024**3), "1.2 GiB"),
        (int(9.97 * 1024**3), "10 GiB"),
        (5 * 1024**5, "5 PiB"),
        (5000 * 1024**5, "5000 PiB"),
    ],
)
def test_sizes_are_iec(amount: int, text: str) -> None:
    assert size(amount) == text


def test_lists_and_counts() -> None:
    assert [joined(list(text)) for text in ("", "a", "ab", "abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert (count(1, "domain"), count(2, "domain")) == ("1 domain", "2 domains")


def test_times_are_local() -> None:
    assert local_time(datetime(2026, 3, 1, 12, 0, tzinfo=UTC), UTC) == "2026-03-01 12:00"
    assert local_epoch(2**70) == "unknown time"


def test_widths_are_those_of_the_terminal() -> None:
    assert padded("日本", 6) == "日本  "
    assert safe("a\u202eb\n") == "a\\u202eb\\n"
