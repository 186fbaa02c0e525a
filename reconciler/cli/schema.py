"""``virtsnap schema``."""

import difflib
import json
import sys
from typing import Annotated, Any

import typer

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options
from reconciler.errors import UsageError

Kind = Annotated[
    str | None,
    typer.Argument(metavar="KIND", help="A kind of manifest or a document; none lists them."),
]


def schema(options: Options, kind: Kind = None) -> int:
    """Print the JSON Schema of a manifest kind or of a document, for editors and scripts."""
    from reconciler.manifest.schema import KINDS, json_schema
    from reconciler.report.documents import DOCUMENTS

    names = [*KINDS, *DOCUMENTS]
    if kind is None:
        if options.is_text:
            sys.stdout.write("".join(f"{name}\n" for name in names))
        else:
            sys.stdout.write(json.dumps(names, indent=2) + "\n")
        return ExitCode.DONE
    by_lower = {name.lower(): name for name in names}
    name = by_lower.get(kind.lower())
    if name is None:
        near = difflib.get_close_matches(kind.lower(), by_lower, n=1)
        meant = f" (did you mean {by_lower[near[0]]!r}?)" if near else ""
        raise UsageError(
            f"cannot print the schema of {kind}: there is no such kind{meant}",
            hint="virtsnap schema",
        )
    result: dict[str, Any] = json_schema(name) if name in KINDS else document_schema(name)
    sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return ExitCode.DONE


def document_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a document."""
    from reconciler.report.documents import DOCUMENTS

    found = DOCUMENTS[name].model_json_schema(by_alias=True, mode="serialization")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:virtsnap:schema:{name}:v1",
    }
    return {**head, **found, "title": name}
