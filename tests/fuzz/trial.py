"""One trial: hostile files go through the loader of every verb, and end as they must."""

import re
from collections.abc import Sequence
from random import Random

from reconciler.errors import ManifestError, SourceError
from reconciler.manifest.load import load
from reconciler.model.manifest_file import ManifestFile
from tests.fuzz import corpus, mutating

#: Templates share a process, so several of them are one trial.
TEMPLATES = 32
_PROBLEM = re.compile(
    r"(?P<file>[a-z0-9/]+\.yaml(\.j2)?)( \(rendered\))?:[1-9][0-9]*:[1-9][0-9]*: \S"
)
_NOTHING = "cannot use the manifests of /d: there is no document in them"


class Escaped(AssertionError):
    """Something came out of the loader that is no answer to a user."""


def files(seed: str, number: int) -> tuple[ManifestFile, ...]:
    """The files of trial *number*: always the same for one *seed*."""
    chance = Random(f"{seed}/{number}")
    kind = chance.random()
    if kind < 0.002:
        values = ManifestFile("values.yaml", corpus.VALUES)
        drawn = (mutating.of_template(chance) for _ in range(TEMPLATES))
        return (values, *(ManifestFile(f"t{n}.yaml.j2", text) for n, text in enumerate(drawn)))
    if kind < 0.003:
        drawn = (mutating.of_bytes(chance, corpus.VALUES) for _ in range(TEMPLATES))
        return tuple(
            file
            for n, text in enumerate(drawn)
            for file in (
                ManifestFile(f"f{n}/values.yaml", text),
                ManifestFile(f"f{n}/t.yaml.j2", corpus.TEMPLATE),
            )
        )
    start = chance.choice(corpus.manifests()) if chance.random() < 0.7 else corpus.WHOLE
    if kind < 0.4:
        text = mutating.of_bytes(chance, start)
    elif kind < 0.5:
        text = mutating.of_tokens(chance)
    else:
        text = mutating.of_structure(chance, start)
    return (ManifestFile("m.yaml", text),)


def attempt(given: Sequence[ManifestFile]) -> str:
    """How loading *given* ended: ``documents``, ``problems`` or ``nothing``; else ``Escaped``."""
    try:
        load(given, source="/d", revision=None, is_complete=True)
    except ManifestError as error:
        names = {file.name for file in given}
        for problem in error.problems:
            found = _PROBLEM.match(problem)
            if found is None or found["file"] not in names or not problem.isprintable():
                raise Escaped(f"a problem without its place: {problem!r}") from error
        return "problems"
    except SourceError as error:
        if error.message != _NOTHING:
            raise Escaped(f"an error of the source: {error}") from error
        return "nothing"
    return "documents"
