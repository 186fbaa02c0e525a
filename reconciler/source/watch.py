"""When to look at a source again: says when, never what."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from watchfiles._rust_notify import RustNotify  # its documented low level

from reconciler.source.source import Source

#: Seconds between two looks at the mark, which tells what the watched paths do not.
TICK = 2.0
#: Milliseconds: changes that follow one another are one change; how long they may go on.
_QUIET = 100
_LONGEST_CHANGE = 1600


def changes(source: Source, stop: threading.Event, interval: float) -> Iterator[str]:
    """``start`` now, then ``changed`` and ``interval`` (so many seconds after the last) until *stop*.

    What changes while the caller is at work is told when it comes back.
    """
    reason = "start"
    while not stop.is_set():
        with _watcher(source) as watcher:
            # The mark is taken before the caller fetches: what changes in between is a change.
            mark = source.mark()
            while True:
                yield reason
                reason = _next_reason(source, watcher, stop, interval, mark)
                if stop.is_set():
                    return
                if source.mark() != mark:
                    break  # perhaps another folder by the same name: watch that one


def _next_reason(
    source: Source,
    watcher: RustNotify | None,
    stop: threading.Event,
    interval: float,
    mark: object,
) -> str:
    due = time.monotonic() + interval
    while not stop.is_set():
        left = due - time.monotonic()
        if left <= 0:
            return "interval"
        paths = _wait(watcher, stop, min(left, TICK))
        if source.mark() != mark or any(source.concerns(path) for path in paths):
            return "changed"
    return "stop"


def _watcher(source: Source) -> AbstractContextManager[RustNotify | None]:
    """A watcher of what there is to watch; without one the interval and the mark remain."""
    paths = [str(path) for path in source.watched()]
    if not paths:
        return nullcontext()
    try:
        return RustNotify(paths, False, False, 300, True, True)  # noqa: FBT003 - its own signature
    except (OSError, RuntimeError):
        # No inotify watch left, or the folder went in between.
        return nullcontext()


def _wait(watcher: RustNotify | None, stop: threading.Event, seconds: float) -> tuple[Path, ...]:
    """The paths that changed within *seconds*."""
    if watcher is None:
        stop.wait(seconds)
        return ()
    try:
        found = watcher.watch(_LONGEST_CHANGE, _QUIET, max(1, int(seconds * 1000)), stop)
    except (OSError, RuntimeError):
        stop.wait(seconds)
        return ()
    if found == "signal":
        raise KeyboardInterrupt  # swallowed by the watcher
    if isinstance(found, str):  # stop or timeout
        return ()
    return tuple(Path(path) for _, path in found)
