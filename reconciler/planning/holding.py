"""Which steps wait, for what, and until when (law 9)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.model.action import StartDomain, ThawGuest
from reconciler.model.desired import DesiredDomain, DesiredHost, Disruption
from reconciler.model.plan import DomainPlan, Held, HeldBecause, HeldUntil, Step
from reconciler.model.request import Consent
from reconciler.model.suspension import ByHand, SuspendedBy
from reconciler.planning import lasting, windows

_Cause = tuple[HeldUntil | datetime, HeldBecause]


def with_held(
    plan: DomainPlan,
    approvals: frozenset[str],
    wish: DesiredDomain | None,
    consent: Consent,
    *,
    now: datetime,
) -> DomainPlan:
    """*plan* with what is held of it: all while it is suspended, else what *consent* leaves."""
    if plan.is_suspended:
        held = all_of(plan, HeldBecause.SUSPENDED)
        return replace(plan, held=held, held_from_run=held)
    held = from_loop(plan.steps, approvals, wish, now=now)
    if consent is Consent.PERSON:
        return replace(plan, held_from_run=held)
    closes = None
    if wish is not None and wish.disruption is Disruption.WINDOW:
        closing = windows.closing(wish.windows, now)
        # what begins later would not end inside
        closes = closing - lasting.disruption(plan.steps, wish) if closing else None
    return replace(plan, held=held, held_from_run=held, window_closes=closes)


def suspended_by(
    host: DesiredHost, wish: DesiredDomain | None, by_hand: ByHand | None
) -> tuple[SuspendedBy, ...]:
    """All who say that nothing is to be changed: manifest, Host, a person, in this order."""
    said = {
        SuspendedBy.MANIFEST: wish is not None and wish.is_suspended,
        SuspendedBy.HOST: host.is_suspended,
        SuspendedBy.HAND: by_hand is not None,
    }
    return tuple(who for who, is_said in said.items() if is_said)


def from_loop(
    steps: Sequence[Step], approvals: frozenset[str], wish: DesiredDomain | None, *, now: datetime
) -> tuple[Held, ...]:
    """What a pass of ``run`` does not do at *now*: steps with a cause of their own, and all behind.

    A step behind waits until all before it may go: a person's approval is later than any time.
    """
    found: list[Held] = []
    until: HeldUntil | datetime | None = None
    never_held = owed(steps)
    for step in steps:
        if step.id in never_held or _ends_what_is_done(step, steps, found):
            continue
        own = _cause(step, approvals, wish, now, steps)
        if own is not None:
            until = own[0] if until is None else _later(until, own[0])
            found.append(Held(step=step.id, until=until, because=own[1]))
        elif until is not None:
            found.append(Held(step=step.id, until=until, because=HeldBecause.BEHIND_HELD))
    return tuple(found)


def all_of(plan: DomainPlan, because: HeldBecause, *, waits_for: str = "") -> tuple[Held, ...]:
    """Every step of *plan*, held for everybody, but for what virtsnap owes the guest."""
    until = HeldUntil.RESUME if because is HeldBecause.SUSPENDED else HeldUntil.DEPENDENCY
    never_held = owed(plan.steps)
    return tuple(
        Held(step=step.id, until=until, because=because, waits_for=waits_for)
        for step in plan.steps
        if step.id not in never_held
    )


def owed(steps: Sequence[Step]) -> frozenset[str]:
    """Steps that end what an earlier pass did to the guest: nothing and nobody holds them."""
    stops = any(step.action.card.makes_start_due for step in steps)
    return frozenset(
        step.id
        for step in steps
        if isinstance(step.action, ThawGuest)
        or (isinstance(step.action, StartDomain) and not stops)
    )


def _ends_what_is_done(step: Step, steps: Sequence[Step], held: Sequence[Held]) -> bool:
    """A start waits only together with what makes it necessary."""
    waiting = {each.step for each in held}
    stops = (step for step in steps if step.action.card.makes_start_due)
    return isinstance(step.action, StartDomain) and not any(each.id in waiting for each in stops)


def leaves_off(plan: DomainPlan, *, may_wait: bool) -> bool:
    """What stops the guest, or says what it is to do afterwards, is held, or *may_wait* for another
    domain: a guest that is off already, and owed a start, would stay off with it."""
    stops = {step.id for step in plan.steps if step.action.card.makes_start_due}
    return bool(stops if may_wait else stops & plan.held_steps)


def may_wait(wish: DesiredDomain | None) -> bool:
    """A loop may, now or at another time, hold back what stops the guest."""
    return wish is None or wish.disruption is not Disruption.ALLOWED


def _cause(
    step: Step,
    approvals: frozenset[str],
    wish: DesiredDomain | None,
    now: datetime,
    steps: Sequence[Step],
) -> _Cause | None:
    if step.id in approvals:
        return HeldUntil.APPROVAL, HeldBecause.NEEDS_APPROVAL
    if not step.is_disruptive:
        return None
    disruption = wish.disruption if wish is not None else Disruption.NEVER
    match disruption:
        case Disruption.NEVER:
            return HeldUntil.APPROVAL, HeldBecause.DISRUPTION_NEVER
        case Disruption.WINDOW:
            assert wish is not None
            return _of_windows(wish, now, steps)
        case Disruption.ALLOWED:
            return None


def _of_windows(wish: DesiredDomain, now: datetime, steps: Sequence[Step]) -> _Cause | None:
    """A step that would not end inside of a window is not begun in it."""
    takes = lasting.disruption(steps, wish)
    if wish.windows and all(window.duration < takes for window in wish.windows):
        return HeldUntil.APPROVAL, HeldBecause.WINDOW_TOO_SHORT
    closing = windows.closing(wish.windows, now)
    if closing is not None and now + takes <= closing:
        return None
    opening = windows.next_opening(wish.windows, now)
    return opening or HeldUntil.APPROVAL, HeldBecause.WINDOW_CLOSED


def _later(one: HeldUntil | datetime, other: HeldUntil | datetime) -> HeldUntil | datetime:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return max(one, other, key=datetime.timestamp)
    return HeldUntil.APPROVAL
