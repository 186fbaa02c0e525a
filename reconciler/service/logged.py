"""What a controller does, in the log: a line for each step, domain and trouble; an idle pass says nothing."""

from contextlib import suppress

import structlog

from reconciler.model.controller import DomainState, PassRecord, SourceState, Trouble
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Step
from reconciler.report.step_text import title

_IDLE = (DomainStatus.IN_SYNC,)


class Logged:
    """A watcher that writes the log; the same trouble is said once."""

    def __init__(self, *, is_source_told: bool = True) -> None:
        """Without *is_source_told*, trouble with the source is somebody else's to tell."""
        self._is_source_told = is_source_told
        self._log = structlog.get_logger("virtsnap")
        self._hosts: dict[HostName, Trouble | None] = {}

    def source_changed(self, before: SourceState, after: SourceState) -> None:
        """A new revision, and trouble."""
        with suppress(OSError, ValueError):
            if after.trouble is not None:
                if after.trouble != before.trouble and self._is_source_told:
                    trouble = after.trouble
                    self._log.error("no pass", error=trouble.message, hint=trouble.hint)
            elif before.trouble is not None or before.revision != after.revision:
                self._log.info("source", id=after.id, revision=after.revision)

    def pass_ended(self, record: PassRecord) -> None:
        """A host that cannot be observed."""
        with suppress(OSError, ValueError):
            before = self._hosts.get(record.host)
            self._hosts[record.host] = record.trouble
            facts = {"host": record.host, "cause": record.cause}
            if record.trouble is None:
                if before is not None:
                    self._log.info("host answers again", **facts)
                self._log.debug(
                    "pass", **facts, seconds=round(record.seconds, 3), domains=record.domains
                )
            elif record.trouble != before:
                trouble = record.trouble
                self._log.error("no pass", **facts, error=trouble.message, hint=trouble.hint)

    def step_started(self, plan: DomainPlan, step: Step) -> None:
        """For those who look closely."""
        with suppress(OSError, ValueError):
            self._log.debug("step begins", domain=plan.domain, host=plan.host, step=title(step))

    def step_finished(self, plan: DomainPlan, step: Step, note: str, seconds: float) -> None:
        """The line."""
        facts = {"note": note} if note else {}
        with suppress(OSError, ValueError):
            self._log.info(
                "step",
                domain=plan.domain,
                host=plan.host,
                step=title(step),
                seconds=round(seconds, 3),
                **facts,
            )

    def domain_ended(self, outcome: DomainOutcome, seconds: float) -> None:
        """How its work ended."""
        if outcome.status in _IDLE:
            return
        refused = sorted({refusal.code.value for refusal in outcome.refusals})
        facts = {
            "domain": outcome.domain,
            "host": outcome.host,
            "status": outcome.status.value,
            "steps": outcome.steps_done,
            "refused": refused or None,
            "held": len(outcome.plan.held),
            "waits_for": [awaited.domain for awaited in outcome.waits_for] or None,
        }
        facts = {name: value for name, value in facts.items() if value is not None}
        with suppress(OSError, ValueError):
            if outcome.error is not None:
                error = outcome.error
                self._log.error("domain failed", error=error.message, hint=error.hint, **facts)
            else:
                self._log.info("domain", **facts)

    def domain_changed(self, before: DomainState | None, after: DomainState) -> None:
        """What is refused or held, once; that it is worked on is in its steps."""
        if after.reason in ("InSync", "Applied", "AtWork") or (
            before is not None and (before.reason, before.message) == (after.reason, after.message)
        ):
            return
        with suppress(OSError, ValueError):
            self._log.info(
                "domain",
                domain=after.domain,
                host=after.host,
                status=after.readiness.value,
                reason=after.reason,
                message=after.message,
                held=len(after.held),
            )
