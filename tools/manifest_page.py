"""``docs/reference/manifest.md`` from the models of the kinds."""

import json
from typing import Any

from reconciler.manifest import schema
from reconciler.manifest.schema_fields import Field, fields

HEAD = """\
<!-- made by tools/generate.py from reconciler/manifest; do not edit -->
# The manifest

What a manifest may say, kind by kind. A field that is not listed is an error, and so is a field, a
value or a kind that this version does not support: it is refused by its name, never ignored.

- **Files** ending `.yaml` or `.yml` are read as they are, YAML 1.2, one or more documents each.
  Files ending `.yaml.j2` are rendered with Jinja2 first, from the `values.yaml` files in their
  folder and above (the nearest wins, key by key), `--values FILE` and `--set KEY=VALUE`. Hidden
  files and folders are left out, and so is what is no manifest. What could be one and is not read
  is an error ([where manifests come from](../source.md#nothing-is-passed-over)).
- **Duration**: `90s`, `15m`, `2h`, `7d`. **Size**: `512B`, `64KiB`, `200MiB`, `2GiB`, `1TiB`.
- **Name**: 1 to 100 bytes of UTF-8, no `/`, no control character, no `.` or `-` in front, no space
  at either end.
- **Cron schedule**: minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`,
  `@weekly`, `@monthly`, `@yearly`.
- Texts that look like numbers need quotes (`"1.10"`); `yes`, `no`, `on` and `off` are texts, only
  `true` and `false` are not.
"""


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_kind(kind) for kind in schema.KINDS)])


def _kind(kind: str) -> str:
    found = schema.json_schema(kind)
    lines = [f"## {kind}", ""]
    lines += [found["description"], ""]
    lines += [f"JSON Schema: `schemas/{schema.schema_file_name(kind)}`", ""]
    lines += ["| Field | Type | Default | Meaning |", "| --- | --- | --- | --- |"]
    lines += [_row(field) for field in fields(found)]
    return "\n".join([*lines, ""])


def _row(field: Field) -> str:
    default = "required" if field.is_required else _default(field.schema)
    cells = (f"`{field.path}`", _type(field.schema), default, field.schema["description"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(found: dict[str, Any]) -> str:
    return f"`{json.dumps(found['default'], ensure_ascii=False)}`" if "default" in found else ""


def _type(found: dict[str, Any]) -> str:
    """The type in words."""
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    match found.get("type"):
        case "array":
            return "list" if "$ref" in found["items"] else f"list of {_type(found['items'])}"
        case "object":
            values = next(iter(found.get("patternProperties", {}).values()), None)
            return f"mapping of {_type(values or found['additionalProperties'])}"
        case "boolean":
            return "`true`, `false`"
        case "integer":
            bounds = [str(found[key]) for key in ("minimum", "maximum") if key in found]
            return f"whole number ({' to '.join(bounds)}{'' if bounds[1:] else ' or more'})"
        case "string":
            return str(found.get("title", "text"))
        case _:
            return "mapping"
