"""Who suspended what, since when, and how it ends."""

from collections.abc import Iterator
from shlex import quote
from typing import assert_never

from reconciler.model.plan import DomainPlan
from reconciler.model.suspension import ByHand, SuspendedBy, Suspension, SuspensionsUnreadable
from reconciler.report.units import local_time


def of_plan(plan: DomainPlan) -> Iterator[str]:
    """A sentence for everybody who suspended the domain of *plan*."""
    for who in plan.suspended_by:
        match who:
            case SuspendedBy.MANIFEST:
                yield "the manifest says `suspend: true`, nothing is changed"
            case SuspendedBy.HOST:
                yield f"the manifest of host {plan.host} says `suspend: true`, nothing is changed"
            case SuspendedBy.HAND:
                assert plan.by_hand is not None
                yield by_hand(plan.by_hand)
            case _:
                assert_never(who)


def by_hand(said: ByHand) -> str:
    """``suspended by hand by root since 2026-11-23 10:00 (reason): virtsnap resume web01``."""
    match said:
        case Suspension():
            why = f" ({said.reason})" if said.reason else ""
            return (
                f"suspended by hand by {said.who} since {local_time(said.since)}{why}: "
                f"{resume_command(said)}"
            )
        case SuspensionsUnreadable():
            return (
                f"nobody knows what was suspended by hand ({said.path}: {said.cause}), "
                "so nothing is changed: virtsnap resume"
            )
        case _:
            assert_never(said)


def resume_command(said: Suspension) -> str:
    """What ends *said*, and nothing else."""
    words = ["virtsnap", "resume"]
    if said.domain is not None:
        words.append(said.domain)
    if said.host is not None:
        words += ["--host", said.host]
    return " ".join(map(quote, words))


def covered(said: Suspension) -> str:
    """What *said* is about."""
    what = "everything" if said.domain is None else said.domain
    return what if said.host is None else f"{what} on {said.host}"
