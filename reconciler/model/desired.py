"""What the manifests ask for, after classes and defaults are filled in."""

import enum
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from reconciler.model.names import DiskTarget, HostName, SnapshotName
from reconciler.model.suspension import ByHand

DEFAULT_OVERLAY = "{{ image.folder }}/{{ domain.name }}-{{ disk.target }}-{{ snapshot.name }}.qcow2"


class Quiesce(enum.StrEnum):
    """Whether the guest's file systems are frozen while the snapshot is taken."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    NEVER = "never"


class Prune(enum.StrEnum):
    """Whether what has left the manifest is removed."""

    NEVER = "never"
    CONFIRM = "confirm"
    AUTO = "auto"


class CaptureType(enum.StrEnum):
    """Where the moment of the disks is kept."""

    EXTERNAL = "external"
    INTERNAL = "internal"


class Unmanaged(enum.StrEnum):
    """What becomes of snapshots that virtsnap did not take."""

    REPORT = "report"
    IGNORE = "ignore"
    #: those that the manifest names become ours; the others are reported
    ADOPT = "adopt"


class Power(enum.StrEnum):
    """The power state a snapshot asks for."""

    ANY = "any"
    #: shut down for it, and started again
    OFF = "off"
    RUNNING = "running"


class Disruption(enum.StrEnum):
    """Whether steps that stop the guest run without a person."""

    NEVER = "never"
    WINDOW = "window"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a step that stops the guest may begin: *schedule* (cron) opens it, in *zone*."""

    schedule: str
    duration: timedelta
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a declaration stands: manifest file (as the user names it) and line."""

    manifest: str
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSnapshot:
    """One wanted snapshot.  *skip* and *take* are the targets named explicitly."""

    name: SnapshotName
    #: None: no opinion
    description: str | None = None
    type: CaptureType = CaptureType.EXTERNAL
    #: RAM and device state too
    memory: bool = False
    quiesce: Quiesce = Quiesce.NEVER
    skip: frozenset[DiskTarget] = frozenset()
    take: frozenset[DiskTarget] = frozenset()
    power: Power = Power.ANY
    #: Jinja2 template of the overlay paths
    overlay: str = DEFAULT_OVERLAY
    after: SnapshotName | None = None
    #: a hold is wanted, or to be ended; None: no opinion
    protect: bool | None = None
    #: lost, it is taken again, as a new moment
    is_retaken: bool = False


class RevertPower(enum.StrEnum):
    """What the domain does after a revert."""

    #: as it was when the snapshot was taken; as it is now where that is not known
    RECORDED = "recorded"
    RUNNING = "running"
    PAUSED = "paused"
    OFF = "off"


class RevertConfig(enum.StrEnum):
    """What goes back."""

    #: the disks that the snapshot took
    DISKS = "disks"
    #: the domain definition of that moment too
    WHOLE = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredRevert:
    """A wish to go back to snapshot *to*, fulfilled once for each *request*.

    *discards*: what the guest wrote since is given up, no safety snapshot is taken.
    """

    to: SnapshotName
    request: str
    power: RevertPower = RevertPower.RECORDED
    config: RevertConfig = RevertConfig.DISKS
    discards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """How a guest is shut down: seconds to wait for it, and whether it is destroyed then."""

    timeout: int = 120
    then_destroy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredDomain:
    """The wanted snapshots of one domain, in the order in which they are to be taken."""

    host: HostName
    #: name or UUID
    domain: str
    snapshots: tuple[DesiredSnapshot, ...]
    origin: Origin
    prune: Prune = Prune.NEVER
    unmanaged: Unmanaged = Unmanaged.REPORT
    max_depth: int | None = None
    shutdown: Shutdown = Shutdown()
    disruption: Disruption = Disruption.NEVER
    windows: tuple[Window, ...] = ()
    #: domains of this host to be done first, each as its own manifest names it
    depends_on: tuple[str, ...] = ()
    #: observe it, plan for it, and change nothing
    is_suspended: bool = False
    revert: DesiredRevert | None = None

    def snapshot(self, name: str) -> DesiredSnapshot | None:
        """The declared snapshot of that name."""
        return next((s for s in self.snapshots if s.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once: domains and block jobs in parallel, bytes per second of a block job."""

    domains: int = 8
    block_jobs: int = 2
    #: 0 is unlimited
    bandwidth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredHost:
    """A libvirt to reconcile."""

    name: HostName
    #: None: the connection of the command line
    uri: str | None = None
    prune_gone: Prune = Prune.NEVER
    folders: tuple[str, ...] = ()
    limits: Limits = Limits()
    #: observe it, plan for it, and change nothing
    is_suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything a source declares.

    *source* identifies it (design §3); *is_complete* says that all of it was read, so that a
    missing manifest means that it has gone.
    """

    source: str
    revision: str | None
    is_complete: bool
    hosts: tuple[DesiredHost, ...]
    domains: tuple[DesiredDomain, ...]
    #: said on this machine, not in the source; also of domains that no manifest declares
    suspensions: tuple[ByHand, ...] = ()

    def of_host(self, host: HostName) -> tuple[DesiredDomain, ...]:
        """The domains declared for *host*."""
        return tuple(domain for domain in self.domains if domain.host == host)
