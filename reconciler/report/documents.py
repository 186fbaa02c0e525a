"""The documents for machines: every one, by the name its schema has."""

from pydantic import BaseModel

from reconciler.errors import ManifestError, VirtsnapError
from reconciler.model.action import (
    CommitOverlays,
    CreateSnapshot,
    DeleteSnapshot,
    RevertInternal,
    RevertSnapshot,
)
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Held, HeldBecause, HeldUntil, Plan
from reconciler.model.refusal import Refusal, RefusalCode
from reconciler.model.secrets import without_secrets
from reconciler.model.suspension import SuspendedBy
from reconciler.report import summary
from reconciler.report.config import ConfigDocument
from reconciler.report.controller_document import ControllerDocument, ReconcileDocument
from reconciler.report.doctor import DoctorDocument
from reconciler.report.document import Document, UtcTime, WholeDocument
from reconciler.report.drift_documents import DriftDocument, drift_document
from reconciler.report.history_document import HistoryDocument
from reconciler.report.hook_document import HookDocument
from reconciler.report.observation import ObservationDocument
from reconciler.report.refusals import explained
from reconciler.report.status import StatusDocument
from reconciler.report.step_documents import AnyStepDocument, step_document
from reconciler.report.suspension_documents import (
    SuspensionDocument,
    SuspensionsDocument,
    suspension_document,
)
from reconciler.report.tree_documents import TreeDocument


class RefusalDocument(Document):
    """What is not done, and what to do about it."""

    code: RefusalCode
    message: str
    hint: str
    snapshot: str | None
    facts: dict[str, str]


class HeldDocument(Document):
    """A step that is not done now, until when or what, and why.

    *waitsFor*: the domain that ``DependsOn`` waits for.
    """

    step: str
    until: HeldUntil | UtcTime
    why: HeldBecause
    waits_for: str | None


class DomainPlanDocument(Document):
    """The plan of one domain."""

    host: str
    domain: str
    uuid: str | None
    plan_id: str
    manifest: str | None
    fingerprint: str
    drift: tuple[DriftDocument, ...]
    steps: tuple[AnyStepDocument, ...]
    refusals: tuple[RefusalDocument, ...]
    #: what this pass does not do
    held: tuple[HeldDocument, ...]
    #: what a pass of ``run`` would not do now
    held_from_run: tuple[HeldDocument, ...]
    #: domains of this plan that come first
    depends_on: tuple[str, ...]
    suspended: bool
    suspended_by: tuple[SuspendedBy, ...]
    #: what `virtsnap suspend` said
    suspended_by_hand: SuspensionDocument | None
    warnings: tuple[str, ...]


class SummaryDocument(Document):
    """The plan in numbers; *create* to *other* count steps and come to *steps*."""

    domains: int
    in_sync: int
    steps: int
    create: int
    commit: int
    delete: int
    revert: int
    other: int
    refusals: int
    held: int


class PlanDocument(WholeDocument):
    """What will be done, in order, and why, and what will not."""

    plan_id: str
    created_at: UtcTime
    revision: str | None
    source: str
    summary: SummaryDocument
    domains: tuple[DomainPlanDocument, ...]


class ErrorBodyDocument(Document):
    """An error; *problems* are all of them, where there may be several (manifests)."""

    message: str
    hint: str | None
    exit_code: int
    problems: tuple[str, ...] = ()


class ErrorDocument(WholeDocument):
    """What ``-o json`` prints to stderr when a command fails."""

    error: ErrorBodyDocument


class AwaitedDocument(Document):
    """A domain that had to be done first and was not."""

    domain: str
    status: DomainStatus


class DomainOutcomeDocument(Document):
    """What became of one domain."""

    host: str
    domain: str
    uuid: str | None
    plan_id: str
    status: DomainStatus
    steps: int
    steps_done: int
    refusals: tuple[RefusalDocument, ...]
    error: ErrorBodyDocument | None
    left: str
    waits_for: tuple[AwaitedDocument, ...]


class OutcomeDocument(WholeDocument):
    """What became of a plan."""

    plan_id: str
    exit_code: int
    domains: tuple[DomainOutcomeDocument, ...]


class ValidationDocument(WholeDocument):
    """Manifests that are valid, in numbers."""

    hosts: int
    domains: int
    snapshots: int


class VersionDocument(WholeDocument):
    """Who is at work; *problem* says why libvirt could not be asked."""

    virtsnap: str
    binding: str | None
    libvirt: str | None
    qemu: str | None
    uri: str
    problem: str | None


