"""What the exit code says (design §4), decided in one place."""

import enum
from collections.abc import Sequence

from reconciler.model.controller import DomainState, Readiness
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import Plan


class ExitCode(enum.IntEnum):
    """Every exit code there is."""

    DONE = 0
    ERROR = 1
    #: ``plan --detailed-exitcode`` alone
    CHANGES = 2
    LOCKED = 3
    STALE = 4
    REFUSED = 5
    PARTLY = 10
    USAGE = 64
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "Done, or nothing to do. Drift that nobody asked to change (unmanaged "
    "snapshots, undeclared ones under `prune: never`, a manifest that has gone) counts as in sync.",
    ExitCode.ERROR: "Error: nothing could be done. Also: the answer was not `yes`, or there was no "
    "terminal to ask on and no `--auto-approve`.",
    ExitCode.CHANGES: "`plan --detailed-exitcode`: there are steps that `apply` would do.",
    ExitCode.LOCKED: "Somebody else is changing the domain.",
    ExitCode.STALE: "The plan is stale: the domain has changed since it was planned.",
    ExitCode.REFUSED: "Nothing failed, and something was refused or held. `plan` says so with "
    "`--detailed-exitcode` only. `doctor`: there is a problem; warnings alone end with 0.",
    ExitCode.PARTLY: "`apply`: some domains failed, or were left half way; others were applied.",
    ExitCode.USAGE: "Bad usage: an unknown verb or option, or a combination without sense.",
    ExitCode.INTERRUPTED: "Ctrl-C. The work ended at a safe point; the next apply goes on.",
}

_FAILED = frozenset({DomainStatus.FAILED, DomainStatus.STALE, DomainStatus.LOCKED})


def of_plan(plan: Plan, *, is_detailed: bool) -> ExitCode:
    """0 when a plan could be made; *is_detailed* tells steps and refusals apart."""
    if not is_detailed:
        return ExitCode.DONE
    if any(domain.open_steps for domain in plan.domains):
        return ExitCode.CHANGES
    if any(domain.refusals or domain.held for domain in plan.domains):
        return ExitCode.REFUSED
    return ExitCode.DONE


def of_outcomes(outcomes: Sequence[DomainOutcome]) -> ExitCode:
    """The end of an apply: what failed goes before what was refused."""
    statuses = {outcome.status for outcome in outcomes}
    if DomainStatus.INTERRUPTED in statuses:
        return ExitCode.INTERRUPTED
    failed = statuses & _FAILED
    if failed:
        if any(outcome.steps_done for outcome in outcomes):
            return ExitCode.PARTLY
        # nothing was done at all: say why, where it is one reason
        if failed == {DomainStatus.LOCKED}:
            return ExitCode.LOCKED
        if failed == {DomainStatus.STALE}:
            return ExitCode.STALE
        return ExitCode.ERROR
    if any(_is_unfinished(outcome) for outcome in outcomes):
        return ExitCode.REFUSED
    return ExitCode.DONE


def of_states(domains: Sequence[DomainState], *, has_trouble: bool) -> ExitCode:
    """The end of a ``reconcile``, as of an apply; *has_trouble*: a source or host was not reached."""
    failed = [domain for domain in domains if domain.failures]
    if failed or has_trouble:
        is_any_done = not has_trouble and len(failed) < len(domains)
        return ExitCode.PARTLY if is_any_done else ExitCode.ERROR
    if all(domain.readiness is Readiness.READY for domain in domains):
        return ExitCode.DONE
    return ExitCode.REFUSED


def _is_unfinished(outcome: DomainOutcome) -> bool:
    """Something of it was refused or held."""
    return (
        outcome.status in (DomainStatus.REFUSED, DomainStatus.HELD)
        or bool(outcome.refusals)
        or bool(outcome.plan.refusals)
        or bool(outcome.plan.held)
    )
