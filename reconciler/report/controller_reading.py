"""What ``controller_document`` wrote, read back."""

import json

from pydantic import ValidationError

from reconciler.model.controller import (
    ControllerState,
    DomainState,
    HeldStep,
    HostState,
    RunningStep,
    SourceState,
    Trouble,
)
from reconciler.model.names import DomainUuid, HostName, SnapshotName
from reconciler.model.refusal import Refusal
from reconciler.report.controller_document import (
    ControllerDocument,
    DomainStateDocument,
    RunningStepDocument,
    TroubleDocument,
)


def read_controller(text: str | bytes) -> ControllerState:
    """What ``write_controller`` wrote; ``ValueError`` for anything else."""
    try:
        return controller_state(ControllerDocument.model_validate(json.loads(text)))
    except (ValidationError, RecursionError) as error:
        raise ValueError("it is not what a controller of this version wrote") from error


def controller_state(document: ControllerDocument) -> ControllerState:
    """What *document* was made of."""
    return ControllerState(
        version=document.version,
        holder=document.holder,
        pid=document.pid,
        started=document.started,
        at=document.at,
        interval=document.interval,
        is_report_only=document.report_only,
        source=SourceState(
            id=document.source.id,
            revision=document.source.revision,
            since=document.source.since,
            fetched=document.source.fetched,
            signed_by=document.source.signed_by,
            trouble=_trouble(document.source.trouble),
        ),
        hosts=tuple(
            HostState(
                name=HostName(host.name),
                observed=host.observed,
                trouble=_trouble(host.trouble),
                is_suspended=host.suspended,
            )
            for host in document.hosts
        ),
        domains=tuple(domain_state(domain) for domain in document.domains),
        passes=document.passes,
        is_stopping=document.stopping,
    )


def domain_state(document: DomainStateDocument) -> DomainState:
    """What *document* was made of."""
    return DomainState(
        host=HostName(document.host),
        domain=document.domain,
        uuid=None if document.uuid is None else DomainUuid(document.uuid),
        readiness=document.readiness,
        reason=document.reason,
        message=document.message,
        since=document.since,
        revision=document.revision,
        applied_revision=document.applied_revision,
        observed=document.observed,
        succeeded=document.succeeded,
        failures=document.failures,
        retry_at=document.retry_at,
        suspended_by=document.suspended_by,
        plan_id=document.plan_id,
        steps=document.steps,
        drift=document.drift,
        refusals=tuple(
            Refusal(
                code=met.code,
                snapshot=None if met.snapshot is None else SnapshotName(met.snapshot),
                facts=tuple(met.facts.items()),
            )
            for met in document.refusals
        ),
        held=tuple(
            HeldStep(title=h.title, because=h.because, until=h.until) for h in document.held
        ),
        running=_running(document.running),
        depth=document.depth,
        depth_limit=document.depth_limit,
        newest_snapshot=document.newest_snapshot,
    )


def _running(document: RunningStepDocument | None) -> RunningStep | None:
    if document is None:
        return None
    return RunningStep(
        title=document.title,
        action=document.action,
        snapshot=document.snapshot,
        begun=document.begun,
        done=document.done,
        total=document.total,
    )


def _trouble(document: TroubleDocument | None) -> Trouble | None:
    if document is None:
        return None
    return Trouble(message=document.message, hint=document.hint, where=document.where)
