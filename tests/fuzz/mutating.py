"""From a seed to something hostile: by bytes, by YAML's tokens, or by structure.  Chance comes in."""

from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import yaml

from tests.fuzz import corpus

#: The largest text that is made, a little over what is read at all.
LARGEST = (1 << 20) + 64
#: what is written for an item besides its text: a line end, indentation, a dash
_ITEM = 20


def of_bytes(chance: Random, seed: bytes) -> bytes:
    """*seed* with bytes changed, cut, doubled, put in, and now and then repeated without measure."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 9))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 40, 200)))
        match chance.randrange(7):
            case 0:
                data[start:end] = chance.randbytes(end - start)
            case 1:
                data[start:end] = b""
            case 2:
                data[start:end] = chance.choice(corpus.RAW)
            case 3:
                data[start:start] = data[start:end] * chance.choice((1, 2, 9, 60))
            case 4:
                data[start:end] = chance.choice(corpus.TOKENS).encode("utf-8", "surrogatepass")
            case 5:
                data[start:end] = chance.choice(corpus.SCALARS).encode("utf-8", "surrogatepass")
            case _:
                other = chance.choice(corpus.manifests())
                at = chance.randrange(len(other))
                data[start:end] = other[at : at + chance.choice((4, 40, 400))]
    return _repeated(chance, bytes(data))


def of_tokens(chance: Random) -> bytes:
    """Pieces that mean something to YAML, in no order."""
    pieces = corpus.TOKENS + corpus.SCALARS[:60]
    text = "".join(chance.choice(pieces) for _ in range(chance.randrange(40)))
    return _repeated(chance, text.encode("utf-8", "surrogatepass"))


def of_template(chance: Random) -> bytes:
    """A template with pieces put in, or pieces alone."""
    pieces = [chance.choice(corpus.JINJA) for _ in range(chance.randrange(12))]
    if chance.random() < 0.3:
        return "".join(pieces).encode("utf-8", "surrogatepass")
    text = corpus.TEMPLATE.decode()
    for piece in pieces[:4]:
        at = chance.randrange(len(text))
        text = text[:at] + piece + text[at + chance.choice((0, 0, 3, 9)) :]
    return text.encode("utf-8", "surrogatepass")


def _repeated(chance: Random, data: bytes) -> bytes:
    if not data or chance.random() > 0.0005:
        return data
    start = chance.randrange(len(data))
    piece = data[start : start + chance.choice((1, 5, 50))]
    return (data[:start] + piece * (LARGEST // len(piece)))[:LARGEST]


# --- by structure


@dataclass
class Pairs:
    """A mapping that may have a key twice."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass
class Marked:
    """A value with an anchor or a tag, or an alias alone."""

    mark: str
    value: Any = None


def of_structure(chance: Random, seed: bytes) -> bytes:
    """The documents of *seed*, some values changed for others, written in another style."""
    documents = [_opened(value) for value in _values(seed)]
    if not documents:
        return of_bytes(chance, seed)
    whole = chance.sample(documents, k=min(len(documents), chance.choice((1, 2, 3))))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 6))):
        _mutate(chance, whole)
    ends = chance.choice(("\n", "\n", "\n", "\r\n", "\r"))
    lines = [f"---\n{_written(chance, each, 0)}\n" for each in whole]
    text = chance.choice(("", "", "", "\ufeff", "%YAML 1.2\n", "# ü\n")) + "".join(lines)
    return text.replace("\n", ends).encode("utf-8", "surrogatepass")


@cache
def _values(seed: bytes) -> tuple[Any, ...]:
    """The documents of *seed*; none of what PyYAML cannot read, or would read without end."""
    try:
        return () if b"&" in seed else tuple(yaml.safe_load_all(seed))
    except (yaml.YAMLError, ValueError):
        return ()


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs([(key, _opened(below)) for key, below in value.items()])
    return [_opened(below) for below in value] if isinstance(value, list) else value


