"""Writes the files that are made from the code: ``python -m tools.generate [--check]``.

``--check`` writes nothing and fails with the names of the files that are not as they would be made.
"""

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from reconciler.cli import reference
from reconciler.manifest import schema
from reconciler.report.documents import DOCUMENTS
from tools import config_sample, drift_page, faults_page, kinds_page, manifest_page, wrong_page

ROOT = Path(__file__).parent.parent
REFERENCE = Path("docs", "reference")


def manifest_schema(kind: str) -> str:
    """The JSON Schema of a kind of manifest."""
    return _as_file(schema.json_schema(kind))


def document_schema(name: str, model: type[BaseModel]) -> str:
    """The JSON Schema of what ``-o json`` prints."""
    found = model.model_json_schema(by_alias=True, mode="serialization")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:virtsnap:schema:{name}:v1",
    }
    return _as_file({**head, **found, "title": name})


def reference_page(name: str) -> str:
    """A page that the command writes of itself."""
    return reference.pages()[name]


def _as_file(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


#: Every generated file, and how its text is made.
GENERATED: dict[Path, Callable[[], str]] = {
    **{
        Path("schemas", schema.schema_file_name(kind)): functools.partial(manifest_schema, kind)
        for kind in schema.KINDS
    },
    **{
        Path("schemas", f"{name}.v1.schema.json"): functools.partial(document_schema, name, model)
        for name, model in DOCUMENTS.items()
    },
    **{REFERENCE / name: functools.partial(reference_page, name) for name in reference.pages()},
    REFERENCE / "manifest.md": manifest_page.text,
    Path("deploy", "virtsnap.yaml"): config_sample.text,
    Path("docs", "when-something-went-wrong.md"): wrong_page.text,
    REFERENCE / "drift.md": drift_page.text,
    REFERENCE / "snapshot-kinds.md": kinds_page.text,
    REFERENCE / "faults.md": faults_page.text,
}


def stale(root: Path) -> tuple[Path, ...]:
    """The generated files that are missing or differ, and schemas that nothing makes any more."""
    wrong = [path for path, make in GENERATED.items() if _read(root / path) != make()]
    schemas = (path.relative_to(root) for path in root.glob("schemas/*.json"))
    return tuple(sorted([*wrong, *(path for path in schemas if path not in GENERATED)]))


def write(root: Path) -> tuple[Path, ...]:
    """Make them all; the paths of those that changed."""
    changed = stale(root)
    for path in changed:
        if path not in GENERATED:
            (root / path).unlink()
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(GENERATED[path](), encoding="utf-8")
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """0: all is as it should be; 1: with ``--check``, something is not; 64: bad usage."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m tools.generate [--check]", file=sys.stderr)
        return 64
    if not arguments:
        for path in write(ROOT):
            print(f"wrote {path}")
        return 0
    found = stale(ROOT)
    for path in found:
        print(f"{path} is stale: run make schemas docs", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
