"""The kinds of document, and their JSON Schemas."""

import typing
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from reconciler.manifest import unsupported
from reconciler.manifest.domain_snapshots import DomainSnapshots
from reconciler.manifest.host import Host
from reconciler.manifest.problem import Path
from reconciler.manifest.schema_fields import fields, support
from reconciler.manifest.snapshot_class import SnapshotClass
from reconciler.manifest.snapshot_policy import SnapshotPolicy

KINDS: dict[str, type[BaseModel]] = {
    "Host": Host,
    "SnapshotClass": SnapshotClass,
    "DomainSnapshots": DomainSnapshots,
    "SnapshotPolicy": SnapshotPolicy,
}


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind, which says what this version refuses; ``KeyError`` for no kind."""
    found = KINDS[kind].model_json_schema(schema_generator=_Generator)
    if kind in unsupported.KINDS:
        found["description"] += " Not supported by this version."
    for field in fields(found):
        field.schema["description"] += support(kind, field.path)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:virtsnap:schema:{kind.lower()}:v1",
        "title": kind,
        **found,
    }


def schema_file_name(kind: str) -> str:
    """The file of a kind's JSON Schema in ``schemas/``."""
    return f"{kind.lower()}.v1.schema.json"


class _Generator(GenerateJsonSchema):
    """As the loader sees it: a field that is left out is not ``null``, and titles name types."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        result = super().default_schema(schema)
        if result.get("default", ...) is None:
            del result["default"]
        return result

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
        return result

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        result = super().generate(schema, mode)
        for definition in (result, *result.get("$defs", {}).values()):
            definition.pop("title", None)
        return result


def fields_at(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The names of the fields that may stand in the mapping at *path*, or nothing."""
    found: type[BaseModel] | None = model
    for part in path:
        if found is None:
            return ()
        if isinstance(part, str):
            field = next((f for f in found.model_fields.values() if f.alias == part), None)
            found = model_in(field.annotation) if field else None
    return tuple(field.alias or "" for field in found.model_fields.values()) if found else ()


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in ``M``, ``M | None`` or ``list[M]``."""
    if not typing.get_args(annotation):
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        return annotation if is_model else None
    inner = (model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model), None)
