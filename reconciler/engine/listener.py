"""Who is told, while a plan is carried out."""

from dataclasses import dataclass
from typing import Protocol

from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step


class Listener(Protocol):
    """Hears of each step, from several threads at once; must not raise."""

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """About to do *step*."""

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """A block job has copied *done* of *total* bytes."""

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """*step* is done; *note* says what was other than planned (``not quiesced``), or nothing."""

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """The end of a domain's plan."""


class Silence:
    """Hears and says nothing."""

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """Ignored."""

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """Ignored."""

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """Ignored."""

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """Ignored."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Several, told in order."""

    all: tuple[Listener, ...]

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """Tell all."""
        for listener in self.all:
            listener.step_started(domain, step)

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """Tell all."""
        for listener in self.all:
            listener.step_progress(domain, step, done, total)

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """Tell all."""
        for listener in self.all:
            listener.step_finished(domain, step, note)

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """Tell all."""
        for listener in self.all:
            listener.domain_finished(outcome)
