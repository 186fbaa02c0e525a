"""What the in-memory libvirt knows of a domain."""

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.errors import HypervisorError
from reconciler.model.domain import AgentState, JobKind
from reconciler.model.ledger import Ledger, LedgerProblem
from reconciler.model.names import DiskTarget, DomainName, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.snapshot import DiskCapture, MemoryCapture


@dataclass(kw_only=True)
class FakeDisk:
    """One disk of a definition.

    *stated*: the chain it spells out, base first.  In a live definition that is what QEMU has
    open; in a persistent one it is obeyed at the next start without a look at the headers.
    """

    target: DiskTarget
    source: ImagePath
    format: str = "qcow2"
    device: str = "disk"
    is_readonly: bool = False
    is_shareable: bool = False
    is_excluded: bool = False
    is_manual: bool = False
    is_optional: bool = False
    #: what makes its source a part of a file
    oddity: str | None = None
    #: a volume of a pool that is not there, which lies at *source*
    unresolved: str | None = None
    #: the definition states that it stands on what is no file
    is_stated_elsewhere: bool = False
    #: of a live definition: the drive was emptied as the guest was started
    is_empty: bool = False
    stated: tuple[ImagePath, ...] | None = None
    #: of a persistent definition: only what stands above this image is spelled out, no end is
    spelled_above: ImagePath | None = None

    @property
    def is_writable(self) -> bool:
        """The guest can change it."""
        return self.device == "disk" and not self.is_readonly


@dataclass(kw_only=True)
class FakeDefinition:
    """A live or persistent definition: its disks, the ledger in its metadata, and all the rest."""

    disks: list[FakeDisk]
    ledger: Ledger | None = None
    #: stands for whatever else a definition says: memory, processors, other devices, passwords
    hardware: str = "as installed"

    def disk(self, target: DiskTarget) -> FakeDisk | None:
        """The disk of that target."""
        return next((disk for disk in self.disks if disk.target == target), None)

    def copied(self) -> "FakeDefinition":
        """The same, to be changed by itself."""
        return replace(self, disks=[replace(disk) for disk in self.disks])


@dataclass(kw_only=True)
class FakeAgent:
    """*silent_for*: so many calls time out before it answers again, -1 for all.

    *blocked* are the commands that it may not do (``freeze``, ``thaw``); those in *failing* are done
    by it and end in an error, as a hook in the guest does.

    A freeze that timed out is done when it wakes (facts §8): *has_freeze_queued*.
    """

    state: AgentState = AgentState.CONNECTED
    is_frozen: bool = False
    silent_for: int = 0
    has_freeze_queued: bool = False
    blocked: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()


class Obedience(enum.Enum):
    """What a guest does when it is asked to shut down."""

    AT_ONCE = enum.auto()
    LATE = enum.auto()
    NEVER = enum.auto()


@dataclass(kw_only=True)
class FakeJob:
    """A block job.  *pending*: clusters of the top that are not copied yet."""

    disk: DiskTarget
    kind: JobKind
    base: ImagePath | None = None
    base_format: str = "qcow2"
    top: ImagePath | None = None
    merged: tuple[ImagePath, ...] = ()
    pending: list[int] = field(default_factory=list)
    total: int = 0
    is_ready: bool = False


@dataclass(kw_only=True)
class FakeRecordDisk:
    """A disk in a snapshot record: *source* from the inner definition, *overlay* from <disks>."""

    target: DiskTarget
    capture: DiskCapture
    source: ImagePath
    source_format: str
    overlay: ImagePath | None = None
    is_writable: bool = True


