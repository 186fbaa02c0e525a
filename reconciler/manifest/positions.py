"""YAML text → nodes that know where they stand, with YAML 1.2 semantics.

Built from PyYAML's events, not with its constructor: positions stay, ``no`` and ``on`` are texts
(PyYAML speaks YAML 1.1), duplicate keys are seen, and nothing is expanded before it is measured.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from reconciler.manifest.problem import Path, Place, Problem, quoted
from reconciler.manifest.scalar import Scalar, resolved
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES

MAX_DEPTH = 32
MAX_DOCUMENTS = 1000
#: Keys and values in one file: what is asked about each of them stays within a second.
MAX_NODES = 40_000
#: How many nodes aliases may stand for, all together, in one file.
MAX_ALIASED_NODES = 10_000

_Events: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_TEXT = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_TAG = (None, "!")
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and its place.  *text* is a scalar as written; *keys* are the places of the keys."""

    place: Place
    value: "Scalar | dict[str, Node] | list[Node]"
    text: str = ""
    keys: dict[str, Place] = field(default_factory=dict)
    #: nodes in it, aliases expanded
    size: int = 1

    def plain(self) -> object:
        """The same as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def child(self, part: str | int) -> "Node | None":
        """The value under a key or at a list position."""
        if isinstance(self.value, dict) and isinstance(part, str):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int):
            return self.value[part] if part < len(self.value) else None
        return None

    def find(self, path: Path) -> "Node":
        """The node at *path*, or the last one on the way that exists."""
        node = self
        for part in path:
            child = node.child(part)
            if child is None:
                return node
            node = child
        return node

    def place_of_key(self, path: Path) -> Place:
        """Where the last key of *path* is written; where that is no key, where the value is."""
        parent = self.find(path[:-1])
        return parent.keys.get(str(path[-1]), self.find(path).place) if path else self.place


class Unreadable(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def decoded(file: str, text: bytes) -> str:
    """*text* as UTF-8 of a size that is read at all; ``Unreadable`` says why not."""
    if len(text) > MAX_MANIFEST_BYTES:
        limit = MAX_MANIFEST_BYTES // 1024 // 1024
        raise Unreadable(_problem(file, 1, 1, f"is larger than {limit} MiB"))
    try:
        result = text.decode("utf-8")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8")
        raise Unreadable(_at_end_of(file, before, "is not UTF-8")) from None
    result = result.removeprefix("\ufeff")
    if found := _NOT_TEXT.search(result):
        message = f"the control character {quoted(found[0])} may not stand in YAML"
        raise Unreadable(_at_end_of(file, result[: found.start()], message))
    return result


def documents(file: str, text: str) -> tuple[tuple[Node, ...], tuple[Problem, ...]]:
    """The documents in *text* that are not empty, and what is wrong with them as YAML."""
    reader = _Reader(file, text)
    try:
        reader.read()
    except Unreadable as error:
        reader.problems.append(error.problem)
    except yaml.YAMLError as error:
        reader.problems.append(_not_yaml(file, error))
    return tuple(reader.documents), tuple(reader.problems)


class _Reader:
    """Reads one text; keeps what was read before an error."""

    def __init__(self, file: str, text: str) -> None:
        self.documents: list[Node] = []
        self.problems: list[Problem] = []
        self._file = file
        self._events = _Events(text)
        self._anchors: dict[str, Node | None] = {}
        self._aliased = 0
        self._read = 0

    def read(self) -> None:
        count = 0
        while not isinstance(event := self._events.get_event(), yaml.StreamEndEvent):
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            count += 1
            if count > MAX_DOCUMENTS:
                raise self._unreadable(event, f"there are more than {MAX_DOCUMENTS} documents")
            self._anchors = {}
            node = self._node(self._events.get_event(), depth=1)
            if node.value is not None:
                self.documents.append(node)

    def _node(self, event: Any, *, depth: int) -> Node:
        self._read += 1
        if self._read > MAX_NODES:
            raise self._unreadable(event, f"there are more than {MAX_NODES} keys and values")
        if depth > MAX_DEPTH:
            raise self._unreadable(event, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        else:
            if event.tag not in _NO_TAG + _COLLECTIONS:
                self._report(event, f"the tag {quoted(event.tag)} is not supported")
            is_list = isinstance(event, yaml.SequenceStartEvent)
            node = self._sequence(event, depth) if is_list else self._mapping(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise self._unreadable(event, f"there is no anchor &{event.anchor} before this alias")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._unreadable(event, f"the alias *{event.anchor} stands inside itself")
        self._aliased += node.size
        if self._aliased > MAX_ALIASED_NODES:
            message = f"the aliases of this file stand for more than {MAX_ALIASED_NODES} values"
            raise self._unreadable(event, message)
        return replace(node, place=_place(event))

    def _scalar(self, event: Any) -> Node:
        is_plain = event.tag is None and event.implicit[0]
        tag = event.tag if event.tag not in _NO_TAG else None
        try:
            value = resolved(event.value, tag=tag, is_plain=is_plain)
        except ValueError as error:
            self._report(event, str(error))
            value = event.value
        return Node(place=_place(event), value=value, text=event.value)

    def _sequence(self, start: Any, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := self._events.get_event(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth=depth + 1))
        return Node(place=_place(start), value=items, size=1 + sum(item.size for item in items))

    def _mapping(self, start: Any, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        size = 1
        while not isinstance(event := self._events.get_event(), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            value = self._node(self._events.get_event(), depth=depth + 1)
            size += value.size
            if not isinstance(key.value, str):
                self._report(event, f"a key must be a text, not {shown(key)}")
            elif key.value in keys:
                before = keys[key.value].line
                self._report(event, f"the key {quoted(key.value)} is in line {before} already")
            else:
                keys[key.value] = key.place
                values[key.value] = value
        return Node(place=_place(start), value=values, keys=keys, size=size)

    def _report(self, event: Any, message: str) -> None:
        self.problems.append(Problem(file=self._file, place=_place(event), message=message))

    def _unreadable(self, event: Any, message: str) -> Unreadable:
        return Unreadable(Problem(file=self._file, place=_place(event), message=message))


def shown(node: Node) -> str:
    """A value as a message names it."""
    match node.value:
        case None:
            return "nothing"
        case bool():
            return str(node.value).lower()
        case int() | float():
            return f"the number {node.text}"
        case str():
            return quoted(node.value)
        case dict():
            return "a mapping"
        case list():
            return "a list"


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _problem(file: str, line: int, column: int, message: str) -> Problem:
    return Problem(file=file, place=Place(line, column), message=message)


def _at_end_of(file: str, before: str, message: str) -> Problem:
    return _problem(file, before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1, message)


def _not_yaml(file: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    cause = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return _problem(file, line, column, f"is not YAML: {cause}")
