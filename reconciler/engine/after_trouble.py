"""However the work on a domain ends: what was done to its guest meanwhile is made good at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.engine import fence, hooks, steps
from reconciler.errors import VirtsnapError
from reconciler.model.action import Action
from reconciler.model.plan import Reason, Step
from reconciler.planning import powering, revert_safety, undoing
from reconciler.planning.world import World

if TYPE_CHECKING:
    from reconciler.engine.domain_work import DomainWork


def pay(work: DomainWork) -> None:
    """The plan ends before its last step: a guest that we shut down is not left so, and one whose
    saved memory did not load goes on where it was.

    Best effort: what cannot be paid now is planned again by the next pass.
    """
    if work.ledger is None or work.ledger.owed is None:
        return
    try:
        fence.check(work.port, work.uuid, holder=work.tools.identity.holder())
        world = work.observe()
        back = undoing.step(world)
        if back is not None and revert_safety.why_not_revert(world, back) is None:
            _do(work, back, Reason.MEMORY_NOT_LOADED, world)
            world = work.observe()
        action = powering.payment(world)
        if action is not None and action.is_off and powering.why_not_start(world) is None:
            _do(work, action, Reason.POWER_OWED, world)
    except VirtsnapError:
        return


def _do(work: DomainWork, action: Action, reason: Reason, world: World) -> None:
    step = Step(id="owed", action=action, reason=reason)

    def done(seen: World) -> World:
        steps.perform(work, step, seen)
        return seen

    hooks.between(work, step, world, done)
