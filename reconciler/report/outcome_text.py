"""The end of an apply, for people: what is left, one line that sums it up, and what went wrong."""

from collections.abc import Iterator, Sequence

from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.report.lines import Line, Tone
from reconciler.report.refusals import explained
from reconciler.report.units import count


def outcome_lines(outcomes: Sequence[DomainOutcome]) -> Iterator[Line]:
    """Nothing about domains that went well, but in the numbers; nor what ``failure_lines`` say."""
    for outcome in outcomes:
        yield from _unfinished(outcome)
    done = sum(outcome.steps_done for outcome in outcomes)
    changed = sum(1 for outcome in outcomes if outcome.steps_done)
    text = f"Done: {count(done, 'step')} on {count(changed, 'domain')}"
    others = [
        f"{number} {status}"
        for status in DomainStatus
        if status not in (DomainStatus.IN_SYNC, DomainStatus.APPLIED)
        for number in (sum(1 for outcome in outcomes if outcome.status is status),)
        if number
    ]
    yield Line(f"{text}; {', '.join(others)}." if others else f"{text}.", Tone.STRONG)


def failure_lines(outcomes: Sequence[DomainOutcome]) -> Iterator[Line]:
    """The errors: they are no part of what was asked for, and go where errors go."""
    for outcome in outcomes:
        if outcome.error is not None:
            message = outcome.error.message.replace("\n", "; ")
            name = f"{outcome.domain} on {outcome.host}"
            yield Line(f"! {outcome.status} {name}: {message}", Tone.REFUSED)
            if outcome.error.hint:
                yield Line(f"  hint: {outcome.error.hint}", Tone.QUIET)


def _unfinished(outcome: DomainOutcome) -> Iterator[Line]:
    name = f"{outcome.domain} on {outcome.host}"
    for refusal in outcome.refusals:
        # the plan that was just shown has said the others
        if refusal not in outcome.plan.refusals:
            words = explained(refusal, domain=outcome.domain, manifest=outcome.plan.manifest)
            yield Line(f"! refused {refusal.code} {name}: {words.message}", Tone.REFUSED)
            yield Line(f"  hint: {words.hint}", Tone.QUIET)
    is_told = outcome.error is not None or bool(outcome.left)
    if outcome.status is DomainStatus.INTERRUPTED and not is_told:
        yield Line(f"! {outcome.status} {name}", Tone.WARNING)
    if outcome.waits_for:
        waits = ", ".join(f"{each.domain}, which ended {each.status}" for each in outcome.waits_for)
        yield Line(f"! {outcome.status} {name}: waits for {waits}", Tone.WARNING)
    if outcome.is_too_late:
        yield Line(f"! {outcome.status} {name}: the window has closed meanwhile", Tone.WARNING)
    if outcome.left:
        yield Line(f"! {outcome.status} {name}: left to do: {outcome.left}", Tone.WARNING)
