"""A plan: for each domain its ordered steps, refusals, drift and what is held."""

import enum
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.action import Action, Risk
from reconciler.model.domain import AgentState
from reconciler.model.drift import Difference
from reconciler.model.names import DomainUuid, HostName
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal
from reconciler.model.suspension import ByHand, SuspendedBy


class Reason(enum.StrEnum):
    """Why a step is there; only reports read it."""

    DECLARED_NOT_TAKEN = "DeclaredNotTaken"
    NOT_IN_MANIFEST = "NotInManifest"
    MANIFEST_GONE = "ManifestGone"
    REMOVAL_BEGUN = "RemovalBegun"
    CREATE_UNRECORDED = "CreateUnrecorded"
    OVERLAY_UNRECORDED = "OverlayUnrecorded"
    DESCRIPTION_DIFFERS = "DescriptionDiffers"
    LOST_AND_RETAKEN = "LostAndRetaken"
    DECLARED_UNMANAGED = "DeclaredUnmanaged"
    HOLD_DIFFERS = "HoldDiffers"
    RELEASE_ASKED = "ReleaseAsked"
    RECORD_DANGLING = "RecordDangling"
    RECORD_OUTDATED = "RecordOutdated"
    CURRENT_MISPLACED = "CurrentMisplaced"
    IMAGE_EMPTIED = "ImageEmptied"
    IMAGE_ORPHANED = "ImageOrphaned"
    JOB_UNFINISHED = "JobUnfinished"
    LEDGER_STALE = "LedgerStale"
    FREEZE_UNENDED = "FreezeUnended"
    TAKEN_SHUT_OFF = "TakenShutOff"
    POWER_OWED = "PowerOwed"
    REVERT_REQUESTED = "RevertRequested"
    BEFORE_REVERT = "BeforeRevert"
    IMAGE_UNUSED = "ImageUnused"
    IMAGE_GIVEN_UP = "ImageGivenUp"
    DEFINITION_OWED = "DefinitionOwed"
    MEMORY_NOT_LOADED = "MemoryNotLoaded"
    DEFINITION_WENT_BACK = "DefinitionWentBack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a step will copy and discard (at most, in bytes), and whether the guest stands still."""

    bytes: int = 0
    downtime: bool = False
    discards: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action with its place in the plan (``s1``, ``s2`` …)."""

    id: str
    action: Action
    reason: Reason
    risk: Risk = Risk.SAFE
    depends_on: tuple[str, ...] = ()
    estimate: Estimate = Estimate()

    @property
    def is_disruptive(self) -> bool:
        """The guest stands still for it, whatever else it may cost."""
        return self.risk is Risk.DISRUPTIVE or self.estimate.downtime


class HeldUntil(enum.StrEnum):
    """What a held step waits for, where that is no time."""

    #: a person: ``apply``
    APPROVAL = "approval"
    #: another domain, to be done first
    DEPENDENCY = "dependency"
    #: the end of ``suspend: true``, or ``virtsnap resume``
    RESUME = "resume"
    #: a later pass has a deletion budget of its own
    NEXT_PASS = "next-pass"


class HeldBecause(enum.StrEnum):
    """Why a step is held; only reports read it."""

    #: what it removes goes only when a person agrees
    NEEDS_APPROVAL = "NeedsApproval"
    #: it stops the guest, and ``disruption: never``
    DISRUPTION_NEVER = "DisruptionNever"
    #: it stops the guest, and no window is open
    WINDOW_CLOSED = "WindowClosed"
    #: it would not end inside any of the windows
    WINDOW_TOO_SHORT = "WindowTooShort"
    #: a step before it is held
    BEHIND_HELD = "BehindHeld"
    #: a domain of ``dependsOn`` is not done
    DEPENDS_ON = "DependsOn"
    SUSPENDED = "Suspended"
    #: ``--max-deletions``: this pass may remove no more
    DELETION_BUDGET = "DeletionBudget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A step that is not done now.  A time has the zone of the window that opens then."""

    step: str
    until: HeldUntil | datetime
    because: HeldBecause
    #: the domain that ``DEPENDS_ON`` waits for, else empty
    waits_for: str = ""

    @property
    def needs_person(self) -> bool:
        """Only a person can end it; see ``is_for_a_person``."""
        return is_for_a_person(self.because, self.until)

    @property
    def ends_by_itself(self) -> bool:
        """No person is needed: a time, another domain, or the next pass."""
        by_itself = (HeldUntil.DEPENDENCY, HeldUntil.NEXT_PASS)
        return isinstance(self.until, datetime) or self.until in by_itself


def is_for_a_person(because: HeldBecause, until: object) -> bool:
    """A held step waits for a person's ``apply``, and not by a person's own word.

    One that only comes after such a step is not counted again.
    """
    return until == HeldUntil.APPROVAL and because is not HeldBecause.BEHIND_HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPlan:
    """The plan of one domain.  *uuid*, *power* and *agent* are None when the domain is missing."""

    host: HostName
    domain: str
    uuid: DomainUuid | None
    manifest: str | None
    fingerprint: str
    plan_id: str
    drift: tuple[Difference, ...] = ()
    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    #: what this pass does not do
    held: tuple[Held, ...] = ()
    #: what a pass of ``run`` would not do now, in a plan for a person
    held_from_run: tuple[Held, ...] = ()
    #: domains of this plan that come first
    depends_on: tuple[str, ...] = ()
    suspended_by: tuple[SuspendedBy, ...] = ()
    #: what ``virtsnap suspend`` said of it
    by_hand: ByHand | None = None
    #: in a pass of ``run``: from then on no disruptive step begins, as it would not end inside
    window_closes: datetime | None = None
    #: sentences for people: what is unusual and yet planned
    warnings: tuple[str, ...] = ()
    power: PowerState | None = None
    agent: AgentState | None = None

    @property
    def is_suspended(self) -> bool:
        """Somebody said that nothing is to be changed on it."""
        return bool(self.suspended_by)

    @property
    def held_steps(self) -> frozenset[str]:
        """The ids of steps that wait."""
        return frozenset(held.step for held in self.held)

    @property
    def open_steps(self) -> tuple[Step, ...]:
        """What this pass does."""
        return tuple(step for step in self.steps if step.id not in self.held_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done, in order, and why, and what will not.

    *domains*: by host; each after those that it depends on, else by name.
    """

    created_at: datetime
    source: str
    revision: str | None
    plan_id: str
    domains: tuple[DomainPlan, ...]
