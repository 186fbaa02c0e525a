"""The values that templates are rendered from: ``values.yaml`` files, ``--values``, ``--set``."""

from collections.abc import Iterable
from pathlib import Path

from reconciler.errors import SourceError, UsageError
from reconciler.manifest.positions import Unreadable, decoded, documents
from reconciler.manifest.problem import Problem
from reconciler.manifest.scalar import resolved
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES, ManifestFile

Values = dict[str, object]


def merged(base: Values, over: Values) -> Values:
    """*over* wins key by key, also inside of mappings."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]  # both
    return result


def read_values(file: ManifestFile) -> tuple[Values, tuple[Problem, ...]]:
    """The one mapping in a values file, and what is wrong with it."""
    try:
        nodes, problems = documents(file.name, decoded(file.name, file.text))
    except Unreadable as error:
        return {}, (error.problem,)
    values: Values = {}
    for position, node in enumerate(nodes):
        plain = node.plain()
        if position or not isinstance(plain, dict):
            message = "expected one mapping of values and nothing else"
            problems += (Problem(file=file.name, place=node.place, message=message),)
        else:
            values = plain
    return values, problems


def read_values_path(path: Path) -> ManifestFile:
    """The file of a ``--values``."""
    try:
        with path.open("rb") as stream:
            return ManifestFile(str(path), stream.read(MAX_MANIFEST_BYTES + 1))
    except OSError as error:
        raise SourceError(
            f"cannot read the values in {path}: {(error.strerror or str(error)).lower()}",
            hint="give --values a file that exists",
        ) from error


def setting(text: str) -> Values:
    """``a.b=c`` as values; the right side is read as YAML reads a plain scalar."""
    keys, equals, value = text.partition("=")
    parts = keys.split(".")
    if not equals or not all(parts):
        raise UsageError(f"cannot read --set {text}: not KEY=VALUE", hint="--set site.name=mad")
    result: object = resolved(value, tag=None, is_plain=True)
    for part in reversed(parts):
        result = {part: result}
    assert isinstance(result, dict)
    return result


class ValuesTree:
    """The values files of a source and what the command line says over them."""

    def __init__(self, files: Iterable[ManifestFile], overrides: Values) -> None:
        self.problems: list[Problem] = []
        self._overrides = overrides
        self._of_folder: dict[str, Values] = {}
        for file in files:
            values, problems = read_values(file)
            self.problems.extend(problems)
            self._of_folder[_folder(file.name)] = values

    def for_file(self, name: str) -> Values:
        """What a template is rendered from: the nearest folder wins, then the command line."""
        folder = _folder(name)
        above = [folder]
        while folder:
            folder = _folder(folder)
            above.append(folder)
        values: Values = {}
        for folder in reversed(above):
            values = merged(values, self._of_folder.get(folder, {}))
        return merged(values, self._overrides)


def overrides(paths: tuple[Path, ...], settings: tuple[str, ...]) -> tuple[Values, list[Problem]]:
    """``--values`` in their order, then ``--set``."""
    values: Values = {}
    found: list[Problem] = []
    for path in paths:
        read, problems = read_values(read_values_path(path))
        values = merged(values, read)
        found.extend(problems)
    for text in settings:
        values = merged(values, setting(text))
    return values, found


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
