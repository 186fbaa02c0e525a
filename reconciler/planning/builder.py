"""A plan in the making: every step is tried on the simulated world before the next is thought of."""

from dataclasses import dataclass, field, replace

from reconciler.model.action import (
    AbortJob,
    Action,
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
    Risk,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.plan import Estimate, Reason, Step
from reconciler.model.refusal import Refusal
from reconciler.model.snapshot import MemoryCapture
from reconciler.planning import discarding, simulate, space
from reconciler.planning.world import World


@dataclass(slots=True)
class Builder:
    """Steps so far, and the world after them."""

    world: World
    steps: list[Step] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)

    def add(self, action: Action, reason: Reason, *, needs_approval: bool = False) -> None:
        """Append *action* and let it happen in the simulated world."""
        step = Step(
            id=f"s{len(self.steps) + 1}",
            action=action,
            reason=reason,
            risk=action.card.risk,
            depends_on=(self.steps[-1].id,) if self.steps else (),
            estimate=estimate_of(self.world, action),
        )
        self.steps.append(step)
        if needs_approval:
            self.approvals.append(step.id)
        self.world = simulate.after(self.world, action)

    def refuse(self, *refusals: Refusal) -> None:
        """Append *refusals*, each once, whatever act it stopped."""
        for why in refusals:
            if all(why.cause != known.cause for known in self.refusals):
                self.refusals.append(why)

    def warn(self, *texts: str | None) -> None:
        """Append *texts*, each once; None is nothing."""
        self.warnings += [t for t in dict.fromkeys(texts) if t and t not in self.warnings]

    def mark(self) -> "Builder":
        """A copy to go back to."""
        return replace(
            self,
            steps=list(self.steps),
            refusals=list(self.refusals),
            warnings=list(self.warnings),
            approvals=list(self.approvals),
        )

    def back_to(self, mark: "Builder") -> None:
        """Forget what was added since *mark*."""
        self.world = mark.world
        self.steps, self.refusals = list(mark.steps), list(mark.refusals)
        self.warnings, self.approvals = list(mark.warnings), list(mark.approvals)


def estimate_of(world: World, action: Action) -> Estimate:
    """What *action* copies, at most, and whether the guest stands still from then on."""
    match action:
        case ShutDownDomain():
            return Estimate(downtime=True)
        case RevertSnapshot() | RevertInternal() | RemoveImage():
            return Estimate(discards=discarding.discarded_bytes(world, action))
        case CommitOverlays() | FinishJob():
            return Estimate(bytes=space.copied_bytes(world, action))
        case CreateSnapshot():
            memory = action.memory is not MemoryCapture.NONE
            return Estimate(
                bytes=(world.domain.memory_bytes or 0) if memory else 0,
                downtime=action.card.risk is Risk.DISRUPTIVE,
            )
        case (
            DeleteSnapshot()
            | ForgetSnapshot()
            | RedefineSnapshot()
            | ReleaseSnapshot()
            | AdoptSnapshot()
            | AbortJob()
            | DefineDomain()
            | AdoptRequest()
            | RenewLedger()
            | ThawGuest()
            | StartDomain()
            | SwitchDisk()
        ):
            return Estimate()


def renumbered(steps: list[Step]) -> list[Step]:
    """*steps* as if they were the whole plan."""
    found: list[Step] = []
    for number, step in enumerate(steps, start=1):
        before = (found[-1].id,) if found else ()
        found.append(replace(step, id=f"s{number}", depends_on=before))
    return found
