"""How amounts, times and lists read in text for people: IEC sizes, local time."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(amount: int) -> str:
    """*amount* bytes as ``312 MiB``, ``1.2 GiB``: three digits at most, never rounded to nothing."""
    value = float(amount)
    for unit in _UNITS:
        # 1023.5 would round to a four-digit 1024 of the smaller unit
        if value < 1023.5 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B" or value >= 9.95 or value == int(value):
        return f"{value:.0f} {unit}"
    return f"{value:.1f} {unit}"


def local_time(moment: datetime, zone: tzinfo | None = None) -> str:
    """*moment* to the minute, in *zone* or the local one."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def local_epoch(seconds: int, zone: tzinfo | None = None) -> str:
    """Seconds since the epoch as ``local_time``; libvirt has no finer ones."""
    try:
        return local_time(datetime.fromtimestamp(seconds, UTC), zone)
    except (OverflowError, ValueError, OSError):
        return "unknown time"


def joined(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 domain``, ``17 domains``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: int) -> str:
    """``90s``, ``2m``, ``1h``: as a manifest would say it."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
