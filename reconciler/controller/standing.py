"""What a domain stands at after a pass: Ready, Reconciling or Stalled, and why."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reconciler.controller.pacing import GIVEN_UP, Pace
from reconciler.model.controller import (
    DomainState,
    HeldStep,
    Readiness,
    SuspendedBy,
)
from reconciler.model.domain import ObservedDomain
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Held, HeldBecause
from reconciler.model.refusal import Refusal
from reconciler.report import held_text
from reconciler.report.refusals import explained
from reconciler.report.step_text import title
from reconciler.report.units import count, duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Readiness with its reason, a word for machines and a line for people."""

    readiness: Readiness
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What counts besides plan and outcome."""

    now: datetime
    pace: Pace = field(default_factory=Pace)
    is_report_only: bool = False
    #: the manifests in force are not what the source holds
    is_source_ready: bool = True
    suspended_by: tuple[SuspendedBy, ...] = ()
    depth_limit: int | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a domain that was never seen."""

    applied_revision: None = None
    observed: None = None
    succeeded: None = None


def of_plan(plan: DomainPlan, around: Circumstances) -> Verdict:
    """Before any work: what is to be done, and what keeps it from being done."""
    if around.is_report_only and plan.steps:
        text = f"{count(len(plan.steps), 'step')} planned; this controller only reports"
        return Verdict(readiness=Readiness.STALLED, reason="ReportOnly", message=text)
    if not around.is_source_ready and plan.steps:
        return Verdict(
            readiness=Readiness.STALLED,
            reason="SourceNotReady",
            message=f"{count(len(plan.steps), 'step')} wait until the source can be read",
        )
    if around.pace.is_given_up(plan):
        return Verdict(
            readiness=Readiness.STALLED,
            reason=GIVEN_UP,
            message="a step that discards data failed and is not tried again in this state:"
            f" virtsnap reconcile {plan.domain}",
        )
    if plan.open_steps:
        return _waiting(plan, around)
    return _at_rest(plan.refusals, plan)


def of_outcome(outcome: DomainOutcome, around: Circumstances) -> Verdict:
    """After the work."""
    match outcome.status:
        case DomainStatus.FAILED | DomainStatus.STALE | DomainStatus.LOCKED:
            message = outcome.error.message.replace("\n", "; ") if outcome.error else ""
            return Verdict(
                readiness=Readiness.RECONCILING,
                reason=outcome.status.name.capitalize(),
                message=message + _again(around),
            )
        case DomainStatus.INTERRUPTED:
            left = outcome.left or "the controller was stopped"
            return Verdict(
                readiness=Readiness.RECONCILING, reason="Interrupted", message=left + _again(around)
            )
        case DomainStatus.APPLIED:
            return Verdict(
                readiness=Readiness.READY,
                reason="Applied",
                message=f"{count(outcome.steps_done, 'step')} done",
            )
        case DomainStatus.IN_SYNC | DomainStatus.REFUSED | DomainStatus.HELD:
            if outcome.waits_for:
                names = ", ".join(f"{each.domain} ({each.status})" for each in outcome.waits_for)
                return Verdict(
                    readiness=Readiness.RECONCILING,
                    reason=HeldBecause.DEPENDS_ON.value,
                    message=f"waits for {names}",
                )
            return _at_rest(outcome.refusals, outcome.plan)


def at_work(plan: DomainPlan) -> Verdict:
    """Its steps are being carried out."""
    return Verdict(
        readiness=Readiness.RECONCILING,
        reason="AtWork",
        message=f"{count(len(plan.open_steps), 'step')} to do",
    )


def state(
    before: DomainState | None,
    verdict: Verdict,
    plan: DomainPlan,
    observed: ObservedDomain | None,
    around: Circumstances,
    *,
    refusals: tuple[Refusal, ...] | None = None,
) -> DomainState:
    """The whole state; what nothing new is known of stays as it was in *before*."""
    is_other = before is None or (before.readiness, before.reason) != (
        verdict.readiness,
        verdict.reason,
    )
    kept = _Kept() if before is None else before
    is_done = verdict.readiness is Readiness.READY and around.is_source_ready
    fresh = DomainState(
        host=plan.host,
        domain=plan.domain,
        uuid=plan.uuid,
        readiness=verdict.readiness,
        reason=verdict.reason,
        message=verdict.message,
        since=around.now if is_other or before is None else before.since,
        revision=around.revision,
        applied_revision=around.revision if is_done else kept.applied_revision,
        observed=around.now if observed else kept.observed,
        succeeded=around.now if is_done else kept.succeeded,
        failures=around.pace.failures,
        retry_at=around.pace.retry_at,
        suspended_by=around.suspended_by,
        plan_id=plan.plan_id,
        steps=len(plan.steps),
        drift=tuple(dict.fromkeys(type(difference).__name__ for difference in plan.drift)),
        refusals=plan.refusals if refusals is None else refusals,
        held=tuple(_held(plan, held) for held in plan.held),
        depth_limit=around.depth_limit,
    )
    if observed is None:
        return fresh if before is None else _with_depth_of(fresh, before)
    entries = observed.ledger.entries if observed.ledger else ()
    newest = max((entry.created for entry in entries if entry.created is not None), default=None)
    return replace(
        fresh,
        depth=max((disk.chain.depth for disk in observed.disks if disk.chain), default=0),
        newest_snapshot=None if newest is None else datetime.fromtimestamp(newest, UTC),
    )


def _with_depth_of(fresh: DomainState, before: DomainState) -> DomainState:
    return replace(fresh, depth=before.depth, newest_snapshot=before.newest_snapshot)


def _waiting(plan: DomainPlan, around: Circumstances) -> Verdict:
    """There is work, and it is not begun in this pass."""
    if around.pace.failures:
        reason, why = "Failed", f"failed {count(around.pace.failures, 'time')}"
    else:
        reason, why = "NoProgress", f"{count(len(plan.open_steps), 'step')} to do"
    return Verdict(readiness=Readiness.RECONCILING, reason=reason, message=why + _again(around))


def _again(around: Circumstances) -> str:
    if around.pace.retry_at is None:
        return ""
    seconds = max(1, round((around.pace.retry_at - around.now).total_seconds()))
    return f"; tried again in {duration(seconds)}"


def _at_rest(refusals: tuple[Refusal, ...], plan: DomainPlan) -> Verdict:
    """Nothing more is done in this pass."""
    if refusals:
        words = explained(refusals[0], domain=plan.domain, manifest=plan.manifest)
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        return Verdict(
            readiness=Readiness.STALLED, reason=refusals[0].code.value, message=words.message + more
        )
    own = next((held for held in plan.held if held.because is not HeldBecause.BEHIND_HELD), None)
    if own is not None:
        return Verdict(
            readiness=Readiness.RECONCILING if own.ends_by_itself else Readiness.STALLED,
            reason=own.because.value,
            message=_held(plan, own).title + ": " + held_text.why(own),
        )
    return Verdict(readiness=Readiness.READY, reason="InSync", message="in sync")


def _held(plan: DomainPlan, held: Held) -> HeldStep:
    step = next((step for step in plan.steps if step.id == held.step), None)
    return HeldStep(
        title=title(step) if step else held.step,
        because=held.because,
        until=held_text.until(held),
    )
