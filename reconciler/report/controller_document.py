"""``ControllerState`` as a document, for the state file, the socket, ``status -o json``."""

from typing import Literal

from reconciler.model.controller import (
    ControllerState,
    DomainState,
    HostState,
    Readiness,
    RunningStep,
    SourceState,
    Trouble,
)
from reconciler.model.plan import HeldBecause
from reconciler.model.refusal import Refusal, RefusalCode
from reconciler.model.secrets import without_secrets
from reconciler.model.suspension import SuspendedBy
from reconciler.report.document import Document, UtcTime, WholeDocument, as_json
from reconciler.report.refusals import explained


class TroubleDocument(Document):
    """Why something could not be done; *where* is ``file:line:column``."""

    message: str
    hint: str
    where: str


class RunningStepDocument(Document):
    """A step under way; *done* and *total* are bytes of a block job."""

    title: str
    action: str
    snapshot: str | None
    begun: UtcTime
    done: int
    total: int


class HeldStepDocument(Document):
    """A step of the last plan that waits."""

    title: str
    because: HeldBecause
    until: str


class MetRefusalDocument(Document):
    """What is not done, and what to do about it; *message* and *hint* follow from the others."""

    code: RefusalCode
    snapshot: str | None
    facts: dict[str, str]
    message: str
    hint: str


class DomainStateDocument(Document):
    """One domain, as its last pass left it."""

    host: str
    domain: str
    uuid: str | None
    readiness: Readiness
    reason: str
    message: str
    since: UtcTime
    revision: str | None
    applied_revision: str | None
    observed: UtcTime | None
    succeeded: UtcTime | None
    failures: int
    retry_at: UtcTime | None
    suspended_by: tuple[SuspendedBy, ...]
    plan_id: str | None
    steps: int
    drift: tuple[str, ...]
    refusals: tuple[MetRefusalDocument, ...]
    held: tuple[HeldStepDocument, ...]
    running: RunningStepDocument | None
    depth: int
    depth_limit: int | None
    newest_snapshot: UtcTime | None


class SourceStateDocument(Document):
    """The manifests in force, and why newer ones are not."""

    id: str
    revision: str | None
    since: UtcTime | None
    fetched: UtcTime | None
    signed_by: str | None
    trouble: TroubleDocument | None


class HostStateDocument(Document):
    """One libvirt."""

    name: str
    observed: UtcTime | None
    trouble: TroubleDocument | None
    suspended: bool


class ControllerDocument(WholeDocument):
    """A whole controller; *ready* follows from the others."""

    kind: Literal["controller"] = "controller"
    version: str
    holder: str
    pid: int
    started: UtcTime
    at: UtcTime
    interval: float
    report_only: bool
    ready: bool
    source: SourceStateDocument
    hosts: tuple[HostStateDocument, ...]
    domains: tuple[DomainStateDocument, ...]
    passes: int
    stopping: bool


class ReconcileDocument(WholeDocument):
    """What ``virtsnap reconcile`` waited for: each domain that was asked for, and the rest."""

    exit_code: int
    domains: tuple[DomainStateDocument, ...]
    source: SourceStateDocument
    hosts: tuple[HostStateDocument, ...]


def controller_document(state: ControllerState) -> ControllerDocument:
    """*state* for machines: no secrets, nothing that is not UTF-8."""
    return ControllerDocument(
        version=said(state.version),
        holder=said(state.holder),
        pid=state.pid,
        started=state.started,
        at=state.at,
        interval=state.interval,
        report_only=state.is_report_only,
        ready=state.is_ready,
        source=_source(state.source),
        hosts=tuple(_host(host) for host in state.hosts),
        domains=tuple(domain_state_document(domain) for domain in state.domains),
        passes=state.passes,
        stopping=state.is_stopping,
    )


def reconcile_document(
    domains: tuple[DomainState, ...], state: ControllerState, *, exit_code: int
) -> ReconcileDocument:
    """How the pass that was asked for ended, for machines."""
    return ReconcileDocument(
        exit_code=exit_code,
        domains=tuple(domain_state_document(domain) for domain in domains),
        source=_source(state.source),
        hosts=tuple(_host(host) for host in state.hosts),
    )


def domain_state_document(state: DomainState) -> DomainStateDocument:
    """*state* for machines."""
    return DomainStateDocument(
        host=said(state.host),
        domain=said(state.domain),
        uuid=state.uuid,
        readiness=state.readiness,
        reason=said(state.reason),
        message=said(state.message),
        since=state.since,
        revision=_or_none(state.revision),
        applied_revision=_or_none(state.applied_revision),
        observed=state.observed,
        succeeded=state.succeeded,
        failures=state.failures,
        retry_at=state.retry_at,
        suspended_by=state.suspended_by,
        plan_id=state.plan_id,
        steps=state.steps,
        drift=tuple(map(said, state.drift)),
        refusals=tuple(_refusal(refusal, state) for refusal in state.refusals),
        held=tuple(
            HeldStepDocument(title=said(h.title), because=h.because, until=said(h.until))
            for h in state.held
        ),
        running=state.running and _running(state.running),
        depth=state.depth,
        depth_limit=state.depth_limit,
        newest_snapshot=state.newest_snapshot,
    )


def write_controller(state: ControllerState) -> str:
    """*state* as the text of a file."""
    return as_json(controller_document(state))


def _source(source: SourceState) -> SourceStateDocument:
    return SourceStateDocument(
        id=said(source.id),
        revision=_or_none(source.revision),
        since=source.since,
        fetched=source.fetched,
        signed_by=_or_none(source.signed_by),
        trouble=_trouble_document(source.trouble),
    )


def _host(host: HostState) -> HostStateDocument:
    return HostStateDocument(
        name=said(host.name),
        observed=host.observed,
        trouble=_trouble_document(host.trouble),
        suspended=host.is_suspended,
    )


def _running(step: RunningStep) -> RunningStepDocument:
    return RunningStepDocument(
        title=said(step.title),
        action=step.action,
        snapshot=_or_none(step.snapshot),
        begun=step.begun,
        done=step.done,
        total=step.total,
    )


def _refusal(refusal: Refusal, state: DomainState) -> MetRefusalDocument:
    words = explained(refusal, domain=state.domain)
    return MetRefusalDocument(
        code=refusal.code,
        snapshot=_or_none(refusal.snapshot),
        facts={name: said(value) for name, value in refusal.facts},
        message=said(words.message),
        hint=said(words.hint),
    )


def _trouble_document(trouble: Trouble | None) -> TroubleDocument | None:
    if trouble is None:
        return None
    return TroubleDocument(
        message=said(trouble.message), hint=said(trouble.hint), where=said(trouble.where)
    )


def said(text: str) -> str:
    """*text* without secrets; a file name may hold bytes that are no UTF-8, and those are shown."""
    return without_secrets(text.encode("utf-8", "backslashreplace").decode())


def _or_none(text: str | None) -> str | None:
    return None if text is None else said(text)
