"""Which new files the plans of one host make: no two domains may make one of the same name."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from reconciler.model.names import DomainName, ImagePath
from reconciler.model.plan import DomainPlan
from reconciler.planning.overlay_names import alike

#: domains by a file that each of them was to make, as ``overlay_names.alike`` spells it
Claims = Mapping[str, frozenset[DomainName]]


def contested(plans: Iterable[DomainPlan]) -> Claims:
    """The names that more than one domain would give to a new file, and whose they would be."""
    claims: dict[str, set[DomainName]] = defaultdict(set)
    for plan in plans:
        for path in _new_files(plan):
            claims[alike(path)].add(DomainName(plan.domain))
    return {name: frozenset(domains) for name, domains in claims.items() if len(domains) > 1}


def together(one: Claims, other: Claims) -> Claims:
    """Both."""
    none: frozenset[DomainName] = frozenset()
    return {name: one.get(name, none) | other.get(name, none) for name in {**one, **other}}


def is_concerned(plan: DomainPlan, claims: Claims) -> bool:
    """*plan* would make one of those files."""
    return any(alike(path) in claims for path in _new_files(plan))


def _new_files(plan: DomainPlan) -> Iterator[ImagePath]:
    for step in plan.steps:
        yield from step.action.card.new_files
