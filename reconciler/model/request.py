"""What the caller of a pass asks for, beside the manifests."""

import enum
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.model.desired import Prune


class Consent(enum.StrEnum):
    """Who stands behind a pass (law 9)."""

    #: ``apply``: the plan was shown and agreed to
    PERSON = "person"
    #: ``run``: nobody looks
    LOOP = "loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``--target`` and ``--exclude``: globs ``DOMAIN`` or ``DOMAIN/SNAPSHOT``; none means all."""

    targets: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Nothing is left out."""
        return not self.targets and not self.excluded

    def has_domain(self, domain: str) -> bool:
        """Something of *domain* is selected."""
        wanted = not self.targets or any(
            fnmatchcase(domain, target.partition("/")[0]) for target in self.targets
        )
        return wanted and not any(
            "/" not in pattern and fnmatchcase(domain, pattern) for pattern in self.excluded
        )

    def has_snapshot(self, domain: str, snapshot: str) -> bool:
        """*snapshot* of *domain* is selected."""
        return self.has_domain(domain) and self._wants(domain, snapshot)

    def names(self, domain: str, snapshot: str) -> bool:
        """A person has written out this very snapshot."""
        return f"{domain}/{snapshot}" in self.targets and self.has_snapshot(domain, snapshot)

    def _wants(self, domain: str, snapshot: str) -> bool:
        def matches(pattern: str) -> bool:
            of_domain, slash, of_snapshot = pattern.partition("/")
            return fnmatchcase(domain, of_domain) and (
                not slash or fnmatchcase(snapshot, of_snapshot)
            )

        wanted = not self.targets or any(matches(target) for target in self.targets)
        return wanted and not any(matches(pattern) for pattern in self.excluded)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """How to plan.  *prune_gone*: ``--prune-gone``, over what the Host says."""

    consent: Consent = Consent.PERSON
    selection: Selection = Selection()
    prune_gone: Prune | None = None
