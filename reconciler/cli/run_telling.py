"""Whom virtsnap tells what it does: hooks, history, notifications, commit statuses."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.console import note
from reconciler.cli.options import seconds
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.hooks import StepHooks
    from reconciler.engine.listener import Listener
    from reconciler.engine.watcher import Watcher
    from reconciler.model.controller import ControllerState
    from reconciler.model.desired import Desired
    from reconciler.service.log import Log

HOOKS = "Commands around each step"
NOTIFICATIONS = "Notifications and commit statuses"
HISTORY = "History"
#: seconds; a fence lasts for 15 minutes
_LONGEST_HOOK = 600.0

BeforeStep = Annotated[
    list[Path] | None,
    typer.Option(
        "--before-step",
        metavar="PATH",
        help="Run this executable before each step; if it fails, the step is not done. Repeatable.",
        rich_help_panel=HOOKS,
    ),
]
AfterStep = Annotated[
    list[Path] | None,
    typer.Option(
        "--after-step",
        metavar="PATH",
        help="Run this executable after each step, done or failed. Repeatable.",
        rich_help_panel=HOOKS,
    ),
]
HookTimeout = Annotated[
    str,
    typer.Option(
        "--hook-timeout",
        metavar="DURATION",
        help="A hook is killed after so long (at most 10m).",
        rich_help_panel=HOOKS,
    ),
]
HistoryAge = Annotated[
    str,
    typer.Option(
        "--history-age",
        metavar="DURATION",
        help="Older entries of the history are dropped.",
        rich_help_panel=HISTORY,
    ),
]
HistoryEntries = Annotated[
    int,
    typer.Option(
        "--history-entries",
        metavar="N",
        help="More entries than that are dropped, the oldest first.",
        min=1,
        rich_help_panel=HISTORY,
    ),
]
Notify = Annotated[
    list[str] | None,
    typer.Option(
        "--notify",
        metavar="URL",
        help="Send messages there, as apprise understands it. Everybody on this machine sees a "
        "command line: for URLs with tokens use --notify-file. Repeatable.",
        rich_help_panel=NOTIFICATIONS,
    ),
]
NotifyFile = Annotated[
    Path | None,
    typer.Option(
        "--notify-file",
        metavar="FILE",
        help="An apprise configuration with such URLs, that not everybody may read.",
        rich_help_panel=NOTIFICATIONS,
    ),
]
NotifyOn = Annotated[
    str,
    typer.Option(
        "--notify-on",
        metavar="TOPICS",
        help="About what, with commas between: refused, held, failed, reverted, lost, healed, source.",
        rich_help_panel=NOTIFICATIONS,
    ),
]
NotifyLimit = Annotated[
    int,
    typer.Option(
        "--notify-limit",
        metavar="N",
        help="At most so many messages a minute; the last of them says what else there was.",
        min=1,
        rich_help_panel=NOTIFICATIONS,
    ),
]
CommitStatusOf = Annotated[
    str | None,
    typer.Option(
        "--commit-status",
        metavar="github|gitlab|gitea",
        help="Say at each commit how it went on this host (gitea: Forgejo too).",
        rich_help_panel=NOTIFICATIONS,
    ),
]
CommitStatusUrl = Annotated[
    str | None,
    typer.Option(
        "--commit-status-url",
        metavar="URL",
        help="Where statuses are posted, less the revision; default: what follows from --source.",
        rich_help_panel=NOTIFICATIONS,
    ),
]
CommitStatusTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--commit-status-token-file",
        metavar="FILE",
        help="A file with the token for that and nothing else, that not everybody may read.",
        rich_help_panel=NOTIFICATIONS,
    ),
]

DEFAULT_HOOK_TIMEOUT = "1m"
DEFAULT_HISTORY_AGE = "365d"
DEFAULT_HISTORY_ENTRIES = 10000
DEFAULT_TOPICS = "refused,held,failed,reverted,lost,healed,source"
DEFAULT_NOTIFY_LIMIT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Which commands, in order; *timeout* in seconds."""

    before: tuple[Path, ...] = ()
    after: tuple[Path, ...] = ()
    timeout: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How much history is kept."""

    age: timedelta = timedelta(days=365)
    entries: int = DEFAULT_HISTORY_ENTRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifying:
    """Where messages go, and about what."""

    urls: tuple[str, ...] = ()
    file: Path | None = None
    topics: tuple[str, ...] = ()
    per_minute: int = DEFAULT_NOTIFY_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """Whose commit statuses are set, and with which token."""

    forge: str
    token_file: Path
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who is told what a controller does."""

    hooks: Hooks = Hooks()
    history: Keeping = Keeping()
    notify: Notifying = Notifying()
    #: None: nobody
    statuses: Statuses | None = None


def hooks_given(
    before: list[Path] | None, after: list[Path] | None, timeout: str = DEFAULT_HOOK_TIMEOUT
) -> Hooks:
    """The options of hooks, checked."""
    example = "--hook-timeout 1m"
    patience = seconds("--hook-timeout", timeout, least=1.0, example=example)
    if patience > _LONGEST_HOOK:
        raise UsageError(
            f"cannot use --hook-timeout {timeout}: it is longer than 10m", hint=example
        )
    return Hooks(before=tuple(before or ()), after=tuple(after or ()), timeout=patience)


