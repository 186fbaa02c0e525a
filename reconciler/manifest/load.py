"""Files → what is desired, or every problem in them at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import ManifestError, SourceError
from reconciler.manifest import build, cross_check, dependencies, disruption
from reconciler.manifest.document import RENDERED, Document, read_document
from reconciler.manifest.positions import Node, Unreadable, decoded, documents
from reconciler.manifest.problem import Problem, first_of
from reconciler.manifest.rendering import Renderer
from reconciler.manifest.values import ValuesTree, overrides
from reconciler.model.desired import Desired
from reconciler.model.manifest_file import ManifestFile

#: What all documents together can have wrong.
_ALWAYS = (
    *(cross_check.repeated_names, cross_check.repeated_domains, cross_check.snapshot_lists),
    *(build.capture_conflicts, dependencies.circles, disruption.conflicts),
)
#: What can only be told when nothing is missing.
_OF_WHOLE = (cross_check.unknown_references, dependencies.unknown)


@dataclass(slots=True)
class _Reading:
    """What was read so far.  *is_partial*: a file, or what follows in it, could not be read."""

    documents: list[Document]
    problems: list[Problem]
    count: int = 0
    is_partial: bool = False


def load(
    files: Sequence[ManifestFile],
    *,
    source: str,
    revision: str | None,
    is_complete: bool,
    default_host_uri: str | None = None,
    values: tuple[Path, ...] = (),
    settings: tuple[str, ...] = (),
    allow_empty: bool = False,
) -> Desired:
    """What *files* (manifests, templates, their ``values.yaml``) ask for.

    *values* and *settings* are ``--values`` and ``--set``, for the templates.  ``ManifestError``
    has all problems of all files; ``SourceError`` when there is no document and *allow_empty* is
    not said.
    """
    reading = _read(files, values, settings)
    found = reading.documents
    for check in _ALWAYS if reading.is_partial else _ALWAYS + _OF_WHOLE:
        _report(reading, check(found))
    if reading.problems:
        raise ManifestError(
            tuple(str(problem) for problem in sorted(set(reading.problems))),
            hint="virtsnap schema",
        )
    if not reading.count and not allow_empty:
        raise SourceError(
            f"cannot use the manifests of {source}: there is no document in them",
            hint="if nothing is meant to be declared, say --allow-empty",
        )
    return Desired(
        source=source,
        revision=revision,
        is_complete=is_complete,
        hosts=build.hosts(found, default_uri=default_host_uri),
        domains=build.domains(found),
    )


def _read(
    files: Sequence[ManifestFile], values: tuple[Path, ...], settings: tuple[str, ...]
) -> _Reading:
    given, problems = overrides(values, settings)
    tree = ValuesTree((file for file in files if file.is_values), given)
    reading = _Reading(documents=[], problems=[*problems, *tree.problems])
    with Renderer() as renderer:
        for file in sorted(files, key=lambda file: file.name):
            if not file.is_values:
                _read_file(reading, file, tree, renderer)
    return reading


def _read_file(reading: _Reading, file: ManifestFile, tree: ValuesTree, renderer: Renderer) -> None:
    name, nodes, wrong = _nodes(file, tree, renderer)
    reading.is_partial |= bool(wrong)
    _report(reading, wrong)
    for node in nodes:
        reading.count += 1
        document, wrong = read_document(name, node)
        _report(reading, wrong)
        if document:
            reading.documents.append(document)


def _report(reading: _Reading, problems: Iterable[Problem]) -> None:
    reading.problems.extend(first_of(problems))


def _nodes(
    file: ManifestFile, tree: ValuesTree, renderer: Renderer
) -> tuple[str, tuple[Node, ...], list[Problem]]:
    """The documents of a file, rendered first when it is a template, and its name in problems."""
    name = file.name
    try:
        text = decoded(name, file.text)
        if file.is_template:
            rendered = renderer.render(name, text, tree.for_file(name))
            name += RENDERED
            text = decoded(name, rendered.encode("utf-8", "surrogatepass"))
        nodes, problems = documents(name, text)
    except Unreadable as error:
        return name, (), [error.problem]
    return name, nodes, list(problems)
