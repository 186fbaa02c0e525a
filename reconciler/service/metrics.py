"""A running controller in Prometheus' terms.  No registry of the process: each has its own."""

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, assert_never

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from reconciler.model.action import (
    AbortJob,
    AdoptRequest,
    AdoptSnapshot,
    CommitOverlays,
    CreateSnapshot,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.controller import ControllerState, DomainState, PassRecord, SourceState
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.service.gauges import gauges, label

#: Seconds: a pass over an idle host takes parts of one, a block commit may take hours.
_PASS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WORK = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400)

M = TypeVar("M", Counter, Histogram)


class Metrics(Collector):
    """Counts what a ``Watcher`` hears, and shows it with the gauges of *snapshot*.

    *snapshot* is asked at each scrape and never while this is being told something.
    """

    def __init__(self, snapshot: Callable[[], ControllerState]) -> None:
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._passes = _Kept(
            Counter(
                "virtsnap_passes_total",
                "Passes over a host, by what set them off and whether they could be made.",
                ["host", "cause", "result"],
                registry=None,
            )
        )
        self._pass_seconds = _Kept(
            Histogram(
                "virtsnap_pass_duration_seconds",
                "Observing and planning one host.",
                ["host"],
                buckets=_PASS,
                registry=None,
            )
        )
        self._work_seconds = _Kept(
            Histogram(
                "virtsnap_reconcile_duration_seconds",
                "The work on one domain, by how it ended.",
                ["host", "status"],
                buckets=_WORK,
                registry=None,
            )
        )
        self._step_seconds = _Kept(
            Histogram(
                "virtsnap_step_duration_seconds",
                "Steps that were done.",
                ["host", "action"],
                buckets=_WORK,
                registry=None,
            )
        )
        self._outcomes = _Kept(
            Counter(
                "virtsnap_domain_outcomes_total",
                "How often the work on a domain ended in this way.",
                ["host", "domain", "status"],
                registry=None,
            )
        )
        self._taken = _Kept(
            Counter(
                "virtsnap_snapshots_taken_total",
                "Snapshots that were taken.",
                ["host", "domain"],
                registry=None,
            )
        )
        self._deleted = _Kept(
            Counter(
                "virtsnap_snapshots_deleted_total",
                "Snapshots that were deleted: merged away, deleted from their images, or forgotten.",
                ["host", "domain"],
                registry=None,
            )
        )
        self._of_hosts = (self._passes, self._pass_seconds, self._work_seconds, self._step_seconds)
        self._of_domains = (self._outcomes, self._taken, self._deleted)

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """Seen in the snapshot."""

    def pass_ended(self, record: PassRecord) -> None:
        """Counted."""
        result = "failed" if record.trouble else "done"
        with self._lock:
            self._passes.of(record.host, record.cause, result).inc()
            self._pass_seconds.of(record.host).observe(record.seconds)

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """Seen in the snapshot."""

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """Counted."""
        with self._lock:
            self._step_seconds.of(plan.host, step.action.name).observe(seconds)
            match step.action:
                case CreateSnapshot():
                    self._taken.of(plan.host, plan.domain).inc()
                case DeleteSnapshot() | ForgetSnapshot(keeps_as_lost=False):
                    self._deleted.of(plan.host, plan.domain).inc()
                case (
                    CommitOverlays()
                    | FinishJob()
                    | AbortJob()
                    | ForgetSnapshot()
                    | RemoveImage()
                    | RedefineSnapshot()
                    | ReleaseSnapshot()
                    | AdoptSnapshot()
                    | RevertSnapshot()
                    | RevertInternal()
                    | DefineDomain()
                    | AdoptRequest()
                    | RenewLedger()
                    | ThawGuest()
                    | ShutDownDomain()
                    | StartDomain()
                    | SwitchDisk()
                ):
                    pass  # a merge is followed by a record that is forgotten
                case _:
                    assert_never(step.action)

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """Counted."""
        with self._lock:
            self._work_seconds.of(outcome.host, outcome.status).observe(seconds)
            self._outcomes.of(outcome.host, outcome.domain, outcome.status).inc()

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """Seen in the snapshot."""

    def collect(self) -> Iterator[Metric]:
        """All of it; what is counted of hosts and domains that have gone goes."""
        state = self._snapshot()
        hosts: set[tuple[str, ...]] = {(label(host.name),) for host in state.hosts}
        domains: set[tuple[str, ...]] = {
            (label(domain.host), label(domain.domain)) for domain in state.domains
        }
        with self._lock:
            for counted in self._of_hosts:
                counted.keep(hosts)
            for counted in self._of_domains:
                counted.keep(domains)
            found = [
                family
                for counted in (*self._of_hosts, *self._of_domains)
                for family in counted.families()
            ]
        yield from gauges(state)
        yield from found


class _Kept(Generic[M]):
    """A metric whose label values go when the host or domain goes that they begin with."""

    def __init__(self, metric: M) -> None:
        self._metric: M = metric
        self._values: set[tuple[str, ...]] = set()
        #: those that were there at the last look
        self._looked_at: set[tuple[str, ...]] = set()

    def of(self, *values: str) -> M:
        """The one with these label values."""
        names = tuple(label(value) for value in values)
        self._values.add(names)
        found: M = self._metric.labels(*names)
        return found

    def keep(self, present: set[tuple[str, ...]]) -> None:
        """Drop what does not begin with one of *present*, unless it is newer than the last look."""
        width = max((len(names) for names in present), default=0)
        absent = {names for names in self._values if names[:width] not in present}
        for names in absent & self._looked_at:
            self._metric.remove(*names)
            self._values.discard(names)
        self._looked_at = set(self._values)

    def families(self) -> Iterator[Metric]:
        """Without the times at which counters began: twice the series, and nobody asks for them."""
        for family in self._metric.collect():
            family.samples = [s for s in family.samples if not s.name.endswith("_created")]
            yield family


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """A registry of its own for *collectors*."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return registry


def with_process(metrics: Metrics) -> CollectorRegistry:
    """What is scraped over HTTP: *metrics*, and those of the process.

    The latter never go into a text file: the node_exporter has its own of the same names, and one
    name twice makes its whole scrape void.
    """
    registry = registry_of(metrics)
    ProcessCollector(registry=registry)
    return registry
