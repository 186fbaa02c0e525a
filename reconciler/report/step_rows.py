"""The steps of a domain as rows: neighbours and disks together, supporting steps folded."""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model.action import CommitOverlays, CreateSnapshot
from reconciler.model.desired import Prune
from reconciler.model.drift import SnapshotMissing
from reconciler.model.plan import DomainPlan, Reason, Step
from reconciler.report import held_text, step_text
from reconciler.report.folding import folded
from reconciler.report.lines import Row


def step_rows(plan: DomainPlan, *, prune: Prune | None, is_verbose: bool) -> tuple[Row, ...]:
    """What people read of the steps; with *is_verbose* every one, in order, with its id."""
    if is_verbose:
        return tuple(
            replace(
                row,
                mark=f"{step.id:>4} {row.mark}",
                more=(*step_text.paths(step), *row.more),
            )
            for step in plan.steps
            for row in (_one(plan, step, prune),)
        )
    return tuple(_grouped(plan, prune))


def _grouped(plan: DomainPlan, prune: Prune | None) -> Iterator[Row]:
    hidden = folded(plan.steps)
    done: set[str] = set()
    for step in plan.steps:
        if step.id in hidden or step.id in done:
            continue
        siblings = [other for other in plan.steps if _is_same_removal(step, other)]
        if len(siblings) < 2:
            yield _one(plan, step, prune)
            continue
        done |= {sibling.id for sibling in siblings}
        yield _together(plan, siblings, prune)


def _is_same_removal(step: Step, other: Step) -> bool:
    """Both merge for the same snapshots and reason, on different disks."""
    mine, others = step.action, other.action
    return (
        isinstance(mine, CommitOverlays)
        and isinstance(others, CommitOverlays)
        and bool(mine.snapshots)
        and mine.snapshots == others.snapshots
        and step_text.how(step) == step_text.how(other)
        and step.reason is other.reason
    )


def _one(plan: DomainPlan, step: Step, prune: Prune | None) -> Row:
    row = step_text.row(step, reason=_reason(plan, step, prune), agent=plan.agent)
    return replace(row, more=(*row.more, *held_text.of_step(plan, step)))


def _together(plan: DomainPlan, steps: list[Step], prune: Prune | None) -> Row:
    first = _one(plan, steps[0], prune)
    others = tuple(f"{step_text.copied(step)}, {step_text.how(step)}" for step in steps[1:])
    return replace(first, more=(*others, *first.more))


def _reason(plan: DomainPlan, step: Step, prune: Prune | None) -> str:
    words = step_text.REASONS[step.reason]
    if step.reason is Reason.NOT_IN_MANIFEST and prune is not None:
        return f"{words} (prune: {prune})"
    if isinstance(step.action, CreateSnapshot) and any(
        isinstance(difference, SnapshotMissing)
        and difference.snapshot == step.action.snapshot
        and difference.is_above_taken
        for difference in plan.drift
    ):
        return f"{words}; a later one of the list is there already"
    return words
