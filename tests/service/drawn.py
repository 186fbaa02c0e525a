"""States, plans and outcomes in one line each."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from reconciler.errors import HypervisorError
from reconciler.model.action import RevertSnapshot
from reconciler.model.controller import (
    ControllerState,
    DomainState,
    HostState,
    PassRecord,
    Readiness,
    SourceState,
    Trouble,
)
from reconciler.model.names import HostName, SnapshotName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Reason, Step
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from tests.report.drawn_plans import NOON, UUID, create, s1, step
from tests.report.every import ACTIONS

LOCAL = HostName("local")
R1, R2 = "1" * 40, "2" * 40
CREATE = step(1, create(s1), Reason.DECLARED_NOT_TAKEN)
REVERT = next(
    step(1, action, Reason.REVERT_REQUESTED)
    for action in ACTIONS
    if isinstance(action, RevertSnapshot)
)
READY, RECONCILING, STALLED = Readiness.READY, Readiness.RECONCILING, Readiness.STALLED


def lost(snapshot: str = "s1") -> Refusal:
    return refusal(RefusalCode.SNAPSHOT_LOST, snapshot=SnapshotName(snapshot))


def no_space() -> Refusal:
    return refusal(RefusalCode.NO_SPACE, folder="/srv", need=2048, free=1024)


def domain(
    name: str = "web01", readiness: Readiness = READY, revision: str | None = R1, **rest: Any
) -> DomainState:
    """A domain as a controller knows it."""
    facts = {"reason": "InSync", "message": "in sync", **rest}
    return DomainState(
        host=LOCAL,
        domain=name,
        uuid=UUID,
        readiness=readiness,
        since=NOON,
        revision=revision,
        **facts,
    )


def source(revision: str | None = R1, trouble: str | None = None, **rest: Any) -> SourceState:
    """The manifests."""
    return SourceState(
        id=rest.pop("id", "/srv/snapshots"),
        revision=revision,
        fetched=NOON,
        trouble=Trouble(message=trouble, **rest) if trouble else None,
    )


def state(*domains: DomainState, revision: str | None = R1) -> ControllerState:
    """A controller of one host."""
    return ControllerState(
        version="0",
        holder="root@here#1 1",
        pid=1,
        started=NOON,
        at=NOON,
        interval=60,
        is_report_only=False,
        source=source(revision),
        hosts=(HostState(name=LOCAL, observed=NOON),),
        domains=domains,
    )


def passed(revision: str | None = R1) -> PassRecord:
    """A pass that ended well."""
    return PassRecord(
        host=LOCAL, cause="changed", begun=NOON, seconds=0.1, revision=revision, domains=0
    )


def plan(*steps: Step, name: str = "web01") -> DomainPlan:
    """A plan of these steps."""
    return DomainPlan(
        host=LOCAL,
        domain=name,
        uuid=UUID,
        manifest=f"{name}.yaml",
        fingerprint="sha256:0",
        plan_id="sha256:1",
        steps=steps,
    )


def outcome(
    status: DomainStatus = DomainStatus.APPLIED,
    *steps: Step,
    refusals: tuple[Refusal, ...] = (),
    error: str | None = None,
    name: str = "web01",
) -> DomainOutcome:
    """The end of a plan."""
    return DomainOutcome(
        host=LOCAL,
        domain=name,
        status=status,
        plan=replace(plan(*steps, name=name), refusals=refusals),
        steps_done=len(steps),
        refusals=refusals,
        error=HypervisorError(error) if error else None,
    )


class Time:
    """Stands still but when told to go on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(NOON.timestamp() + self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds
