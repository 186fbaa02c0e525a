"""Drift that nobody asked to change: listed with its remedy, never acted upon."""

from collections.abc import Iterator

from reconciler.model.drift import (
    CaptureDiffers,
    DescriptionDiffers,
    Difference,
    JobUnfinished,
    ManifestGone,
    SnapshotMissing,
    SnapshotUndeclared,
    SnapshotUnmanaged,
    Undeclared,
)
from reconciler.model.plan import DomainPlan, Step
from reconciler.report import drift_text
from reconciler.report.lines import Line, Tone
from reconciler.report.units import count


def unasked(plan: DomainPlan) -> tuple[Difference, ...]:
    """The differences that no step and no refusal of *plan* deals with."""
    touched = {thing for step in plan.steps for thing in _things(step)}
    touched |= {refusal.snapshot for refusal in plan.refusals if refusal.snapshot}
    facts = {value for refusal in plan.refusals for _, value in refusal.facts}
    codes = {str(refusal.code) for refusal in plan.refusals}
    has_steps = bool(plan.steps)

    # a refusal of the whole domain: what is declared or goes waits until that is over
    is_blocked = not has_steps and any(refusal.snapshot is None for refusal in plan.refusals)
    has_gone = any(isinstance(difference, ManifestGone) for difference in plan.drift)

    def is_dealt_with(difference: Difference) -> bool:
        if isinstance(difference, CaptureDiffers):
            return False
        if is_blocked and isinstance(difference, _WAITING):
            return True
        if has_gone and isinstance(difference, SnapshotUndeclared):
            # one line says it of all of them
            return difference.why is Undeclared.MANIFEST_GONE
        snapshot = getattr(difference, "snapshot", None)
        image = getattr(difference, "image", None)
        if snapshot is None and image is None:
            # of the domain as a whole: a refusal of that kind, or the plan itself, answers it
            return difference.kind in codes or (has_steps and difference.kind in _BY_ANY_STEP)
        if image is not None and (image in touched or image in facts):
            return True
        return snapshot in touched

    return tuple(difference for difference in plan.drift if not is_dealt_with(difference))


#: Differences of a whole domain that a plan with steps puts right on its way.
_BY_ANY_STEP = frozenset(
    {"JobUnfinished", "LedgerStale", "FreezeUnended", "ManifestGone", "PowerOwed"}
)


_WAITING = (SnapshotMissing, SnapshotUndeclared, DescriptionDiffers, JobUnfinished)


def drift_lines(plan: DomainPlan) -> Iterator[Line]:
    """``drift:`` and a line for each difference; unmanaged snapshots share one."""
    differences = unasked(plan)
    if not differences:
        return
    yield Line("  drift:", Tone.QUIET)
    unmanaged = [d for d in differences if isinstance(d, SnapshotUnmanaged) and not d.is_declared]
    for difference in differences:
        if difference in unmanaged and len(unmanaged) > 1:
            if difference is unmanaged[0]:
                names = ", ".join(d.snapshot for d in unmanaged)
                yield _line(
                    f"{count(len(unmanaged), 'snapshot')} unmanaged: {names}", plan, difference
                )
            continue
        yield _line(drift_text.sentence(difference), plan, difference)


def _line(sentence: str, plan: DomainPlan, difference: Difference) -> Line:
    return Line(f"    {sentence} ({drift_text.remedy(difference, domain=plan.domain)})")


def _things(step: Step) -> Iterator[str]:
    """Every snapshot and image that *step* is about."""
    yield from step.action.card.snapshots
    yield from step.action.card.images
