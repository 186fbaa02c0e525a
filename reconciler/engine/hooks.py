"""What others do before and after each step, and which steps they cannot keep from being done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from reconciler.errors import Interrupted, PlanStaleError
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
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning import fingerprint
from reconciler.planning.world import World

if TYPE_CHECKING:
    from reconciler.engine.domain_work import DomainWork


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTold:
    """A step, and all that whoever is told of it may want to know."""

    plan: DomainPlan
    step: Step
    #: of the libvirt; may hold a password
    uri: str
    source: str
    revision: str | None


class StepHooks(Protocol):
    """Told on the thread that does the step, so each ends in a bounded time; neither raises."""

    def before(self, told: StepTold) -> str | None:
        """Why the step is not to be done, in words; None to go on."""

    def after(self, told: StepTold, *, is_done: bool) -> None:
        """The step is done; or it failed, or was not even begun."""


def is_owed(action: Action) -> bool:
    """It ends what was begun, or puts the books right: no hook keeps it from being done (law 6)."""
    match action:
        case ThawGuest() | StartDomain() | FinishJob() | AbortJob() | DefineDomain():
            return True
        case AdoptRequest() | RenewLedger():
            return True
        case AdoptSnapshot(writes_mark=writes_mark):
            return not writes_mark
        case RedefineSnapshot(sources=sources, make_current=make_current):
            # what its record says is wrong by now: a native call that trusts it would do harm
            return bool(sources) or make_current
        case CreateSnapshot() | CommitOverlays() | DeleteSnapshot() | ForgetSnapshot():
            return False
        case RevertSnapshot(is_undone=is_undone):
            return is_undone
        case RemoveImage() | RevertInternal() | ShutDownDomain():
            return False
        case ReleaseSnapshot() | SwitchDisk():
            return False
        case _:
            assert_never(action)


def between(
    work: DomainWork, step: Step, world: World, do: Callable[[World], World | None]
) -> World | None:
    """*do* the step between its hooks; whoever was told before is told after, however it ends.

    A hook takes its time, so that the world is looked at again behind it.
    """
    hooks = work.tools.hooks
    if hooks is None:
        return do(world)
    told, after = told_of(work, step), None
    try:
        why = _refused(told, hooks.before(told))
        if why is not None:
            work.refusals.append(why)
            return None
        after = do(_still(work, step, world))
        return after
    finally:
        hooks.after(told, is_done=after is not None)


def all_before(work: DomainWork, steps: tuple[Step, ...]) -> bool:
    """Ask before *steps* that are done as one; False where one is refused, and none is done."""
    hooks = work.tools.hooks
    if hooks is None:
        return True
    for number, step in enumerate(steps):
        told = told_of(work, step)
        why = _refused(told, hooks.before(told))
        if why is not None:
            work.refusals.append(why)
            all_after(work, steps[: number + 1], is_done=False)
            return False
    return True


def all_after(work: DomainWork, steps: tuple[Step, ...], *, is_done: bool) -> None:
    """Tell of *steps* that were done as one, or were not."""
    for step in steps if work.tools.hooks is not None else ():
        assert work.tools.hooks is not None
        work.tools.hooks.after(told_of(work, step), is_done=is_done)


def told_of(work: DomainWork, step: Step) -> StepTold:
    """What is told of *step*."""
    return StepTold(
        plan=work.plan,
        step=step,
        uri=work.host.uri or "",
        source=work.desired.source,
        revision=work.desired.revision,
    )


def _refused(told: StepTold, why: str | None) -> Refusal | None:
    if why is None or is_owed(told.step.action):
        return None
    return refusal(
        RefusalCode.HOOK_REFUSED,
        snapshot=told.step.action.card.snapshot,
        domain=told.plan.domain,
        step=told.step.action.name,
        cause=why,
    )


def _still(work: DomainWork, step: Step, before: World) -> World:
    """The world behind the hook, which must be the one before it, but for what is owed."""
    now = work.observe()
    if is_owed(step.action):
        return now
    if work.stop_asked():
        raise Interrupted(f"interrupted before {step.action.name} on {work.plan.domain}")
    if fingerprint.of(now) != fingerprint.of(before):
        raise PlanStaleError(
            f"cannot {step.action.name} on {work.plan.domain}: the domain has changed while the "
            "hook before it ran",
            hint="virtsnap plan, and look again",
        )
    return now
