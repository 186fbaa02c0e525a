"""``virtsnap run``."""

import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import wiring
from reconciler.cli.exit_code import ExitCode, of_outcomes
from reconciler.cli.log import log_to_stderr
from reconciler.cli.options import DEFAULT_MANIFESTS, Options, seconds
from reconciler.cli.parameters import AllowEmpty, Settings, Values, plan_request
from reconciler.cli.progress import Logged
from reconciler.cli.run_service import LogFrom
from reconciler.cli.stopping import stopping
from reconciler.errors import UsageError
from reconciler.model.outcome import DomainOutcome
from reconciler.model.request import Consent

if TYPE_CHECKING:
    from reconciler.source.source import Source

SourcePath = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="PATH",
        help="A git repository, of which the newest revision counts (manifests in the folder that "
        "--manifests names), or a plain folder. Without it: the folder of --manifests.",
    ),
]
Branch = Annotated[
    str | None,
    typer.Option("--branch", metavar="NAME", help="The branch of --source; default: its HEAD."),
]
Interval = Annotated[
    str,
    typer.Option(
        "--interval", metavar="DURATION", help="A pass every so often besides those on change."
    ),
]
Once = Annotated[bool, typer.Option("--once", help="One pass, then the end; for timers.")]


def run(
    options: Options,
    source: SourcePath = None,
    branch: Branch = None,
    interval: Interval = "1m",
    once: Once = False,
    allow_empty: AllowEmpty = False,
    values: Values = None,
    settings: Settings = None,
    log: LogFrom = None,
) -> int:
    """Apply on every change of the manifests and every interval, until stopped.

    Nobody looks on, so what `prune: confirm` holds back stays held back.
    """
    from reconciler.engine import loop
    from reconciler.source.watch import changes

    pause = seconds("--interval", interval, example="virtsnap run --interval 1m")
    manifests = _source(options, source, branch)
    log_to_stderr(options, log)
    stop = threading.Event()
    one_pass = _pass(
        options,
        manifests,
        stop,
        values=tuple(values or ()),
        settings=tuple(settings or ()),
        allow_empty=allow_empty,
    )
    with stopping(stop) as signals:
        if once:
            # whatever keeps the pass from being made is this command's own error
            outcomes = one_pass()
            loop.run(lambda: outcomes, ("once",), threading.Event())
            return of_outcomes(outcomes)
        loop.run(one_pass, changes(manifests, stop, pause), stop)
    # a service manager that asks us to end is obeyed, and that is no failure
    return ExitCode.INTERRUPTED if signal.SIGINT in signals else ExitCode.DONE


def _pass(
    options: Options,
    source: "Source",
    stop: threading.Event,
    *,
    values: tuple[Path, ...],
    settings: tuple[str, ...],
    allow_empty: bool,
) -> Callable[[], tuple[DomainOutcome, ...]]:
    """One pass over all that *source* declares."""
    from reconciler.engine import executor
    from reconciler.engine.reconcile import make_plan, observe_all
    from reconciler.manifest.load import load

    request = plan_request(options.selection, prune_gone=False, consent=Consent.LOOP)

    def one_pass() -> tuple[DomainOutcome, ...]:
        fetched = source.fetch()
        whole = load(
            fetched.files,
            source=options.source_id or source.id,
            revision=fetched.revision,
            is_complete=options.selection.is_everything and not _is_file(options),
            default_host_uri=options.uri,
            values=values,
            settings=settings,
            allow_empty=allow_empty,
        )
        hosts = wiring.hosts_of(whole, options)
        desired = wiring.narrowed(whole, hosts)
        with wiring.opened(hosts, options, is_readonly=False) as connections:
            seen = observe_all(connections)
            plan = make_plan(desired, seen, request, now=datetime.now(UTC))
            tools = wiring.tools(connections, hosts, options, listener=Logged(), stop=stop)
            return executor.apply(plan, desired, request, tools)

    return one_pass


def _source(options: Options, path: Path | None, branch: str | None) -> "Source":
    from reconciler.source.folder import FolderSource
    from reconciler.source.git import GitSource

    if options.manifests == "-":
        raise UsageError("cannot watch standard input", hint="virtsnap run -f FOLDER")
    if path is not None and ((path / ".git").exists() or (path / "HEAD").is_file()):
        return GitSource(path, subfolder=options.manifests or DEFAULT_MANIFESTS, branch=branch)
    if branch is not None:
        raise UsageError(
            f"cannot follow branch {branch}: {path or 'the source'} is not a git repository",
            hint="virtsnap run --source REPOSITORY --branch NAME",
        )
    return FolderSource(path if path is not None else Path(options.manifests or DEFAULT_MANIFESTS))


def _is_file(options: Options) -> bool:
    return options.manifests is not None and Path(options.manifests).is_file()
