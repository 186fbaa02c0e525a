"""What is seen while a plan is carried out: bars on a terminal, else one line a step."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from reconciler.cli.console import is_coloured
from reconciler.cli.options import Options
from reconciler.engine.listener import Listener, Silence
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.report.lines import safe
from reconciler.report.step_text import title

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def listening(options: Options) -> Iterator[Listener]:
    """The listener that fits where the output goes."""
    if options.is_quiet or not options.is_text:
        yield Silence()
    elif sys.stdout.isatty():
        with _progress(options) as progress:
            yield Bars(progress)
    else:
        yield Lines()


class Lines:
    """One line for each step that is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """Said when it is done."""

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """Not for logs."""

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """The line."""
        # a reader that has gone away must not end the work
        with self._lock, suppress(OSError, ValueError):
            sys.stdout.write(f"{_done(domain, step, note)}\n")
            sys.stdout.flush()

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """Said at the end."""


class Bars:
    """A line for each step that is done, and bars below for block jobs."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._tasks: dict[tuple[str, str, str], TaskID] = {}

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """A bar comes with the first bytes."""

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """Bytes and rate."""
        with self._lock, suppress(OSError, ValueError):
            key = _key(domain, step)
            if key not in self._tasks:
                self._tasks[key] = self._progress.add_task(_what(domain, step), total=total or None)
            self._progress.update(self._tasks[key], completed=done, total=total or None)

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """The bar goes, a line stays."""
        with self._lock, suppress(OSError, ValueError):
            self._drop(_key(domain, step))
            self._progress.console.print(_done(domain, step, note), markup=False, soft_wrap=True)

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """Bars of steps that did not end go too."""
        with self._lock, suppress(OSError, ValueError):
            for key in [key for key in self._tasks if key[:2] == (outcome.host, outcome.domain)]:
                self._drop(key)

    def _drop(self, key: tuple[str, str, str]) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            self._progress.remove_task(task)


def _progress(options: Options) -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    is_plain = not is_coloured(sys.stdout, no_color=options.no_color)
    console = Console(file=sys.stdout, no_color=is_plain, highlight=False)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _key(domain: DomainPlan, step: Step) -> tuple[str, str, str]:
    return domain.host, domain.domain, step.id


def _what(domain: DomainPlan, step: Step) -> str:
    return safe(f"{domain.domain}: {title(step)}")


def _done(domain: DomainPlan, step: Step, note: str) -> str:
    return _what(domain, step) + ": done" + (f", {safe(note)}" if note else "")
