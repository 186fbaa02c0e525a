"""What a running controller knows of its source, its hosts and its domains, and shows to others."""

import enum
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.names import DomainUuid, HostName
from reconciler.model.plan import HeldBecause, is_for_a_person
from reconciler.model.refusal import Refusal
from reconciler.model.suspension import SuspendedBy as SuspendedBy


class Readiness(enum.StrEnum):
    """How a domain stands, as Flux has it."""

    #: all that is asked for is there
    READY = "Ready"
    #: it is being worked on, or will be tried again without anybody's help
    RECONCILING = "Reconciling"
    #: it stays as it is until somebody does something
    STALLED = "Stalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStep:
    """A step under way; *done* and *total* are bytes of a block job, 0 where nothing is copied."""

    title: str
    action: str
    snapshot: str | None
    begun: datetime
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldStep:
    """A step of the last plan that waits, why, and until when in words."""

    title: str
    because: HeldBecause
    until: str

    @property
    def needs_person(self) -> bool:
        """Only a person can end it."""
        return is_for_a_person(self.because, self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainState:
    """One domain, as its last pass left it."""

    host: HostName
    domain: str
    #: None: declared and not there
    uuid: DomainUuid | None
    readiness: Readiness
    #: one CamelCase word: ``InSync``, ``Applied``, a refusal code, ``NeedsApproval`` …
    reason: str
    #: one line for people
    message: str
    #: when *readiness* or *reason* last changed
    since: datetime
    #: the manifests of the last pass
    revision: str | None = None
    #: the manifests that were last wholly in force
    applied_revision: str | None = None
    observed: datetime | None = None
    succeeded: datetime | None = None
    #: passes that failed, one after another; the next is not before *retry_at*
    failures: int = 0
    retry_at: datetime | None = None
    suspended_by: tuple[SuspendedBy, ...] = ()
    plan_id: str | None = None
    steps: int = 0
    #: kinds, each once
    drift: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    held: tuple[HeldStep, ...] = ()
    running: RunningStep | None = None
    #: images above the base, of the longest live chain
    depth: int = 0
    #: None: no ``maxDepth``
    depth_limit: int | None = None
    #: when the newest managed snapshot was taken
    newest_snapshot: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why something could not be done, with the next command.  *where*: ``file:line:column``."""

    message: str
    hint: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """The manifests: those in force, and why newer ones are not."""

    id: str
    #: of the manifests in force; None before the first, and for plain folders
    revision: str | None = None
    #: when those were first read
    since: datetime | None = None
    #: when the source was last looked at with success
    fetched: datetime | None = None
    #: who signed the revision, where that is asked for
    signed_by: str | None = None
    trouble: Trouble | None = None

    @property
    def is_ready(self) -> bool:
        """What is in force is what the source holds."""
        return self.trouble is None and self.fetched is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """One libvirt: when it was last observed, or why it cannot be."""

    name: HostName
    observed: datetime | None = None
    trouble: Trouble | None = None
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerState:
    """A whole controller."""

    version: str
    #: ``user@name#machine pid``
    holder: str
    pid: int
    started: datetime
    #: when this was true
    at: datetime
    interval: float
    is_report_only: bool
    source: SourceState
    hosts: tuple[HostState, ...] = ()
    domains: tuple[DomainState, ...] = ()
    passes: int = 0
    is_stopping: bool = False

    @property
    def is_ready(self) -> bool:
        """The source is read, every libvirt observed, and nothing was left behind by trouble."""
        return self.source.is_ready and all(
            host.trouble is None and host.observed is not None for host in self.hosts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRecord:
    """One pass over one host: what set it off, and how it ended."""

    host: HostName
    #: ``start``, ``interval``, ``changed``, ``hook``, ``event``, ``asked``, ``retry`` …
    cause: str
    begun: datetime
    #: seconds of observing and planning
    seconds: float
    revision: str | None
    #: domains with something to do
    domains: int
    trouble: Trouble | None = None
