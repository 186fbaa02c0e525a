"""Who writes the history: a watcher of the controller, a listener of ``apply``."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.model.controller import DomainState, PassRecord, SourceState
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.secrets import without_secrets
from reconciler.report.history_document import (
    DomainEntryDocument,
    HistoryStepDocument,
    SourceEntryDocument,
    history_error,
    history_refusals,
    history_step,
)
from reconciler.service.history import History

_Key = tuple[HostName, str]


@dataclass(slots=True)
class _Work:
    """What was done on one domain so far."""

    begun: datetime
    source: str
    revision: str | None
    steps: list[HistoryStepDocument] = field(default_factory=list)
    under_way: tuple[Step, datetime] | None = None


class _Recorder:
    """Collects the steps of each domain until its end."""

    def __init__(self, history: History, *, by: str, now: Callable[[], datetime]) -> None:
        self._history, self._by, self._now = history, by, now
        self._lock = threading.Lock()
        self._works: dict[_Key, _Work] = {}
        self.source = ""
        self.revision: str | None = None

    def started(self, plan: DomainPlan, step: Step) -> None:
        """*step* begins."""
        now = self._now()
        with self._lock:
            work = self._works.setdefault(
                (plan.host, plan.domain), _Work(now, self.source, self.revision)
            )
            work.under_way = (step, now)

    def finished(self, plan: DomainPlan, step: Step, note: str) -> None:
        """*step* is done."""
        now = self._now()
        with self._lock:
            work = self._works.get((plan.host, plan.domain))
            if work is None:
                return
            begun = now
            if work.under_way is not None:
                begun, work.under_way = work.under_way[1], None
            length = (now - begun).total_seconds()
            work.steps.append(history_step(step, seconds=length, is_done=True, note=note))

    def ended(self, outcome: DomainOutcome, seconds: float | None = None) -> None:
        """The end of a domain's work: its entry."""
        now = self._now()
        with self._lock:
            work = self._works.pop((outcome.host, outcome.domain), None)
        if work is None:
            begun = now - timedelta(seconds=seconds or 0)
            work = _Work(begun, self.source, self.revision)
        if work.under_way is not None:
            step, begun = work.under_way
            length = (now - begun).total_seconds()
            work.steps.append(history_step(step, seconds=length, is_done=False))
        self._history.write(
            DomainEntryDocument.model_validate(
                {
                    "at": work.begun,
                    "seconds": round(max(0.0, (now - work.begun).total_seconds()), 3),
                    "by": self._by,
                    "host": outcome.host,
                    "domain": outcome.domain,
                    "uuid": outcome.plan.uuid,
                    "source": without_secrets(work.source),
                    "revision": work.revision,
                    "plan_id": outcome.plan.plan_id,
                    "status": outcome.status,
                    "steps": tuple(work.steps),
                    "held": len(outcome.plan.held),
                    "refusals": history_refusals(outcome),
                    **history_error(outcome.error),
                }
            )
        )

    def source_changed(self, before: SourceState, state: SourceState) -> None:
        """Another revision, or another trouble."""
        trouble = state.trouble
        with self._lock:
            self.source, self.revision = state.id, state.revision
        if trouble is None and before.trouble is None and state.revision is None:
            return  # a folder without revisions has no news
        self._history.write(
            SourceEntryDocument(
                at=self._now(),
                by=self._by,
                source=without_secrets(state.id),
                revision=state.revision,
                message=without_secrets(trouble.message) if trouble else None,
                where=trouble.where if trouble else "",
                hint=without_secrets(trouble.hint) if trouble else "",
            )
        )


class HistoryWatcher:
    """Writes what a controller does."""

    def __init__(self, history: History, *, now: Callable[[], datetime]) -> None:
        self._recorder = _Recorder(history, by="run", now=now)

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """An entry for another revision or trouble."""
        self._recorder.source_changed(before, after)

    def pass_ended(self, record: PassRecord) -> None:
        """Idle passes write nothing."""

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """Remembered."""
        self._recorder.started(plan, step)

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """Remembered."""
        self._recorder.finished(plan, step, note)

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """An entry, where something was done or stands otherwise than before."""
        self._recorder.ended(outcome, seconds)

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """Told by its end."""


class HistoryListener:
    """Writes what ``apply`` does."""

    def __init__(
        self,
        history: History,
        *,
        by: str,
        source: str,
        revision: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self._recorder = _Recorder(history, by=by, now=now)
        self._recorder.source, self._recorder.revision = source, revision

    def step_started(self, domain: DomainPlan, step: Step) -> None:
        """Remembered."""
        self._recorder.started(domain, step)

    def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
        """Not for the history."""

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """Remembered."""
        self._recorder.finished(domain, step, note)

    def domain_finished(self, outcome: DomainOutcome) -> None:
        """The entry."""
        self._recorder.ended(outcome)
