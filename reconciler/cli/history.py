"""``virtsnap history``."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.errors import UsageError
from reconciler.model.names import is_meant
from reconciler.report.lines import Line, Tone

if TYPE_CHECKING:
    from reconciler.service.history_entries import Entry

Domains = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN...", help="Names, UUIDs or globs of domains; none means all."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DURATION|TIME",
        help="Nothing older: 2h, 7d, 2026-11-23, '2026-11-23 18:00' (local time), or RFC 3339.",
    ),
]
Limit = Annotated[
    int,
    typer.Option("--limit", metavar="N", help="Only the newest N entries; 0 means all.", min=0),
]


def history(
    options: Options, domains: Domains = None, since: Since = None, limit: Limit = 50
) -> int:
    """Say what was done, when, by whom and for which revision; the newest last.

    It is what `apply`, `release` and `run` of this machine wrote down for people; no decision is made on it.
    """
    from reconciler.report.history_document import HistoryDocument
    from reconciler.report.history_text import history_lines
    from reconciler.service.history_reading import read

    folder = wiring.folders_of((wiring.only_host(options),), options).state
    chosen = tuple(domains or ())

    def is_wanted(entry: "Entry") -> bool:
        return _is_wanted(entry, chosen, options)

    start = _moment(since, now=datetime.now(UTC)) if since is not None else None
    entries = read(folder, wanted=is_wanted, since=start, limit=limit or None)
    if not options.is_text:
        document = HistoryDocument(entries=entries or ())
        show_document(document, as_yaml=options.output is Output.YAML)
        return ExitCode.DONE
    lines = list(history_lines(entries or ()))
    if not lines:
        what = "no history yet: virtsnap has changed nothing from here"
        lines = [Line(what if entries is None else "nothing on record", Tone.QUIET)]
    show_lines(lines, no_color=options.no_color)
    return ExitCode.DONE


def _is_wanted(entry: "Entry", chosen: tuple[str, ...], options: Options) -> bool:
    """What the source did concerns every domain, and none in particular."""
    if entry.kind == "source":
        return not chosen and options.selection.is_everything
    if options.host is not None and entry.host != options.host:
        return False
    if not options.selection.has_domain(entry.domain):
        return False
    return not chosen or any(is_meant(pattern, entry.domain, entry.uuid) for pattern in chosen)


def _moment(text: str, *, now: datetime) -> datetime:
    """So long ago, or that time; one without a zone is local."""
    from reconciler.manifest.texts import duration

    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"cannot use --since {text}: it is neither a duration nor a time",
            hint="virtsnap history --since 2h; virtsnap history --since 2026-11-23",
        ) from error