@dataclass(kw_only=True)
class FakeRecord:
    """A snapshot record; *ledger* is the copy in its inner definition."""

    name: SnapshotName
    created: int
    state: str
    description: str = ""
    parent: SnapshotName | None = None
    memory: MemoryCapture = MemoryCapture.NONE
    memory_file: ImagePath | None = None
    disks: dict[DiskTarget, FakeRecordDisk]
    #: sources in the inner ``<inactiveDomain>``, which a record of a running domain has
    inactive: dict[DiskTarget, ImagePath] = field(default_factory=dict)
    #: the persistent definition of that moment, but for the images: those are said above
    definition: FakeDefinition | None = None
    ledger: Ledger | None = None
    is_delete_unfinished: bool = False
    #: the number of the moment that it was taken at, whatever it says since
    moment: int | None = None


@dataclass(kw_only=True)
class FakeDomain:
    """A domain with its definitions, records and jobs."""

    name: DomainName
    uuid: DomainUuid
    persistent: FakeDefinition | None
    live: FakeDefinition | None = None
    is_paused: bool = False
    obedience: Obedience = Obedience.AT_ONCE
    #: asked to shut down, it will then
    obeys_at: datetime | None = None
    boots: int = 0
    #: how often it was paused in vain
    pauses: int = 0
    #: its memory was saved while it was paused: QEMU has let go of the images until it goes on
    has_let_go: bool = False
    #: crashed, being shut down …: overrides the power that is shown
    odd_power: PowerState | None = None
    agent: FakeAgent = field(default_factory=FakeAgent)
    records: dict[SnapshotName, FakeRecord] = field(default_factory=dict)
    current: SnapshotName | None = None
    jobs: dict[DiskTarget, FakeJob] = field(default_factory=dict)
    domain_job: str | None = None
    checkpoints: list[str] = field(default_factory=list)
    has_managed_save: bool = False
    is_paused_on_error: bool = False
    ledger_problem: LedgerProblem | None = None
    #: other than ``destroy``, a guest that shuts down boots again at once
    on_poweroff: str = "destroy"
    memory_bytes: int = 96 << 20
    unsaved_devices: tuple[str, ...] = ()
    #: None: all can be saved; else there is one of which only QEMU knows
    blocks_saving: bool | None = None
    #: each snapshot during whose creation the guest file systems were frozen
    quiesced: list[SnapshotName] = field(default_factory=list)
    #: memory images that the guest went on from instead of booting
    went_on_from: list[ImagePath] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        """A QEMU process has its images open."""
        return self.live is not None

    @property
    def power(self) -> PowerState:
        """The power state libvirt shows."""
        if self.odd_power is not None:
            return self.odd_power
        if self.live is None:
            return PowerState.SHUT_OFF
        return PowerState.PAUSED if self.is_paused else PowerState.RUNNING

    @property
    def definition(self) -> FakeDefinition:
        """What the guest sees now, or at its next start."""
        shown = self.live or self.persistent
        if shown is None:
            raise HypervisorError(f"cannot find domain {self.name}", code=42)
        return shown

    @property
    def definitions(self) -> tuple[FakeDefinition, ...]:
        """Live and persistent, those that exist."""
        return tuple(d for d in (self.live, self.persistent) if d is not None)

    @property
    def ledger(self) -> Ledger | None:
        """The ledger element with the highest serial, whoever's it is."""
        ledgers = [d.ledger for d in self.definitions if d.ledger is not None]
        return max(ledgers, key=lambda ledger: ledger.serial, default=None)

    def disk(self, target: DiskTarget) -> FakeDisk:
        """The disk of that target the guest sees, or libvirt's refusal."""
        disk = self.definition.disk(target)
        if disk is None:
            raise HypervisorError(f"cannot find disk {target} of {self.name}", code=8)
        return disk

    def record(self, name: SnapshotName) -> FakeRecord:
        """The record of that name, or libvirt's refusal."""
        if name not in self.records:
            raise HypervisorError(f"cannot find snapshot {name} of {self.name}", code=72)
        return self.records[name]

    def children(self, name: SnapshotName | None) -> list[FakeRecord]:
        """The records whose parent is *name*, by name."""
        return sorted(
            (r for r in self.records.values() if r.parent == name), key=lambda record: record.name
        )