def _mutate(chance: Random, whole: list[Any]) -> None:
    """One change at a place that is chosen going down."""
    at: Any = whole
    while True:
        keys = range(len(at.items if isinstance(at, Pairs) else at))
        if not keys:
            return
        key = chance.choice(keys)
        below = at.items[key][1] if isinstance(at, Pairs) else at[key]
        if not isinstance(below, list | Pairs) or chance.random() < 0.2:
            break
        at = below
    items = at.items if isinstance(at, Pairs) else at
    before = items[:]
    if isinstance(at, Pairs):
        items[key : key + 1] = _changed_pair(chance, *items[key])
    else:
        items[key : key + 1] = chance.choice(
            ([_other(chance, below)], [], [below, below], [below] * 30, [at[0], below])
        )
    # copies of copies, six times over, would be more than any memory holds
    if not _is_writable(whole):
        items[:] = before


def _is_writable(value: Any) -> bool:
    """Written out, *value* is not much over the largest text; looked through no further than that."""
    room, waiting = 2 * LARGEST, [value]
    while waiting and room > 0:
        each = waiting.pop()
        match each:
            case list() | tuple():
                waiting += each
            case Pairs(items=items):
                waiting += items
            case Marked(value=below):
                waiting.append(below)
            case str():
                room -= len(each)
        room -= _ITEM
    return room > 0


def _changed_pair(chance: Random, key: Any, value: Any) -> list[tuple[Any, Any]]:
    match chance.randrange(8):
        case 0:
            return []
        case 1:
            return [(key, value), (key, _other(chance, value))]
        case 2:
            return [(_scalar(chance), value)]
        case 3:
            return [(key, value), (_scalar(chance), _other(chance, value))]
        case 4:
            return [(key, value), ("<<", _other(chance, value))]
        case 5:
            return [(str(key)[:-1] or "x", value)]
        case _:
            return [(key, _other(chance, value))]


def _scalar(chance: Random) -> Any:
    return chance.choice(
        (chance.choice(corpus.SCALARS), chance.choice(corpus.SCALARS), 1, None, True)
    )


def _other(chance: Random, value: Any) -> Any:
    match chance.randrange(10):
        case 0:
            return [value]
        case 1:
            return Pairs([(_scalar(chance), value)])
        case 2:
            return Marked(
                chance.choice(("&a ", "&b ", "!!str ", "!!int ", "!x ", "!!map ", "!!set ")), value
            )
        case 3:
            return Marked(chance.choice(("*a", "*b", "*c")))
        case 4:
            return _deep(chance, value)
        case 5:
            return str(value)[:99] * chance.choice((2, 30, 3000))
        case 6:
            return []
        case _:
            return _scalar(chance)


def _deep(chance: Random, value: Any) -> Any:
    for _ in range(chance.choice((5, 31, 60))):
        value = [value] if chance.random() < 0.5 else Pairs([("a", value)])
    return value


def _written(chance: Random, value: Any, indent: int) -> str:
    is_flow = indent > 8 or chance.random() < 0.4
    space = "" if is_flow else "\n" + "  " * indent
    match value:
        case Pairs(items=items) if items:
            pairs = [f"{_text(chance, k)}: {_written(chance, v, indent + 1)}" for k, v in items]
            return "{" + ", ".join(pairs) + "}" if is_flow else space + space.join(pairs)
        case list() if value:
            texts = [_written(chance, below, indent + 1) for below in value]
            return (
                "[" + ", ".join(texts) + "]" if is_flow else space + "- " + f"{space}- ".join(texts)
            )
        case Pairs():
            return "{}"
        case list():
            return "[]"
        case Marked(mark=mark, value=below):
            return mark if mark[0] == "*" else mark + _written(chance, below, indent)
        case _:
            return _text(chance, value)


def _text(chance: Random, value: Any) -> str:
    """A scalar, mostly as it should be quoted, sometimes not."""
    if value is None or isinstance(value, bool | int | float):
        return str(value).lower()
    text = str(value)
    match chance.randrange(6):
        case 0:
            return text
        case 1 | 2:
            return "'" + text.replace("'", "''") + "'"
        case 3:
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case 4:
            return '"' + "".join(f"\\U{ord(c):08x}" for c in text[:99]) + '"'
        case _:
            return text if text.isalnum() else "'" + text.replace("'", "''") + "'"
