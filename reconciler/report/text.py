"""The plan as people read it: one block a domain, then one line that sums it up."""

from collections.abc import Iterator, Mapping

from reconciler.model.desired import Desired, Prune
from reconciler.model.domain import AgentState
from reconciler.model.plan import DomainPlan, Plan
from reconciler.model.power import PowerState
from reconciler.report import held_text, summary
from reconciler.report.drift_rows import drift_lines
from reconciler.report.lines import Line, Tone, rows
from reconciler.report.refusals import explained
from reconciler.report.step_rows import step_rows
from reconciler.report.units import count, size

#: Up to so many domains in sync are named; more are counted.
_NAMED_IN_SYNC = 3

#: What ``prune`` says, by host and domain (name or UUID).
Prunes = Mapping[tuple[str, str], Prune]


def plan_lines(
    plan: Plan,
    *,
    desired: Desired | None = None,
    is_verbose: bool = False,
    is_quiet: bool = False,
) -> Iterator[Line]:
    """The whole plan.  With *desired*, reasons name the ``prune`` they rest on.

    Only domains without anything to say are ever folded, many of them or with *is_quiet* all.
    """
    prunes = _prunes(desired)
    quiet = [domain for domain in plan.domains if _is_quiet(domain)]
    is_folded = len(quiet) > (0 if is_quiet else _NAMED_IN_SYNC) and not is_verbose
    for domain in plan.domains:
        if not (is_folded and _is_quiet(domain)):
            yield from domain_lines(domain, prunes=prunes, is_verbose=is_verbose)
    if is_folded:
        yield Line(f"{count(len(quiet), 'domain')} in sync", Tone.QUIET)
    yield from summary_lines(plan)


def domain_lines(plan: DomainPlan, *, prunes: Prunes, is_verbose: bool = False) -> Iterator[Line]:
    """The block of one domain."""
    tail = ", suspended" if plan.is_suspended else ""
    tail += "" if plan.steps or plan.refusals else ", in sync"
    yield Line(f"{plan.domain} on {plan.host}: {_standing(plan)}{tail}", Tone.STRONG)
    prune = prunes.get((plan.host, plan.domain)) or prunes.get((plan.host, plan.uuid or ""))
    yield from rows(step_rows(plan, prune=prune, is_verbose=is_verbose))
    yield from held_text.of_domain(plan)
    for refusal in plan.refusals:
        words = explained(refusal, domain=plan.domain, manifest=plan.manifest)
        subject = f" {refusal.snapshot}" if refusal.snapshot else ""
        yield Line(f"  ! refused {refusal.code}{subject}: {words.message}", Tone.REFUSED)
        yield Line(f"    hint: {words.hint}", Tone.QUIET)
    for warning in plan.warnings:
        yield Line(f"  ! warning: {warning}", Tone.WARNING)
    yield from drift_lines(plan)


def summary_lines(plan: Plan) -> Iterator[Line]:
    """The last line: what a reader in a hurry must know."""
    totals = summary.totals(plan)
    if not totals.steps and not totals.refusals:
        if not plan.domains:
            yield Line("No changes. No domain is declared or managed.", Tone.STRONG)
            return
        are = "is" if totals.domains == 1 else "are"
        yield Line(f"No changes. {count(totals.domains, 'domain')} {are} in sync.", Tone.STRONG)
        return
    parts = [f"{totals.created} to create", f"{totals.removed} to remove"]
    if totals.repairs:
        parts.append(f"{totals.repairs} to put right")
    parts.append(f"{totals.refusals} refused")
    if totals.held_shown:
        parts.append(f"{totals.held_shown} held")
    text = f"Plan: {', '.join(parts)}."
    if totals.steps:
        to_copy = f"{size(totals.bytes)} to copy" if totals.bytes else "Nothing to copy"
        downtime = (
            f"{count(totals.downtimes, 'domain')} will stand still"
            if totals.downtimes
            else "no downtime"
        )
        lost = f", at most {size(totals.discards)} discarded" if totals.discards else ""
        text += f" {to_copy}, {downtime}{lost}."
    yield Line(text, Tone.STRONG)


def _is_quiet(plan: DomainPlan) -> bool:
    """Nothing to say about it."""
    return not (plan.steps or plan.refusals or plan.drift or plan.warnings)


def _standing(plan: DomainPlan) -> str:
    if plan.power is None:
        return "not there"
    if plan.power is not PowerState.RUNNING or plan.agent is None:
        return str(plan.power)
    agent = {
        AgentState.ABSENT: "no agent",
        AgentState.DISCONNECTED: "agent not connected",
        AgentState.CONNECTED: "agent connected",
    }[plan.agent]
    return f"{plan.power}, {agent}"


def _prunes(desired: Desired | None) -> Prunes:
    if desired is None:
        return {}
    return {(domain.host, domain.domain): domain.prune for domain in desired.domains}
