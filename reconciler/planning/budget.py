"""How many snapshots one pass of ``run`` may remove: a mistake in the source then costs few."""

from collections.abc import Sequence
from dataclasses import replace

from reconciler.model.plan import DomainPlan, Held, HeldBecause, HeldUntil, Reason, Step
from reconciler.planning import holding

#: Removals that were begun are finished whatever they cost.
_COUNTED = frozenset({Reason.NOT_IN_MANIFEST, Reason.MANIFEST_GONE})


def within(plans: Sequence[DomainPlan], most: int | None) -> tuple[DomainPlan, ...]:
    """*plans* with the removals held that go beyond *most* snapshots; None: no bound.

    The removals of one domain are one pass over its images, so they go together or not at all.
    """
    if most is None:
        return tuple(plans)
    left = most
    found = []
    for plan in plans:
        going = {name for step in plan.open_steps for name in _removed(step)}
        if len(going) > left:
            found.append(_held_back(plan))
        else:
            left -= len(going)
            found.append(plan)
    return tuple(found)


def _held_back(plan: DomainPlan) -> DomainPlan:
    """*plan* without its removals, and without what comes behind them."""
    never_held = holding.owed(plan.steps)
    held_already = plan.held_steps
    held: list[Held] = []
    for step in plan.steps:
        if step.id in never_held or step.id in held_already:
            continue
        if _removed(step):
            because = HeldBecause.DELETION_BUDGET
        elif held:
            because = HeldBecause.BEHIND_HELD
        else:
            continue
        held.append(Held(step=step.id, until=HeldUntil.NEXT_PASS, because=because))
    return replace(plan, held=(*plan.held, *held))


def _removed(step: Step) -> tuple[str, ...]:
    """The snapshots that *step* takes away because nobody declares them any more."""
    if step.reason not in _COUNTED:
        return ()
    return step.action.card.removal_of
