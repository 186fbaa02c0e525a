"""What the format has and this version does not do yet: refused by name, never ignored."""

from dataclasses import dataclass

from reconciler.manifest.positions import Node
from reconciler.manifest.problem import Path, Problem, path_text
from reconciler.manifest.scalar import Scalar

KINDS = ("SnapshotPolicy",)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A field, or some of its values.  In *path*, ``[]`` is every item and ``*`` every key."""

    kind: str
    path: str
    values: tuple[Scalar, ...] = ()


FIELDS = (Unsupported("DomainSnapshots", "spec.approve"),)


def unsupported(file: str, kind: str, document: Node) -> dict[Path, Problem]:
    """What of *document* this version refuses, by path."""
    if kind in KINDS:
        message = f"{kind} is not supported by this version"
        place = document.find(("kind",)).place
        return {(): Problem(file=file, place=place, path="kind", message=message)}
    return {
        path: _refusal(file, document, path, rule)
        for rule in FIELDS
        if rule.kind == kind
        for path in _paths(document, rule.path.replace("[]", ".[]").split("."))
        if _applies(rule, document.find(path).value)
    }


def of_field(kind: str, path: str) -> Unsupported | None:
    """The rule for a field, its path written as in ``Unsupported``."""
    return next((rule for rule in FIELDS if (rule.kind, rule.path) == (kind, path)), None)


def _applies(rule: Unsupported, value: object) -> bool:
    # 1 == True in Python; only the very value is meant.
    return not rule.values or any(
        type(value) is type(refused) and value == refused for refused in rule.values
    )


def _refusal(file: str, document: Node, path: Path, rule: Unsupported) -> Problem:
    if not rule.values:
        message = f"{path_text(path)} is not supported by this version"
        return Problem(file=file, place=document.place_of_key(path), message=message)
    node = document.find(path)
    message = f"{node.text} is not supported by this version"
    return Problem(file=file, place=node.place, path=path_text(path), message=message)


def _paths(node: Node, parts: list[str]) -> list[Path]:
    """The paths that exist in *node* for a pattern."""
    if not parts:
        return [()]
    first, rest = parts[0], parts[1:]
    keys: list[str | int] = []
    if first == "[]" and isinstance(node.value, list):
        keys = list(range(len(node.value)))
    elif first == "*" and isinstance(node.value, dict):
        keys = list(node.value)
    elif node.child(first):
        keys = [first]
    return [
        (key, *path) for key in keys if (child := node.child(key)) for path in _paths(child, rest)
    ]
