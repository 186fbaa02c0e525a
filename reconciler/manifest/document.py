"""One document against the model of its kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.manifest.fields import API_VERSION
from reconciler.manifest.positions import Node, shown
from reconciler.manifest.problem import (
    MOST_TOLD,
    Path,
    Problem,
    did_you_mean,
    path_text,
    quoted,
)
from reconciler.manifest.schema import KINDS, fields_at
from reconciler.manifest.unsupported import unsupported

#: Behind the name of a template: lines and columns are those of what was rendered from it.
RENDERED = " (rendered)"
_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_NO_VALUE = "has no value; give it one, or leave it out"
_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document that says what it is.

    *model* is None when something in it is wrong; what is merely not supported yet is in it.
    """

    #: as problems name it
    file: str
    node: Node
    kind: str
    model: BaseModel | None

    @property
    def manifest(self) -> str:
        """The file as the user knows it."""
        return self.file.removesuffix(RENDERED)

    @property
    def name(self) -> str | None:
        """``metadata.name``, also of a document that is wrong elsewhere."""
        value = self.node.find(("metadata", "name")).value
        return value if isinstance(value, str) else None

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """A problem at the value, or the key, of *path*."""
        place = self.node.place_of_key(path) if at_key else self.node.find(path).place
        return Problem(file=self.file, place=place, path=path_text(path), message=message)


def read_document(file: str, node: Node) -> tuple[Document | None, list[Problem]]:
    """*node* as a document of its kind, and all that is wrong with it."""
    header = _header(file, node)
    kind = node.find(("kind",)).value if isinstance(node.value, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        return None, header
    refused = unsupported(file, kind, node)
    draft = Document(file, node, kind, None)
    if () in refused:
        return draft, [*header, refused[()]]
    missing = {path: draft.problem(path, _NO_VALUE) for path in _empty(node, ())}
    silent: set[Path] = {*refused, *missing, ("apiVersion",), ("kind",)}
    model, found = _validated(draft, KINDS[kind])
    wrong = [problem for path, problem in found if not _is_below(path, silent)]
    problems = [*header, *refused.values(), *missing.values(), *wrong]
    is_sound = len(problems) == len(refused)
    return Document(file, node, kind, model if is_sound else None), problems


def _header(file: str, node: Node) -> list[Problem]:
    """What is wrong with ``apiVersion`` and ``kind``."""
    if not isinstance(node.value, dict):
        message = f"expected a document with apiVersion, kind, metadata and spec, not {shown(node)}"
        return [Problem(file=file, place=node.place, message=message)]
    return [
        problem
        for field, known in (("apiVersion", (API_VERSION,)), ("kind", tuple(KINDS)))
        if (problem := _header_field(file, node, field, known))
    ]


def _header_field(file: str, node: Node, field: str, known: tuple[str, ...]) -> Problem | None:
    value = node.child(field)
    if value is None:
        message = f"is required: {' or '.join(known)}"
        return Problem(file=file, place=node.place, path=field, message=message)
    if value.value in known:
        return None
    near = did_you_mean(value.text, known)
    message = f"expected {' or '.join(known)}, not {shown(value)}{near}"
    return Problem(file=file, place=value.place, path=field, message=message)


def _empty(node: Node, path: Path) -> Iterator[Path]:
    """The paths of all values that are null."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _empty(child, (*path, key))
    elif isinstance(node.value, list):
        for position, child in enumerate(node.value):
            yield from _empty(child, (*path, position))
    elif node.value is None:
        yield path


def _is_below(path: Path, heads: set[Path]) -> bool:
    return any(path[:length] in heads for length in range(len(path) + 1))


def _validated(
    document: Document, model: type[BaseModel]
) -> tuple[BaseModel | None, list[tuple[Path, Problem]]]:
    try:
        return model.model_validate(document.node.plain()), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    return None, [_explained(document, model, detail) for detail in details[: MOST_TOLD + 1]]


def _explained(
    document: Document, model: type[BaseModel], detail: ErrorDetails
) -> tuple[Path, Problem]:
    """An error of pydantic in our words."""
    path: Path = detail["loc"]
    is_of_key = path[-1:] == ("[key]",)
    if is_of_key:
        path = path[:-1]
    if detail["type"] == "extra_forbidden":
        known = fields_at(model, path[:-1])
        near = did_you_mean(str(path[-1]), known) or _merge_key(path[-1])
        return path, document.problem(path, f"unknown field{near}", at_key=True)
    message = _message(document.node.find(path), detail)
    return path, document.problem(path, message, at_key=is_of_key)


def _merge_key(key: str | int) -> str:
    return " (YAML 1.2 has no merge keys)" if key == "<<" else ""


def _message(node: Node, detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx") or {}
    match detail["type"]:
        case "missing":
            is_list = detail["loc"][-1] == "snapshots"
            return "is required" + (" ([] declares that there are none)" if is_list else "")
        case "literal_error":
            return _not_one_of(node, context["expected"])
        case "value_error":
            return str(context["error"])
        case "greater_than_equal":
            return f"must be at least {context['ge']}, not {node.text}"
        case "less_than_equal":
            return f"must be at most {context['le']}, not {node.text}"
        case kind if kind in _WANTED:
            return f"expected {_WANTED[kind]}, not {shown(node)}{_remedy(kind, node)}"
        case _:
            return detail["msg"]


def _not_one_of(node: Node, expected: str) -> str:
    known = tuple(part.strip("'") for part in expected.replace(" or ", ", ").split(", "))
    near = did_you_mean(node.text, known) if isinstance(node.value, str) else ""
    return f"expected {' or '.join(known)}, not {shown(node)}{near}"


def _remedy(kind: str, node: Node) -> str:
    if kind == "string_type" and isinstance(node.value, bool | int | float):
        return f" (write it in quotes: {quoted(node.text)})"
    if kind == "bool_type" and node.text.lower() in _BOOLEANS:
        return f" (did you mean {_BOOLEANS[node.text.lower()]}?)"
    if kind == "int_type" and isinstance(node.value, str) and node.value.isdecimal():
        return " (without quotes)"
    return ""
