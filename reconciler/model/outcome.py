"""What became of a plan."""

import enum
from dataclasses import dataclass

from reconciler.errors import VirtsnapError
from reconciler.model.names import HostName
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.refusal import Refusal


class DomainStatus(enum.StrEnum):
    """How the work on one domain ended."""

    #: nothing was to be done, nothing is refused or held
    IN_SYNC = "in sync"
    #: every step was done, and nothing is refused or held
    APPLIED = "applied"
    #: what could be done was done; something is refused
    REFUSED = "refused"
    #: what may be done was done; the rest waits
    HELD = "held"
    FAILED = "failed"
    #: the domain changed after it was planned
    STALE = "stale"
    LOCKED = "locked"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A domain that had to be done first and was not, and how it ended."""

    domain: str
    status: DomainStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainOutcome:
    """The end of one domain's plan.  *refusals* are those of the plan and those met on the way."""

    host: HostName
    domain: str
    status: DomainStatus
    plan: DomainPlan
    steps_done: int = 0
    refusals: tuple[Refusal, ...] = ()
    error: VirtsnapError | None = None
    #: the step that *error* ended, where it was one
    failed_step: Step | None = None
    #: what an interrupted domain has left to do, in one line
    left: str = ""
    #: the domains for which all steps are held
    waits_for: tuple[Awaited, ...] = ()
    #: its window closed before all was begun
    is_too_late: bool = False

    @property
    def is_done(self) -> bool:
        """All that is asked for is there: whoever depends on it may go on."""
        return self.status in (DomainStatus.IN_SYNC, DomainStatus.APPLIED)
