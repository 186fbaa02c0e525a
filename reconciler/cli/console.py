"""Where output goes: text or documents to stdout, errors and notes to stderr."""

import os
import sys
from collections.abc import Iterable
from typing import TextIO

from pydantic import BaseModel

from reconciler.errors import ManifestError, VirtsnapError
from reconciler.model.outcome import DomainOutcome
from reconciler.model.secrets import without_secrets
from reconciler.report.lines import Line, Tone, as_text, safe

_STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.ADDED: "green",
    Tone.REMOVED: "red",
    Tone.CHANGED: "yellow",
    Tone.REFUSED: "bold red",
    Tone.WARNING: "yellow",
    Tone.QUIET: "dim",
}


def is_coloured(stream: TextIO, *, no_color: bool) -> bool:
    """A terminal, and nobody asked for none."""
    return (
        not no_color
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
        and stream.isatty()
    )


def show_lines(lines: Iterable[Line], *, no_color: bool, as_errors: bool = False) -> None:
    """Text to stdout, or *as_errors* to stderr; never wrapped, so that it can be piped and grepped."""
    stream = sys.stderr if as_errors else sys.stdout
    if not is_coloured(stream, no_color=no_color):
        stream.write(as_text(lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for line in lines:
        console.print(Text(safe(line.text), style=_STYLES[line.tone]), soft_wrap=True)


def show_outcomes(outcomes: tuple[DomainOutcome, ...], *, no_color: bool) -> None:
    """How each domain ended: errors to stderr, the rest to stdout."""
    from reconciler.report.outcome_text import failure_lines, outcome_lines

    show_lines(failure_lines(outcomes), no_color=no_color, as_errors=True)
    show_lines(outcome_lines(outcomes), no_color=no_color)


def show_document(document: BaseModel, *, as_yaml: bool = False) -> None:
    """A document to stdout."""
    if as_yaml:
        import yaml

        data = document.model_dump(mode="json", by_alias=True)
        yaml.safe_dump(data, sys.stdout, sort_keys=False, allow_unicode=True)
        return
    from reconciler.report.document import as_json

    sys.stdout.write(as_json(document))


def note(text: str, *, is_quiet: bool = False) -> None:
    """A line to stderr that is no error."""
    if not is_quiet:
        sys.stderr.write(f"{without_secrets(safe(text))}\n")


def show_error(error: VirtsnapError, *, as_document: bool) -> None:
    """``cannot <verb> <subject>: <cause>`` and ``hint: <next command>``, or the same as JSON."""
    sys.stderr.write(_error_text(error, as_document=as_document))


def _error_text(error: VirtsnapError, *, as_document: bool) -> str:
    if as_document:
        from reconciler.report.document import as_json
        from reconciler.report.documents import error_document

        return as_json(error_document(error))
    problems = error.problems if isinstance(error, ManifestError) else (error.message,)
    lines = [safe(problem.replace("\n", " ")) for problem in problems]
    if error.hint:
        lines.append(f"hint: {safe(error.hint)}")
    return "".join(f"{without_secrets(line)}\n" for line in lines)
