"""Plans written by hand, to see how they read."""

from datetime import UTC, datetime

from reconciler.model.action import (
    Action,
    CommitMethod,
    CommitOverlays,
    CreateSnapshot,
    ForgetSnapshot,
    NewOverlay,
    RedefineSnapshot,
    RemovalCause,
    RemoveImage,
    Risk,
    SourceChange,
)
from reconciler.model.domain import AgentState
from reconciler.model.drift import Difference
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, DomainUuid, HostName, ImagePath, SnapshotName
from reconciler.model.plan import (
    DomainPlan,
    Estimate,
    Held,
    HeldBecause,
    HeldUntil,
    Plan,
    Reason,
    Step,
)
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UUID = DomainUuid("00000000-0000-4000-8000-000000000001")
MIB = 1024 * 1024

vda, vdb, vdc = DiskTarget("vda"), DiskTarget("vdb"), DiskTarget("vdc")
s1, s2, s3 = SnapshotName("s1"), SnapshotName("s2"), SnapshotName("s3")


def image(name: str) -> ImagePath:
    """``web01-vda`` → ``/images/web01-vda.qcow2``."""
    return ImagePath(f"/images/{name}.qcow2")


def step(
    number: int,
    action: Action,
    reason: Reason,
    *,
    mib: int = 0,
    after: tuple[str, ...] = (),
    risk: Risk = Risk.SAFE,
    downtime: bool = False,
) -> Step:
    """A step that copies *mib* MiB."""
    return Step(
        id=f"s{number}",
        action=action,
        reason=reason,
        risk=risk,
        depends_on=after,
        estimate=Estimate(bytes=mib * MIB, downtime=downtime),
    )


def create(
    name: SnapshotName = s3,
    *targets: DiskTarget,
    skipped: tuple[DiskTarget, ...] = (),
    quiesce: bool = True,
    may_degrade: bool = False,
    consistency: Consistency = Consistency.QUIESCED,
) -> CreateSnapshot:
    """A snapshot to be taken."""
    return CreateSnapshot(
        snapshot=name,
        description="",
        overlays=tuple(
            NewOverlay(
                target=target,
                frozen=image(f"web01-{target}"),
                frozen_format="qcow2",
                overlay=image(f"web01-{target}-{name}"),
            )
            for target in targets or (vda, vdb)
        ),
        skipped=skipped,
        parent=None,
        quiesce=quiesce,
        may_degrade=may_degrade,
        consistency=consistency,
        power=PowerState.RUNNING,
        manifest="web01.yaml",
    )


def commit(
    disk: DiskTarget = vda,
    *names: SnapshotName,
    method: CommitMethod = CommitMethod.LIVE,
) -> CommitOverlays:
    """The removal of s1 and s2, or of *names*."""
    snapshots = names or (s1, s2)
    return CommitOverlays(
        disk=disk,
        base=image(f"web01-{disk}"),
        base_format="qcow2",
        merged=tuple(image(f"web01-{disk}-{name}") for name in snapshots),
        method=method,
        snapshots=snapshots,
    )


def removal() -> tuple[Step, ...]:
    """s1 and s2 go from vda: a commit, and all that completes it."""
    reason = Reason.NOT_IN_MANIFEST
    redefine = RedefineSnapshot(
        snapshot=s3, sources=(SourceChange(target=vda, source=image("web01-vda")),)
    )
    return (
        step(1, create(), Reason.DECLARED_NOT_TAKEN),
        step(2, commit(), reason, mib=312),
        step(3, redefine, reason, after=("s2",)),
        step(4, ForgetSnapshot(snapshot=s2, has_record=True), reason, after=("s3",)),
        step(5, ForgetSnapshot(snapshot=s1, has_record=True), reason, after=("s3",)),
        step(6, removed_image("web01-vda-s2"), Reason.IMAGE_EMPTIED, after=("s5",)),
        step(7, removed_image("web01-vda-s1"), Reason.IMAGE_EMPTIED, after=("s5",)),
    )


def removed_image(name: str, cause: RemovalCause = RemovalCause.EMPTIED) -> RemoveImage:
    """An image that goes."""
    return RemoveImage(disk=vda, path=image(name), cause=cause, snapshots=(s1, s2))


def domain_plan(
    *steps: Step,
    name: str = "web01",
    refusals: tuple[Refusal, ...] = (),
    drift: tuple[Difference, ...] = (),
    held: tuple[str, ...] = (),
    power: PowerState | None = PowerState.RUNNING,
    agent: AgentState | None = AgentState.CONNECTED,
    warnings: tuple[str, ...] = (),
) -> DomainPlan:
    """The plan of one domain on kvm01."""
    return DomainPlan(
        host=HostName("kvm01"),
        domain=name,
        uuid=None if power is None else UUID,
        manifest=f"{name}.yaml",
        fingerprint="sha256:f",
        plan_id="sha256:d",
        drift=drift,
        steps=steps,
        refusals=refusals,
        held=tuple(
            Held(step=id_, until=HeldUntil.APPROVAL, because=HeldBecause.NEEDS_APPROVAL)
            for id_ in held
        ),
        warnings=warnings,
        power=power,
        agent=agent,
    )


def whole(*domains: DomainPlan) -> Plan:
    """Domains as one plan."""
    return Plan(
        created_at=NOON, source="/srv/manifests", revision=None, plan_id="sha256:p", domains=domains
    )
