"""Why a step waits, and until when, for people."""

from collections.abc import Iterator
from datetime import datetime

from reconciler.model.plan import DomainPlan, Held, HeldBecause, HeldUntil, Step
from reconciler.report import suspension_text
from reconciler.report.lines import Line, Tone


def of_domain(plan: DomainPlan) -> Iterator[Line]:
    """What holds every step of *plan* at once."""
    because = {held.because for held in plan.held}
    if HeldBecause.SUSPENDED in because:
        for sentence in suspension_text.of_plan(plan):
            yield Line(f"  ! held: {sentence}", Tone.WARNING)
    if HeldBecause.DEPENDS_ON in because:
        names = ", ".join(sorted({held.waits_for for held in plan.held if held.waits_for}))
        yield Line(
            f"  ! held: waits for {names}, of which something is refused or held", Tone.WARNING
        )


def of_step(plan: DomainPlan, step: Step) -> tuple[str, ...]:
    """What holds *step* in this pass; in a plan for a person, what would hold it in ``run``."""
    now = _sentences(held for held in plan.held if held.step == step.id)
    if now or step.id in plan.held_steps:
        return now
    later = tuple(_in_run(held) for held in plan.held_from_run if held.step == step.id)
    later = tuple(sentence for sentence in later if sentence)
    if not later and step.is_disruptive:
        return ("disruptive: the guest is stopped or paused",)
    return later


def why(held: Held) -> str:
    """What holds it, as a sentence."""
    if held.because is HeldBecause.DEPENDS_ON:
        return f"held: waits for {held.waits_for}"
    return "held: suspended" if held.because is HeldBecause.SUSPENDED else _held(held)


def until(held: Held) -> str:
    """A time in the zone of its window, or what is waited for in one word."""
    if isinstance(held.until, datetime):
        return held.until.isoformat(timespec="seconds")
    return held.until.value


def _sentences(found: Iterator[Held]) -> tuple[str, ...]:
    return tuple(sentence for held in found if (sentence := _held(held)))


def _held(held: Held) -> str:
    match held.because:
        case HeldBecause.NEEDS_APPROVAL:
            return "held back until a person agrees: virtsnap apply"
        case HeldBecause.DISRUPTION_NEVER:
            return "held: disruptive, needs a person's apply, or `disruption: window`"
        case HeldBecause.WINDOW_CLOSED:
            return f"held {_until(held)} (window)"
        case HeldBecause.WINDOW_TOO_SHORT:
            return "held: it may last longer than any of the windows; needs a person's apply"
        case HeldBecause.BEHIND_HELD:
            return f"held {_until(held)}: it comes after a step that is held"
        case HeldBecause.DELETION_BUDGET:
            return "held: more snapshots would go than --max-deletions lets one pass remove"
        case HeldBecause.DEPENDS_ON | HeldBecause.SUSPENDED:
            return ""  # said of the domain


def _in_run(held: Held) -> str:
    match held.because:
        case HeldBecause.NEEDS_APPROVAL:
            return "run holds it back until a person agrees"
        case HeldBecause.DISRUPTION_NEVER:
            return "disruptive: run holds it back (disruption: never)"
        case HeldBecause.WINDOW_CLOSED:
            return f"disruptive: run holds it back {_until(held)} (window)"
        case HeldBecause.WINDOW_TOO_SHORT:
            return "disruptive: run holds it back, it may last longer than any of the windows"
        case HeldBecause.BEHIND_HELD | HeldBecause.DEPENDS_ON | HeldBecause.SUSPENDED:
            return ""
        case HeldBecause.DELETION_BUDGET:
            return ""  # of a pass that is not made yet


def _until(held: Held) -> str:
    """``until 2026-11-29 02:00 CET``, in the zone of the window."""
    if isinstance(held.until, datetime):
        return f"until {held.until:%Y-%m-%d %H:%M %Z}"
    if held.until is HeldUntil.NEXT_PASS:
        return "until a later pass"
    return "until a person agrees"
