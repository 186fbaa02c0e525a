"""Lines for people, before anybody knows whether there is a terminal."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len


class Tone(enum.Enum):
    """What a line is about; a terminal may colour it, the words say it anyway."""

    PLAIN = enum.auto()
    STRONG = enum.auto()
    ADDED = enum.auto()
    REMOVED = enum.auto()
    CHANGED = enum.auto()
    REFUSED = enum.auto()
    WARNING = enum.auto()
    QUIET = enum.auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output, without its end."""

    text: str = ""
    tone: Tone = Tone.PLAIN


#: The detail of a row is filled up to this width, so that reasons stand in one column.
_DETAIL_WIDTH = 45
_GAP = "   "


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of a block: mark, verb, what it is done to, how, why; then more lines of detail."""

    mark: str
    verb: str
    subject: str
    detail: str = ""
    reason: str = ""
    more: tuple[str, ...] = ()
    tone: Tone = Tone.PLAIN


def safe(text: str) -> str:
    """*text* with what a terminal would obey made visible; names come from anywhere."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def padded(text: str, width: int) -> str:
    """*text* filled with spaces up to *width* terminal cells."""
    return text + " " * max(0, width - cell_len(text))


def rows(entries: Sequence[Row], *, indent: str = "  ") -> Iterator[Line]:
    """The rows of one block, in columns; nothing is ever cut off."""
    verb_width = max((cell_len(row.verb) for row in entries), default=0)
    subject_width = max((cell_len(row.subject) for row in entries), default=0)
    for row in entries:
        head = f"{indent}{row.mark} {padded(row.verb, verb_width)}  "
        head += f"{padded(row.subject, subject_width)}  "
        detail = f"{padded(row.detail, _DETAIL_WIDTH)}{_GAP}{row.reason}" if row.reason else ""
        yield Line((head + (detail or row.detail)).rstrip(), row.tone)
        for text in row.more:
            yield Line(" " * cell_len(head) + text, row.tone)


def as_text(lines: Iterable[Line]) -> str:
    """The lines as they are piped: no colour, no wrapping, nothing a terminal would obey."""
    return "".join(f"{safe(line.text)}\n" for line in lines)
