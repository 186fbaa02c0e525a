"""A plan in the making: every step is tried on the simulated world before the next is thought of."""

from dataclasses import dataclass, field, replace

from reconciler.model.action import (
    Action,
    CommitOverlays,
    CreateSnapshot,
    FinishJob,
    RemovalCause,
    RemoveImage,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
)
from reconciler.model.plan import Estimate, Reason, Risk, Step
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
            risk=risk_of(action),
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


def risk_of(action: Action) -> Risk:
    """Discarding an image whose data was not merged destroys it; the rest keeps guest data."""
    match action:
        case RemoveImage(cause=RemovalCause.ABANDONED | RemovalCause.ORPHANED):
            return Risk.DESTRUCTIVE
        case ShutDownDomain():
            return Risk.DISRUPTIVE
        case RevertInternal(kept_by=None):
            return Risk.DESTRUCTIVE
        case CreateSnapshot() if stands_still(action):
            return Risk.DISRUPTIVE
        case _:
            return Risk.SAFE


def stands_still(action: CreateSnapshot) -> bool:
    """The guest is stopped for good, or paused while its memory is written into the image."""
    return action.halts or action.memory is MemoryCapture.INTERNAL


def estimate_of(world: World, action: Action) -> Estimate:
    """What *action* copies, at most, and whether the guest stands still from then on."""
    if isinstance(action, ShutDownDomain):
        return Estimate(downtime=True)
    if isinstance(action, RevertSnapshot | RevertInternal | RemoveImage):
        return Estimate(discards=discarding.discarded_bytes(world, action))
    if isinstance(action, CommitOverlays | FinishJob):
        return Estimate(bytes=space.copied_bytes(world, action))
    if isinstance(action, CreateSnapshot) and action.memory is not MemoryCapture.NONE:
        return Estimate(bytes=world.domain.memory_bytes or 0, downtime=stands_still(action))
    return Estimate()


def renumbered(steps: list[Step]) -> list[Step]:
    """*steps* as if they were the whole plan."""
    found: list[Step] = []
    for number, step in enumerate(steps, start=1):
        before = (found[-1].id,) if found else ()
        found.append(replace(step, id=f"s{number}", depends_on=before))
    return found