#: Every document of the command line, by the name of its schema.
DOCUMENTS: dict[str, type[BaseModel]] = {
    "plan": PlanDocument,
    "outcome": OutcomeDocument,
    "status": StatusDocument,
    "controller": ControllerDocument,
    "suspensions": SuspensionsDocument,
    "reconcile": ReconcileDocument,
    "tree": TreeDocument,
    "doctor": DoctorDocument,
    "observation": ObservationDocument,
    "history": HistoryDocument,
    "hook": HookDocument,
    "validation": ValidationDocument,
    "config": ConfigDocument,
    "version": VersionDocument,
    "error": ErrorDocument,
}


def plan_document(plan: Plan) -> PlanDocument:
    """*plan* for machines."""
    return PlanDocument(
        plan_id=plan.plan_id,
        created_at=plan.created_at,
        revision=plan.revision,
        source=plan.source,
        summary=_summary(plan),
        domains=tuple(_domain(domain) for domain in plan.domains),
    )


def error_document(error: VirtsnapError) -> ErrorDocument:
    """*error* for machines."""
    return ErrorDocument(error=_error(error))


def outcome_document(
    plan: Plan, outcomes: tuple[DomainOutcome, ...], *, exit_code: int
) -> OutcomeDocument:
    """The end of applying *plan* for machines."""
    return OutcomeDocument(
        plan_id=plan.plan_id,
        exit_code=exit_code,
        domains=tuple(_outcome(outcome) for outcome in outcomes),
    )


def _summary(plan: Plan) -> SummaryDocument:
    totals = summary.totals(plan)
    actions = [step.action for domain in plan.domains for step in domain.steps]
    create = sum(1 for action in actions if isinstance(action, CreateSnapshot))
    commit = sum(1 for action in actions if isinstance(action, CommitOverlays))
    delete = sum(1 for action in actions if isinstance(action, DeleteSnapshot))
    revert = sum(1 for action in actions if isinstance(action, RevertSnapshot | RevertInternal))
    return SummaryDocument(
        domains=totals.domains,
        in_sync=totals.in_sync,
        steps=totals.steps,
        create=create,
        commit=commit,
        delete=delete,
        revert=revert,
        other=totals.steps - create - commit - delete - revert,
        refusals=totals.refusals,
        held=totals.held,
    )


def _domain(plan: DomainPlan) -> DomainPlanDocument:
    return DomainPlanDocument.model_validate(
        {
            "host": plan.host,
            "domain": plan.domain,
            "uuid": plan.uuid,
            "plan_id": plan.plan_id,
            "manifest": plan.manifest,
            "fingerprint": plan.fingerprint,
            "drift": tuple(drift_document(difference) for difference in plan.drift),
            "steps": tuple(step_document(step) for step in plan.steps),
            "refusals": tuple(_refusal(refusal, plan) for refusal in plan.refusals),
            "held": tuple(_held(held) for held in plan.held),
            "held_from_run": tuple(_held(held) for held in plan.held_from_run),
            "depends_on": plan.depends_on,
            "suspended": plan.is_suspended,
            "suspended_by": plan.suspended_by,
            "suspended_by_hand": plan.by_hand and suspension_document(plan.by_hand),
            "warnings": plan.warnings,
        }
    )


def _held(held: Held) -> HeldDocument:
    return HeldDocument(
        step=held.step, until=held.until, why=held.because, waits_for=held.waits_for or None
    )


def _refusal(refusal: Refusal, plan: DomainPlan) -> RefusalDocument:
    words = explained(refusal, domain=plan.domain, manifest=plan.manifest)
    return RefusalDocument(
        code=refusal.code,
        message=words.message,
        hint=words.hint,
        snapshot=refusal.snapshot,
        facts=dict(refusal.facts),
    )


def _error(error: VirtsnapError) -> ErrorBodyDocument:
    problems = error.problems if isinstance(error, ManifestError) else ()
    return ErrorBodyDocument(
        message=without_secrets(problems[0] if problems else error.message),
        hint=error.hint and without_secrets(error.hint),
        exit_code=error.exit_code,
        problems=tuple(without_secrets(problem) for problem in problems),
    )


def _outcome(outcome: DomainOutcome) -> DomainOutcomeDocument:
    return DomainOutcomeDocument(
        host=outcome.host,
        domain=outcome.domain,
        uuid=outcome.plan.uuid,
        plan_id=outcome.plan.plan_id,
        status=outcome.status,
        steps=len(outcome.plan.steps),
        steps_done=outcome.steps_done,
        refusals=tuple(_refusal(refusal, outcome.plan) for refusal in outcome.refusals),
        error=_error(outcome.error) if outcome.error else None,
        left=outcome.left,
        waits_for=tuple(
            AwaitedDocument(domain=awaited.domain, status=awaited.status)
            for awaited in outcome.waits_for
        ),
    )
