"""How long a guest will stand still for a plan, at most: what fits into a window and what does not."""

from collections.abc import Sequence
from datetime import timedelta

from reconciler.model.action import ShutDownDomain
from reconciler.model.desired import DesiredDomain
from reconciler.model.plan import Step

#: Bytes a second that any storage in use can copy.
_RATE = 50 * 2**20


def disruption(steps: Sequence[Step], wish: DesiredDomain) -> timedelta:
    """From the first step that stops the guest to the last: its shutdown may take all of its timeout."""
    disruptive = [number for number, step in enumerate(steps) if step.is_disruptive]
    if not disruptive:
        return timedelta()
    between = steps[disruptive[0] : disruptive[-1] + 1]
    return timedelta(seconds=sum(_seconds(step, wish) for step in between))


def _seconds(step: Step, wish: DesiredDomain) -> float:
    match step.action:
        case ShutDownDomain():
            return wish.shutdown.timeout
        case _:
            return step.estimate.bytes / _RATE
