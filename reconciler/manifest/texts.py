"""Texts with a meaning: durations, sizes, schedules, time zones, paths, URIs, targets.

Every ``check_…`` returns the text or raises ``ValueError`` with what is wrong with it.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from reconciler.manifest.problem import quoted
from reconciler.model.names import why_not_a_name

DURATION = r"[1-9][0-9]{0,8}[smhd]"
SIZE = r"[1-9][0-9]{0,17}(B|KiB|MiB|GiB|TiB)"
URI = r"[a-z][a-z0-9]*(\+[a-z0-9]+)?://\S*"
TARGET = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
SHA256 = r"sha256:[0-9a-f]{64}"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_LONGEST_DURATION = timedelta(days=36500)
_MOST_BYTES = 2**63 - 1
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)

_NICKNAMES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: name, lowest, highest, words for the numbers from the lowest on
_CRON_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _WEEKDAYS),
)


def duration(text: str) -> timedelta:
    """``90s``, ``15m``, ``2h``, ``7d``."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(f"expected a duration such as 90s, 15m, 2h or 7d, not {quoted(text)}")
    seconds = int(text[:-1]) * _SECONDS[text[-1]]
    if seconds > _LONGEST_DURATION.total_seconds():
        raise ValueError(f"{quoted(text)} is longer than {_LONGEST_DURATION.days}d")
    return timedelta(seconds=seconds)


def check_duration(text: str) -> str:
    """See ``duration``."""
    duration(text)
    return text


def size(text: str) -> int:
    """``200MiB`` as bytes."""
    found = re.fullmatch(SIZE, text)
    if not found:
        raise ValueError(f"expected a size such as 512KiB, 200MiB or 2GiB, not {quoted(text)}")
    number = int(text.removesuffix(found[1])) * _BYTES[found[1]]
    if number > _MOST_BYTES:
        raise ValueError(f"{quoted(text)} is larger than libvirt can be told")
    return number


def check_size(text: str) -> str:
    """See ``size``."""
    size(text)
    return text


def check_name(text: str) -> str:
    """The rule of names (design §2)."""
    if why := why_not_a_name(text):
        raise ValueError(f"{quoted(text)} {why}" if text else why)
    return text


def check_domain(text: str) -> str:
    """What libvirt takes as the name of a domain, or a UUID."""
    if not text.strip():
        raise ValueError("is empty")
    if "/" in text:
        raise ValueError(f"{quoted(text)} has a '/'")
    return check_no_control(text)


def check_no_control(text: str) -> str:
    """No control character at all, and no half of a surrogate pair."""
    if any(_is_control(c) for c in text):
        raise ValueError(f"{quoted(text)} has a control character")
    return text


def check_prose(text: str) -> str:
    """Lines of text that XML can hold."""
    for character in text:
        if (_is_control(character) and character not in "\n\t") or character in "\ufffe\uffff":
            raise ValueError(f"has the control character {quoted(character)}")
    return text


def _is_control(character: str) -> bool:
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code <= 0xDFFF


def check_target(text: str) -> str:
    """``vda``."""
    if not re.fullmatch(TARGET, text):
        raise ValueError(f"{quoted(text)} is not a disk target such as vda")
    return text


def check_uri(text: str) -> str:
    """A libvirt connection URI."""
    if not re.fullmatch(URI, text):
        raise ValueError(
            f"expected a libvirt URI such as qemu:///system or qemu+ssh://root@kvm01/system,"
            f" not {quoted(text)}"
        )
    return check_no_control(text)


def check_folder(text: str) -> str:
    """An absolute path without ``..``."""
    check_no_control(text)
    if not text.startswith("/"):
        raise ValueError(f"expected an absolute path, not {quoted(text)}")
    if ".." in text.split("/"):
        raise ValueError(f"{quoted(text)} has a '..'")
    return text


def check_sha256(text: str) -> str:
    """A plan id."""
    if not re.fullmatch(SHA256, text):
        raise ValueError(f"expected a plan id (sha256: and 64 hex digits), not {quoted(text)}")
    return text


def check_glob(text: str) -> str:
    """A pattern with ``*``, ``?`` and ``[…]``."""
    if not text:
        raise ValueError("is empty")
    return check_no_control(text)


def check_time_zone(text: str) -> str:
    """A name of the IANA time zone database."""
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"there is no time zone {quoted(text)}") from None
    return text


def check_schedule(text: str) -> str:
    """Five fields of cron, or a nickname such as ``@daily``."""
    if text in _NICKNAMES:
        return text
    if text.startswith("@"):
        raise ValueError(f"expected one of {', '.join(_NICKNAMES)}, not {quoted(text)}")
    parts = text.split()
    if len(parts) != len(_CRON_FIELDS):
        raise ValueError(f"expected 5 cron fields such as '0 2 * * *', not {quoted(text)}")
    for part, (name, low, high, words) in zip(parts, _CRON_FIELDS, strict=True):
        for item in part.lower().split(","):
            if not _is_cron_item(item, low, high, words):
                raise ValueError(f"{quoted(item)} is no {name} of a cron schedule ({low}-{high})")
    try:
        next(CronSim(text, _SOME_DAY))
    except (CronSimError, StopIteration):
        raise ValueError(f"{quoted(text)} never comes") from None
    return text


def _is_cron_item(item: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    """``*``, ``N``, ``N-M``, each with ``/STEP``."""
    span, slash, step = item.partition("/")
    if slash and not (re.fullmatch(r"[0-9]{1,2}", step) and 1 <= int(step) <= high):
        return False
    if span == "*":
        return True
    first, dash, last = span.partition("-")
    ends = [_cron_number(end, low, words) for end in ((first, last) if dash else (first,))]
    if slash and not dash:
        return False
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _cron_number(text: str, low: int, words: tuple[str, ...]) -> int:
    if text in words:
        return low + words.index(text)
    return int(text) if re.fullmatch(r"[0-9]{1,2}", text) else -1
