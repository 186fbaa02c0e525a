"""Who is told what a controller does."""

from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model.controller import DomainState, PassRecord, SourceState
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step


class Watcher(Protocol):
    """Hears what a controller does, from several threads at once; must not raise, nor wait long."""

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """The source was looked at, and something about it is new."""

    def pass_ended(self, record: PassRecord) -> None:
        """A host was observed and planned; the work on its domains may go on."""

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """A step begins."""

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """A step is done; *note* as the engine's listener has it."""

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """The work on a domain is over, however it ended; also where nothing was to be done."""

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """Readiness, reason, suspension or what is refused or held became another."""


@dataclass(slots=True)
class Watchers:
    """Several, told in order."""

    all: list[Watcher] = field(default_factory=list)

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """Tell all."""
        for watcher in self.all:
            watcher.source_changed(before, after)

    def pass_ended(self, record: PassRecord) -> None:
        """Tell all."""
        for watcher in self.all:
            watcher.pass_ended(record)

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """Tell all."""
        for watcher in self.all:
            watcher.step_started(plan, step)

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """Tell all."""
        for watcher in self.all:
            watcher.step_finished(plan, step, note, seconds)

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """Tell all."""
        for watcher in self.all:
            watcher.domain_ended(outcome, seconds)

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """Tell all."""
        for watcher in self.all:
            watcher.domain_changed(before, after)