def history_given(age: str, entries: int) -> Keeping:
    """The options of the history, checked."""
    example = "--history-age 365d"
    kept = seconds("--history-age", age, least=1.0, example=example)
    return Keeping(age=timedelta(seconds=kept), entries=entries)


def notify_given(
    urls: list[str] | None, file: Path | None, topics: str, per_minute: int
) -> Notifying:
    """The options of notifications, checked."""
    from reconciler.service.news import Topic

    names = tuple(name.strip() for name in topics.split(",") if name.strip())
    for name in names:
        if name not in set(Topic):
            raise UsageError(
                f"cannot notify on {name}: it must be some of {', '.join(Topic)}",
                hint="--notify-on refused,failed,held",
            )
    return Notifying(urls=tuple(urls or ()), file=file, topics=names, per_minute=per_minute)


def statuses_given(forge: str | None, url: str | None, token_file: Path | None) -> Statuses | None:
    """The options of commit statuses, checked; None when none are wanted."""
    from reconciler.service.forges import Forge

    if forge is None:
        return None
    if forge not in set(Forge):
        raise UsageError(
            f"cannot set the commit statuses of {forge}: it must be one of {', '.join(Forge)}",
            hint="--commit-status gitea",
        )
    if token_file is None:
        raise UsageError(
            "cannot set commit statuses: there is no token",
            hint=f"--commit-status {forge} --commit-status-token-file /etc/virtsnap/status-token",
        )
    return Statuses(forge=forge, token_file=token_file, url=url)


def step_hooks(hooks: Hooks, log: "Log") -> "StepHooks | None":
    """What the engine asks and tells; None where there are no commands."""
    if not hooks.before and not hooks.after:
        return None
    from reconciler.service.step_hooks import CommandHooks

    return CommandHooks(before=hooks.before, after=hooks.after, timeout=hooks.timeout, log=log)


@contextmanager
def watching(
    telling: Telling,
    *,
    state: Path,
    source: str,
    snapshot: "Callable[[], ControllerState]",
    log: "Log",
) -> "Iterator[tuple[Watcher, ...]]":
    """The watchers of a controller that is about to start; at the end they say what they have left.

    *state* is the state folder, *source* the URL of the repository (or its folder).
    """
    from reconciler.service.history import History, Retention
    from reconciler.service.history_watching import HistoryWatcher

    with ExitStack() as stack:
        retention = Retention(age=telling.history.age, entries=telling.history.entries)
        history = History(state, retention=retention, log=log, now=_now)
        stack.callback(history.close)
        watchers: list[Watcher] = [HistoryWatcher(history, now=_now)]
        notify = telling.notify
        if (notify.urls or notify.file) and notify.topics:
            from reconciler.service.delivery import AppriseDelivery
            from reconciler.service.news import Topic
            from reconciler.service.notifications import Notifier
            from reconciler.service.told import ToldFile

            notifier = Notifier(
                AppriseDelivery(notify.urls, notify.file, log=log),
                topics=frozenset(map(Topic, notify.topics)),
                told=ToldFile(state),
                log=log,
                per_minute=notify.per_minute,
            )
            stack.callback(notifier.close)
            watchers.append(notifier)
        if telling.statuses is not None:
            from reconciler.service.commit_status import CommitStatus
            from reconciler.service.forges import Forge

            statuses = CommitStatus(
                Forge(telling.statuses.forge),
                source=source,
                url=telling.statuses.url,
                token_file=telling.statuses.token_file,
                snapshot=snapshot,
                log=log,
            )
            stack.callback(statuses.close)
            watchers.append(statuses)
        yield tuple(watchers)


@contextmanager
def writing_history(
    listener: "Listener",
    *,
    by: str,
    state: Path,
    desired: "Desired",
    keeping: Keeping | None,
    log: "Log",
) -> "Iterator[Listener]":
    """*listener*, and the history beside it; *by* is the verb.  Without *keeping* nothing is dropped."""
    from reconciler.engine.listener import Listeners
    from reconciler.service.history import History, Retention
    from reconciler.service.history_watching import HistoryListener

    retention = Retention(age=keeping.age, entries=keeping.entries) if keeping else None
    history = History(state, retention=retention, log=log, now=_now)
    written = HistoryListener(
        history, by=by, source=desired.source, revision=desired.revision, now=_now
    )
    try:
        yield Listeners((listener, written))
    finally:
        history.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """A log of lines on stderr, for verbs of which a person waits for the end."""

    is_quiet: bool

    def info(self, event: str, **facts: Any) -> None:
        """Said unless quiet."""
        note(_line(event, facts), is_quiet=self.is_quiet)

    def warning(self, event: str, **facts: Any) -> None:
        """Always said."""
        note(_line(event, facts))


def _line(event: str, facts: dict[str, Any]) -> str:
    return f"{event}: {', '.join(f'{name} {text}' for name, text in facts.items())}"


def _now() -> datetime:
    return datetime.now(UTC)
