"""What is wrong with a manifest, where, and what was probably meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice

#: The way to a value: keys and list positions.
Path = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_SHOWN = 60
#: Of each check of a document, or of all of them together.
MOST_TOLD = 200


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Problem:
    """Reads ``file:line:column: path: message``; sorts by place."""

    file: str
    place: Place
    path: str = ""
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.place.line}:{self.place.column}"
        return ": ".join(part for part in (where, self.path, self.message) if part)


def first_of(problems: Iterable[Problem]) -> list[Problem]:
    """The first of *problems*; the rest is not even looked for, and that is said."""
    found = list(islice(problems, MOST_TOLD + 1))
    if len(found) > MOST_TOLD:
        message = f"there is more of this; the first {MOST_TOLD} are told"
        found[-1] = replace(found[-1], path="", message=message)
    return found


def path_text(path: Path) -> str:
    """``spec.snapshots[2].quiesce``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(text: str) -> str:
    """*text* in quotes on one line, cut when it is long."""
    shown = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    return "'" + "".join(c if c.isprintable() else _escaped(c) for c in shown) + "'"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` when *word* is a near miss of something known, else nothing."""
    by_lower = {name.lower(): name for name in sorted(known)}
    found = get_close_matches(word[:_LONGEST_SHOWN].lower(), by_lower, n=1)
    return f" (did you mean {quoted(by_lower[found[0]])}?)" if found else ""
