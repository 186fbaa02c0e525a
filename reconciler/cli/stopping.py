"""Ctrl-C and SIGTERM: first to a safe point, then at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from reconciler.cli.console import note


@contextmanager
def stopping(stop: threading.Event) -> Iterator[list[int]]:
    """Set *stop* on the first signal; the second one interrupts.  Yields the signals that came."""
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        signals.append(number)
        stop.set()
        note("stopping at the next safe point (again: at once; the next apply goes on)")

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def on_hangup(act: Callable[[], None]) -> Iterator[None]:
    """*act* on each SIGHUP, in a thread of its own: the signal may find its locks taken."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=act, name="hangup", daemon=True).start()

    before = signal.signal(signal.SIGHUP, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
