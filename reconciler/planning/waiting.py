"""Domains that wait for others of their host (``dependsOn``)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.model.desired import DesiredDomain
from reconciler.model.plan import DomainPlan, HeldBecause
from reconciler.planning import holding


def with_dependencies(
    claims: Iterable[Sequence[DesiredDomain]], plans: Sequence[DomainPlan]
) -> list[DomainPlan]:
    """*plans* with the names of those they depend on; *claims* are the manifests of each.

    Only what takes part in this pass is waited for.  A domain claimed twice obeys neither.
    """
    pairs = [(tuple(claim), plan) for claim, plan in zip(claims, plans, strict=True)]
    names = {wish.domain: plan.domain for claim, plan in pairs for wish in claim}
    return [
        replace(plan, depends_on=tuple(sorted({names[n] for n in first.depends_on if n in names})))
        if not others
        else plan
        for (first, *others), plan in pairs
    ]


def in_order(plans: Sequence[DomainPlan]) -> tuple[DomainPlan, ...]:
    """Each plan after those that it depends on, else by name; no circle (``validate``)."""
    by_name = {plan.domain: plan for plan in sorted(plans, key=lambda plan: plan.domain)}
    ordered: dict[str, DomainPlan] = {}

    def visit(plan: DomainPlan) -> None:
        for name in sorted(plan.depends_on):
            if name not in ordered:
                visit(by_name[name])
        ordered.setdefault(plan.domain, plan)

    for plan in by_name.values():
        visit(plan)
    return tuple(ordered.values())


def held_back(plans: Sequence[DomainPlan]) -> tuple[DomainPlan, ...]:
    """*plans*, in order; all steps held of those that wait for one that this plan leaves undone.

    What is owed to a guest waits for nobody; the rest of that domain is left to the next pass.
    """
    found: dict[str, DomainPlan] = {}
    for plan in plans:
        undone = _first_undone(plan, found)
        if undone is None and plan.depends_on and holding.owed(plan.steps):
            undone = plan.depends_on[0]
        is_all_owed = len(holding.owed(plan.steps)) == len(plan.steps)
        if plan.steps and is_all_owed and not plan.held:
            found[plan.domain] = replace(plan, depends_on=())  # it comes after nobody
        elif undone is not None and plan.steps and not plan.is_suspended:
            held = holding.all_of(plan, HeldBecause.DEPENDS_ON, waits_for=undone)
            found[plan.domain] = replace(plan, held=held, held_from_run=held)
        else:
            found[plan.domain] = plan
    return tuple(found.values())


def _first_undone(plan: DomainPlan, before: Mapping[str, DomainPlan]) -> str | None:
    return next(
        (name for name in sorted(plan.depends_on) if before[name].refusals or before[name].held),
        None,
    )
