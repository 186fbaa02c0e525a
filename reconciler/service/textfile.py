"""The metrics as a file for the node_exporter's textfile collector."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler.machine import files
from reconciler.model.controller import DomainState, PassRecord, SourceState
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.service.metrics import registry_of

#: Seconds between two writes: passes and domains end in bursts.
_PAUSE = 1.0


class TextFile:
    """Writes *path* after each pass and each domain, whole or not at all, from a thread of its own.

    It stays when the controller ends, and says so (``virtsnap_stopping``): a timer's ``run --once``
    leaves what is scraped until the next.  Its age is in the file itself.
    """

    def __init__(
        self, path: Path, metrics: Collector, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._registry = registry_of(metrics, _Written(clock))
        self._due = threading.Event()
        self._stop = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="textfile", daemon=True)

    def start(self) -> None:
        """Begin; the first file comes with the first pass."""
        self._thread.start()

    def stop(self) -> None:
        """The last file is written, then it is over."""
        self._stop.set()
        self._due.set()
        self._thread.join()
        self.write()

    def write(self) -> None:
        """Now.  What fails is logged once, and tried again the next time."""
        try:
            files.replace(self._path, generate_latest(self._registry), mode=0o644, is_lasting=False)
        except OSError as error:
            self._tell(f"cannot write {self._path}: {error.strerror or error}")
        # of a part that watches, nothing may reach the controller
        except Exception as error:
            self._tell(f"cannot write {self._path}: {error!r}")
        else:
            self._trouble = None

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """Written."""
        self._due.set()

    def pass_ended(self, record: PassRecord) -> None:
        """Written."""
        self._due.set()

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """Written with the next."""

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """Written with the next."""

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """Written."""
        self._due.set()

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """Written."""
        self._due.set()

    def _run(self) -> None:
        while True:
            self._due.wait()
            if self._stop.is_set():
                return
            self._due.clear()
            self.write()
            self._stop.wait(_PAUSE)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            structlog.get_logger("virtsnap").warning("textfile", error=trouble)
        self._trouble = trouble


class _Written(Collector):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "virtsnap_textfile_written_timestamp_seconds",
            "When this file was written; only in text files.",
            value=self._clock(),
        )
