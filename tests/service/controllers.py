"""Controllers as they may stand, and what they are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.model.controller import (
    ControllerState,
    DomainState,
    HeldStep,
    HostState,
    PassRecord,
    Readiness,
    RunningStep,
    SourceState,
    SuspendedBy,
    Trouble,
)
from reconciler.model.names import DomainUuid, HostName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import HeldBecause
from reconciler.model.refusal import RefusalCode, refusal
from tests.report.drawn_plans import domain_plan

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KVM01 = HostName("kvm01")
UUID = DomainUuid("00000000-0000-4000-8000-000000000001")
TROUBLE = Trouble(message="cannot read qemu://me:hush@host/x: no\nroute", where="web.yaml:3:1")


def web(name: str = "web01", *, host: HostName = KVM01) -> DomainState:
    """A domain that is Ready."""
    return DomainState(
        host=host,
        domain=name,
        uuid=UUID,
        readiness=Readiness.READY,
        reason="InSync",
        message="all that is asked for is there",
        since=NOON,
        observed=NOON,
        succeeded=NOON,
        depth=2,
    )


def busy() -> DomainState:
    """A domain of which everything can be told."""
    return replace(
        web("db01"),
        readiness=Readiness.STALLED,
        reason="SnapshotLost",
        failures=2,
        retry_at=NOON + timedelta(minutes=4),
        suspended_by=(SuspendedBy.HAND,),
        steps=3,
        drift=("SnapshotLost", "SnapshotMissing"),
        refusals=(refusal(RefusalCode.SNAPSHOT_LOST), refusal(RefusalCode.SNAPSHOT_LOST)),
        held=(HeldStep(title="merge s1", because=HeldBecause.NEEDS_APPROVAL, until="approval"),),
        running=RunningStep(
            title="merge s1", action="commit", snapshot="s1", begun=NOON, done=50, total=200
        ),
        depth_limit=8,
        newest_snapshot=NOON,
    )


def state(*domains: DomainState) -> ControllerState:
    """A controller that is ready."""
    return ControllerState(
        version="1.2",
        holder="root@kvm01#1 7",
        pid=7,
        started=NOON,
        at=NOON,
        interval=60.0,
        is_report_only=False,
        source=SourceState(id="/srv/snapshots", revision="4f1c2aa", since=NOON, fetched=NOON),
        hosts=(HostState(name=KVM01, observed=NOON),),
        domains=domains,
    )


def passed(*, trouble: Trouble | None = None) -> PassRecord:
    """A pass of a second."""
    return PassRecord(
        host=KVM01,
        cause="interval",
        begun=NOON,
        seconds=1.0,
        revision="4f1c2aa",
        domains=1,
        trouble=trouble,
    )


def outcome(status: DomainStatus = DomainStatus.APPLIED) -> DomainOutcome:
    """The end of the work on web01."""
    return DomainOutcome(host=KVM01, domain="web01", status=status, plan=domain_plan())
