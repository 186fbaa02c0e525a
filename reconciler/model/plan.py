"""A plan: for each domain its ordered steps, refusals, drift and what is held."""

import enum
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.action import Action
from reconciler.model.domain import AgentState
from reconciler.model.drift import Difference
from reconciler.model.names import DomainUuid, HostName
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal


class Reason(enum.StrEnum):
    """Why a step is there; only reports read it."""

    DECLARED_NOT_TAKEN = "DeclaredNotTaken"
    NOT_IN_MANIFEST = "NotInManifest"
    MANIFEST_GONE = "ManifestGone"
    REMOVAL_BEGUN = "RemovalBegun"
    CREATE_UNRECORDED = "CreateUnrecorded"
    OVERLAY_UNRECORDED = "OverlayUnrecorded"
    DESCRIPTION_DIFFERS = "DescriptionDiffers"
    RECORD_DANGLING = "RecordDangling"
    RECORD_OUTDATED = "RecordOutdated"
    CURRENT_MISPLACED = "CurrentMisplaced"
    IMAGE_EMPTIED = "ImageEmptied"
    IMAGE_ORPHANED = "ImageOrphaned"
    JOB_UNFINISHED = "JobUnfinished"
    LEDGER_STALE = "LedgerStale"
    FREEZE_UNENDED = "FreezeUnended"


class Risk(enum.StrEnum):
    """What a step may cost."""

    SAFE = "safe"
    #: the guest is stopped or paused
    DISRUPTIVE = "disruptive"
    #: data is discarded
    DESTRUCTIVE = "destructive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a step will copy (at most, in bytes), and whether the guest stands still for it."""

    bytes: int = 0
    downtime: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action with its place in the plan (``s1``, ``s2`` …)."""

    id: str
    action: Action
    reason: Reason
    risk: Risk = Risk.SAFE
    depends_on: tuple[str, ...] = ()
    estimate: Estimate = Estimate()


class HeldUntil(enum.StrEnum):
    """What a held step waits for."""

    #: a person: ``apply``
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A step that ``run`` does not do by itself."""

    step: str
    until: HeldUntil


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
    held: tuple[Held, ...] = ()
    #: sentences for people: what is unusual and yet planned
    warnings: tuple[str, ...] = ()
    power: PowerState | None = None
    agent: AgentState | None = None

    @property
    def held_steps(self) -> frozenset[str]:
        """The ids of steps that wait."""
        return frozenset(held.step for held in self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done, in order, and why, and what will not."""

    created_at: datetime
    source: str
    revision: str | None
    plan_id: str
    domains: tuple[DomainPlan, ...]
