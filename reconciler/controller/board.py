"""What the controller knows, in one place that many threads read and write."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.engine.watcher import Watcher
from reconciler.model.controller import (
    ControllerState,
    DomainState,
    HostState,
    PassRecord,
    RunningStep,
    SourceState,
)
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.report.step_text import title

_Key = tuple[HostName, str]


class Board:
    """Holds the state and tells a watcher what becomes another; the engine's listener too."""

    def __init__(
        self,
        state: ControllerState,
        watcher: Watcher,
        now: Callable[[], datetime],
        *,
        written: Callable[[ControllerState], None] = lambda state: None,
    ) -> None:
        """*written* gets the whole state whenever something of it is new; it must not wait."""
        self._written = written
        self._lock = threading.RLock()
        self._state = state
        self._watcher = watcher
        self._now = now
        self._hosts: dict[HostName, HostState] = {host.name: host for host in state.hosts}
        self._domains: dict[_Key, DomainState] = {(d.host, d.domain): d for d in state.domains}
        self._begun: dict[_Key, datetime] = {}

    def snapshot(self) -> ControllerState:
        """All of it, as it is now."""
        with self._lock:
            domains = tuple(self._domains[key] for key in sorted(self._domains))
            hosts = tuple(self._hosts[name] for name in sorted(self._hosts))
            return replace(self._state, at=self._now(), hosts=hosts, domains=domains)

    def domain(self, host: HostName, domain: str) -> DomainState | None:
        """One domain."""
        with self._lock:
            return self._domains.get((host, domain))

    def stopping(self) -> None:
        """The end has been asked for."""
        with self._lock:
            self._state = replace(self._state, is_stopping=True)
        self._write()

    def source(self, after: SourceState) -> None:
        """The source was looked at."""
        with self._lock:
            before = self._state.source
            self._state = replace(self._state, source=after)
        if replace(before, fetched=after.fetched) != after:
            self._watcher.source_changed(before, after)
            self._write()

    def hosts(self, names: Iterable[HostName]) -> None:
        """These are the hosts; what is known of others is dropped."""
        with self._lock:
            kept = set(names)
            self._hosts = {n: self._hosts.get(n, HostState(name=n)) for n in kept}
            self._domains = {key: d for key, d in self._domains.items() if key[0] in kept}

    def passed(self, host: HostState, record: PassRecord, domains: Iterable[str] | None) -> None:
        """A pass over *host* is made; of its domains there are *domains*, None: not known."""
        with self._lock:
            self._hosts[host.name] = host
            self._state = replace(self._state, passes=self._state.passes + 1)
            if domains is not None:
                there = set(domains)
                for key in [k for k in self._domains if k[0] == host.name and k[1] not in there]:
                    del self._domains[key]
        self._watcher.pass_ended(record)
        self._write()

    def put(self, after: DomainState) -> None:
        """The state of one domain."""
        with self._lock:
            key = (after.host, after.domain)
            before = self._domains.get(key)
            self._domains[key] = after
        if before is None or _seen_from_outside(before) != _seen_from_outside(after):
            self._watcher.domain_changed(before, after)
            self._write()

    def work_begins(self, plan: DomainPlan) -> None:
        """Its steps are about to be carried out."""
        with self._lock:
            self._begun[plan.host, plan.domain] = self._now()

    # --- the engine's listener

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """It is shown as running."""
        running = RunningStep(
            title=title(step),
            action=step.action.name,
            snapshot=step.action.card.snapshot,
            begun=self._now(),
        )
        self._run(domain, running)
        self._watcher.step_started(domain, step)

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """Bytes of a block job."""
        with self._lock:
            state = self._domains.get((domain.host, domain.domain))
            if state is not None and state.running is not None:
                self._run(domain, replace(state.running, done=done, total=total))

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """Nothing runs until the next begins."""
        with self._lock:
            state = self._domains.get((domain.host, domain.domain))
            begun = state.running.begun if state and state.running else self._now()
            self._run(domain, None)
        seconds = (self._now() - begun).total_seconds()
        self._watcher.step_finished(domain, step, note, max(0.0, seconds))

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """The work is over."""
        with self._lock:
            self._run(outcome.plan, None)
            begun = self._begun.pop((outcome.host, outcome.domain), None)
        seconds = (self._now() - begun).total_seconds() if begun else 0.0
        self._watcher.domain_ended(outcome, max(0.0, seconds))

    def _run(self, plan: DomainPlan, running: RunningStep | None) -> None:
        with self._lock:
            key = (plan.host, plan.domain)
            if key in self._domains:
                self._domains[key] = replace(self._domains[key], running=running)
        self._write()

    def _write(self) -> None:
        self._written(self.snapshot())


def _seen_from_outside(state: DomainState) -> tuple[object, ...]:
    return (state.readiness, state.reason, state.suspended_by, state.refusals, state.held)
