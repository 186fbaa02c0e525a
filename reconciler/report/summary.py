"""What a plan comes to, in numbers."""

from dataclasses import dataclass
from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    AdoptRequest,
    AdoptSnapshot,
    CommitOverlays,
    CreateSnapshot,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.plan import DomainPlan, Plan
from reconciler.report.folding import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """*created* and *removed* are snapshots; *repairs* are steps that are neither."""

    domains: int
    in_sync: int
    steps: int
    created: int
    removed: int
    repairs: int
    refusals: int
    held: int
    #: held steps that people read, supporting ones left out
    held_shown: int
    bytes: int
    #: bytes of work that nothing will hold any more
    discards: int
    #: domains of which the guest stands still
    downtimes: int


def totals(plan: Plan) -> Totals:
    """The numbers of the whole *plan*."""
    steps = [step for domain in plan.domains for step in domain.steps]
    return Totals(
        domains=len(plan.domains),
        in_sync=sum(1 for domain in plan.domains if is_in_sync(domain)),
        steps=len(steps),
        created=sum(1 for step in steps if isinstance(step.action, CreateSnapshot)),
        removed=sum(len(removed(domain)) for domain in plan.domains),
        repairs=sum(_repairs(domain) for domain in plan.domains),
        refusals=sum(len(domain.refusals) for domain in plan.domains),
        held=sum(len(domain.held) for domain in plan.domains),
        held_shown=sum(
            1 for domain in plan.domains for _ in domain.held_steps - folded(domain.steps)
        ),
        bytes=sum(step.estimate.bytes for step in steps),
        discards=sum(step.estimate.discards for step in steps),
        downtimes=sum(
            1 for domain in plan.domains if any(step.estimate.downtime for step in domain.steps)
        ),
    )


def is_in_sync(plan: DomainPlan) -> bool:
    """Nothing to do, nothing refused; drift that nobody asked to change does not count."""
    return not plan.steps and not plan.refusals


def removed(plan: DomainPlan) -> frozenset[str]:
    """The snapshots that are no more after the plan."""
    return frozenset(name for step in plan.steps for name in step.action.card.removes)


def _repairs(plan: DomainPlan) -> int:
    """Steps that neither take nor remove a snapshot, nor belong to a step that does."""
    hidden = folded(plan.steps)
    counted = removed(plan)
    stops = any(isinstance(step.action, ShutDownDomain) for step in plan.steps)
    repairs = 0
    for step in plan.steps:
        match step.action:
            case CreateSnapshot() | DeleteSnapshot() | ShutDownDomain():
                pass
            case ForgetSnapshot(keeps_as_lost=False):
                pass
            case StartDomain() if stops:
                pass
            case CommitOverlays(snapshots=names) | FinishJob(snapshots=names) if names:
                pass
            case RemoveImage(snapshots=names) if names and counted >= set(names):
                pass
            case (
                CommitOverlays()
                | FinishJob()
                | AbortJob()
                | ForgetSnapshot()
                | RemoveImage()
                | RedefineSnapshot()
                | ReleaseSnapshot()
                | AdoptSnapshot()
                | RevertSnapshot()
                | RevertInternal()
                | DefineDomain()
                | AdoptRequest()
                | RenewLedger()
                | ThawGuest()
                | StartDomain()
                | SwitchDisk()
            ):
                repairs += step.id not in hidden
            case _:
                assert_never(step.action)
    return repairs
