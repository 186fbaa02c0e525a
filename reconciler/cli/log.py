"""The log of ``run``: lines for people on a terminal, else JSON; UTC; never a secret."""

import enum
import json
import logging
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.cli.console import is_coloured
from reconciler.cli.options import Options, Output
from reconciler.model.secrets import without_secrets
from reconciler.report.lines import safe

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor


class LogLevel(enum.StrEnum):
    """From how bad on something is said; an idle pass says nothing at *INFO*."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


#: What the journal of systemd calls a level: ``sd-daemon(3)``.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

#: seconds that a line may take to be written
_PATIENCE = 1.0

_FIRST = ("timestamp", "level", "event")


def log_to_stderr(options: Options, level: LogLevel = LogLevel.INFO) -> None:
    """Send all logs to stderr, those of libraries from ``warning`` on; ``-q`` and ``-v`` go first."""
    import structlog

    as_json = options.output is Output.JSON or not sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *(_json_line() if as_json else _line(options)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_threshold(options, level)),
        logger_factory=structlog.PrintLoggerFactory(_Deaf(sys.stderr)),  # type: ignore[arg-type]  # all that is used of it
        cache_logger_on_first_use=False,
    )
    _take_in_libraries()


def _threshold(options: Options, level: LogLevel) -> int:
    if options.is_quiet:
        return logging.ERROR
    if options.verbosity:
        return logging.DEBUG
    return logging.getLevelNamesMapping()[level.upper()]


def _line(options: Options) -> tuple["Processor", ...]:
    """Names come from anywhere: what a terminal would obey is shown instead."""
    import structlog

    is_plain = not is_coloured(sys.stderr, no_color=options.no_color)
    return (
        lambda _, __, facts: {key: _shown(key, value) for key, value in facts.items()},
        structlog.dev.ConsoleRenderer(colors=not is_plain),
    )


def _json_line() -> tuple["Processor", ...]:
    """One JSON object a line, all of it printable; before it its priority, if the journal reads."""
    is_journal = _is_journal(sys.stderr)

    def render(_: object, __: str, facts: "EventDict") -> str:
        priority = f"<{_PRIORITIES.get(str(facts.get('level')), 6)}>" if is_journal else ""
        data = {key: _clean(facts[key]) for key in (*_FIRST, *facts) if key in facts}
        text = json.dumps(data, ensure_ascii=False, default=repr)
        return priority + "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)

    return (render,)


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, str):
        lines = value.split("\n") if key == "exception" else [value]
        return _clean("\n".join(map(safe, lines)))
    return _clean(value)


def _clean(value: Any) -> Any:
    """*value* without secrets, at any depth."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {str(key): _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(each) for each in value]
    return value


def _is_journal(stream: TextIO) -> bool:
    """systemd.exec(5): ``JOURNAL_STREAM`` is device and inode of the socket to the journal."""
    with suppress(OSError, ValueError):
        found = os.fstat(stream.fileno())
        return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
    return False


class _Deaf:
    """A stream that never fails and holds up nobody: a reader that has gone, or reads no more, must
    not end the reconciling.  What it does not take within a second is dropped, with all until it does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = ""
        self._patience = _PATIENCE

    def write(self, text: str) -> None:
        self._line += text

    def flush(self) -> None:
        line, self._line = self._line, ""
        with suppress(OSError, ValueError):
            if self._takes_more():
                self._stream.write(line)
                self._stream.flush()

    def _takes_more(self) -> bool:
        """A pipe that does has room for a line of 4 KiB at least: pipe(7)."""
        try:
            number = self._stream.fileno()
        except (OSError, ValueError):
            return True  # it is no file
        asked = select.poll()
        asked.register(number, select.POLLOUT)
        ready = bool(asked.poll(self._patience * 1000))
        self._patience = _PATIENCE if ready else 0.0
        return ready


class _Taken(logging.Handler):
    """A line of a library as one of ours, so that it has no secrets either."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog

        with suppress(Exception):
            log = structlog.get_logger("virtsnap")
            log.log(record.levelno, record.getMessage(), library=record.name.partition(".")[0])


def _take_in_libraries() -> None:
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Taken)]:
        root.removeHandler(handler)
    root.addHandler(_Taken(logging.WARNING))
