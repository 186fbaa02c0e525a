"""When a domain whose work failed is tried again, and when it is not."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.model.action import Risk
from reconciler.model.controller import DomainState
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan

#: After the first failure; each further one doubles it.
FIRST = timedelta(seconds=5)
LONGEST = timedelta(minutes=30)
#: The reason of a domain whose destructive step failed.
GIVEN_UP = "DestructiveStepFailed"
#: Works one after another that leave something to do: more than this is no progress.
MOST_ROUNDS = 5

_TRIED_AGAIN = frozenset(
    {DomainStatus.FAILED, DomainStatus.STALE, DomainStatus.LOCKED, DomainStatus.INTERRUPTED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What happened to one domain, as far as it decides when it is tried again."""

    failures: int = 0
    retry_at: datetime | None = None
    #: works begun since it was last at rest
    rounds: int = 0
    #: a destructive step failed; the fingerprint seen after it is still to be noted
    has_destroyed: bool = False
    #: the state of the domain in which no destructive step is begun again
    given_up_on: str | None = None

    def asked(self) -> "Pace":
        """A person asks: no wait, and one more try of what was given up."""
        return replace(self, retry_at=None, rounds=0, has_destroyed=False, given_up_on=None)

    def seen(self, plan: DomainPlan) -> "Pace":
        """After *plan* was made: at rest all is well again; else the state is noted."""
        if not plan.open_steps:
            return Pace()
        if self.has_destroyed:
            return replace(self, has_destroyed=False, given_up_on=plan.fingerprint)
        if self.given_up_on is not None and self.given_up_on != plan.fingerprint:
            return replace(self, given_up_on=None)
        return self

    def is_given_up(self, plan: DomainPlan) -> bool:
        """Its destructive step failed in this very state."""
        return self.given_up_on == plan.fingerprint and any(
            step.risk is Risk.DESTRUCTIVE for step in plan.open_steps
        )

    def may_work(self, plan: DomainPlan, now: datetime) -> bool:
        """Whether the work on *plan* may begin."""
        is_due = self.retry_at is None or now >= self.retry_at
        return is_due and not self.is_given_up(plan)

    def begun(self) -> "Pace":
        """Its work begins."""
        return replace(self, rounds=self.rounds + 1, retry_at=None)

    def ended(self, outcome: DomainOutcome, now: datetime, *, jitter: float) -> "Pace":
        """After the work; *jitter*, 0 to 1, makes the wait up to a fifth longer."""
        if outcome.status in _TRIED_AGAIN:
            step = outcome.failed_step
            failures = self.failures + 1
            return replace(
                self,
                failures=failures,
                retry_at=now + _wait(failures, jitter),
                has_destroyed=outcome.status is DomainStatus.FAILED
                and step is not None
                and step.risk is Risk.DESTRUCTIVE,
            )
        if self.rounds > MOST_ROUNDS:
            return replace(self, retry_at=now + _wait(self.rounds - MOST_ROUNDS, jitter))
        return replace(self, failures=0, retry_at=None)


def remembered(state: DomainState) -> Pace:
    """What *state*, written down before a restart, says."""
    return Pace(
        failures=state.failures,
        retry_at=state.retry_at,
        has_destroyed=state.reason == GIVEN_UP,
    )


def _wait(failures: int, jitter: float) -> timedelta:
    doubled: timedelta = FIRST * 2.0 ** min(failures - 1, 20)
    return min(LONGEST, doubled) * (1 + jitter / 5)
