"""The fields in the JSON Schema of a kind of manifest, one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.manifest import unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """*path* as in ``unsupported``; *schema* is the very dictionary in the JSON Schema."""

    path: str
    schema: dict[str, Any]
    is_required: bool


def fields(root: dict[str, Any]) -> Iterator[Field]:
    """All fields, those of a mapping right after it."""
    yield from _fields(root, root, "")


def support(kind: str, path: str) -> str:
    """A sentence on what of the field this version refuses, or nothing."""
    rules = (unsupported.of_field(kind, path), unsupported.of_field(kind, f"{path}.*"))
    rule = next((rule for rule in rules if rule), None)
    if rule is None:
        return ""
    values = [str(value).lower() if value is True else str(value) for value in rule.values]
    what = ", ".join(f"`{value}`" for value in values)
    return f" {what}: not supported by this version." if what else " Not supported by this version."


def _fields(model: dict[str, Any], root: dict[str, Any], above: str) -> Iterator[Field]:
    for name, field in model.get("properties", {}).items():
        path = f"{above}{name}"
        inner, suffix = (field["items"], "[].") if "items" in field else (field, ".")
        below = root["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else {}
        # pydantic leaves a description out that is the same in both places
        field.setdefault("description", below.get("description", ""))
        yield Field(path=path, schema=field, is_required=name in model.get("required", ()))
        yield from _fields(below, root, f"{path}{suffix}")
