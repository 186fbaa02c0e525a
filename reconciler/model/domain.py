"""Domains and hosts as they were observed."""

import enum
from dataclasses import dataclass
from datetime import datetime

from reconciler.model.chain import BackingChain, Image
from reconciler.model.ledger import Ledger, LedgerEntry, LedgerProblem, LedgerRequest
from reconciler.model.names import DiskTarget, DomainName, DomainUuid, HostName, ImagePath
from reconciler.model.power import PowerState
from reconciler.model.snapshot import SnapshotRecord


class AgentState(enum.StrEnum):
    """The qemu-guest-agent channel; connected says only that the port is open (facts §8)."""

    ABSENT = "absent"
    DISCONNECTED = "disconnected"
    CONNECTED = "connected"


class DiskKind(enum.StrEnum):
    """Where a disk's data lies."""

    FILE = "file"
    BLOCK = "block"
    NETWORK = "network"
    EMPTY = "empty"
    OTHER = "other"


#: how the job of a domain begins that was changed while it was looked at; the rest says by whom
CHANGE_BY = "a change by "
#: kinds whose images have a path that this machine, if it is the host, can look at
ON_STORAGE = (DiskKind.FILE, DiskKind.BLOCK)
#: devices whose medium can be taken out
REMOVABLE = ("cdrom", "floppy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk of a definition.

    *chain* is None when it cannot be read whole.  *stated* is the chain that the definition spells
    out with ``<backingStore>``; libvirt obeys it without looking at the files (facts §0.10).
    """

    target: DiskTarget
    kind: DiskKind
    source: ImagePath | None = None
    format: str = "raw"
    device: str = "disk"
    is_readonly: bool = False
    is_shareable: bool = False
    is_transient: bool = False
    is_encrypted: bool = False
    #: ``startupPolicy='optional'``: the guest is started without what is missing
    is_optional: bool = False
    #: the definition has the kernel's name of a device that also has a lasting one
    is_passing_name: bool = False
    #: the definition says ``<disk snapshot='no'>``, or ``'manual'``
    is_excluded: bool = False
    #: ``'manual'``: somebody else takes snapshots of it
    is_manual: bool = False
    #: what makes it more, or less, than all of a plain image (``<slices>``, encryption)
    oddity: str | None = None
    #: the source whose place nobody can tell (a volume of a pool that is not there)
    unresolved: str | None = None
    #: the definition states that an image stands on something that is no file here
    is_stated_elsewhere: bool = False
    #: files beside the chain that its bytes come from
    also_reads: tuple[ImagePath, ...] = ()
    chain: BackingChain | None = None
    stated: BackingChain | None = None

    @property
    def is_on_storage(self) -> bool:
        """Its images are files or block devices."""
        return self.kind in ON_STORAGE

    @property
    def is_writable(self) -> bool:
        """The guest can change it: a snapshot takes it unless told otherwise."""
        return (
            self.device == "disk"
            and self.kind is not DiskKind.EMPTY
            and not self.is_readonly
            and not self.is_transient
        )

    @property
    def is_beyond_snapshots(self) -> bool:
        """The guest can change it, and no snapshot takes it: a LUN, a floppy disk."""
        is_other = self.device not in ("disk", "cdrom")
        return is_other and self.kind is not DiskKind.EMPTY and not self.is_readonly


class JobKind(enum.StrEnum):
    """libvirt's block jobs."""

    COMMIT = "commit"
    ACTIVE_COMMIT = "active-commit"
    PULL = "pull"
    COPY = "copy"
    BACKUP = "backup"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockJob:
    """A block job that is there now; *done* and *total* in bytes."""

    disk: DiskTarget
    kind: JobKind
    done: int = 0
    total: int = 0
    #: the mirror has caught up: libvirt's promise that a pivot will do
    is_ready: bool = False
    #: where an active commit or a copy writes to
    destination: ImagePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedDomain:
    """The three truths of one domain: records, definitions, images; and our ledger.

    *live* and *persistent* are the disks of the two definitions; a shut-off domain has no live
    one, a transient domain no persistent one.  *records* come parents first.
    """

    name: DomainName
    uuid: DomainUuid
    power: PowerState
    #: why it stands so, in libvirt's words (``paused: I/O error``)
    power_detail: str = ""
    live: tuple[Disk, ...] | None = None
    persistent: tuple[Disk, ...] | None = None
    agent: AgentState = AgentState.ABSENT
    records: tuple[SnapshotRecord, ...] = ()
    jobs: tuple[BlockJob, ...] = ()
    #: a domain job under way: ``backup``, ``migration``, ``snapshot`` …; or ``a change by`` somebody
    domain_job: str | None = None
    checkpoints: tuple[str, ...] = ()
    has_managed_save: bool = False
    #: of a paused domain: QEMU has its images, or has let go of them when its memory was saved;
    #: None: nobody could tell, or it is not paused
    holds_images: bool | None = None
    is_paused_on_error: bool = False
    #: ``bios`` or ``uefi``
    firmware: str = "bios"
    #: the definition itself names the flash images of its UEFI; else libvirt finds them at the start
    has_pflash: bool = False
    #: of the variables of its UEFI
    nvram_format: str = "raw"
    has_tpm: bool = False
    #: what libvirt does once the guest has shut down, in its word; all but ``destroy`` keep it on
    on_poweroff: str = "destroy"
    #: the most RAM the guest can have, in bytes
    memory_bytes: int | None = None
    #: devices whose state cannot be saved, so that the memory cannot be kept (facts §9)
    unsaved_devices: tuple[str, ...] = ()
    #: of these only QEMU knows whether it can, and says so once it is to
    doubtful_devices: tuple[str, ...] = ()
    ledger: Ledger | None = None
    ledger_problem: LedgerProblem | None = None
    #: it is on, and one of its two definitions says another ledger, or none
    is_ledger_partial: bool = False
    #: the highest ledger serial this machine has written for the domain, 0 for none
    journal_serial: int = 0
    #: revert requests that this machine knows to be done
    journal_requests: tuple[LedgerRequest, ...] = ()
    #: what was unfinished in the last ledger that this machine has written, and the images in it
    journal_last: Ledger | None = None
    #: pairs (top, base): comparing the files showed that *top* holds nothing *base* does not
    merged_by_hand: tuple[tuple[ImagePath, ImagePath], ...] = ()

    @property
    def is_active(self) -> bool:
        """A QEMU process has its images open."""
        return self.live is not None

    @property
    def is_changing(self) -> bool:
        """It was changed again and again while it was looked at: ledger, records and images are of
        different moments, and nothing follows from what they say together."""
        return self.domain_job is not None and self.domain_job.startswith(CHANGE_BY)

    @property
    def is_transient(self) -> bool:
        """It is on, and no definition outlives it."""
        return self.live is not None and self.persistent is None

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The disks the guest sees now, or will see at the next start."""
        return self.live if self.live is not None else (self.persistent or ())

    @property
    def definitions(self) -> tuple[tuple[Disk, ...], ...]:
        """Live and persistent, those that exist."""
        return tuple(disks for disks in (self.live, self.persistent) if disks is not None)

    def disk(self, target: DiskTarget) -> Disk | None:
        """The disk of that target the guest sees."""
        return next((disk for disk in self.disks if disk.target == target), None)

    def record(self, name: str) -> SnapshotRecord | None:
        """The snapshot record of that name."""
        return next((record for record in self.records if record.name == name), None)

    def agreeing_entry(self, record: SnapshotRecord) -> LedgerEntry | None:
        """The ledger entry that makes *record* managed: same name, uid and creation time."""
        entry = self.ledger.entry(record.name) if self.ledger else None
        if entry is None or entry.uid != record.uid:
            return None
        return entry if entry.created in (None, record.created) else None

    @property
    def current(self) -> SnapshotRecord | None:
        """libvirt's current snapshot."""
        return next((record for record in self.records if record.is_current), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedFolder:
    """A folder that holds images; sizes in bytes."""

    path: str
    #: every file in it was looked at: nobody hides there
    is_listed: bool = True
    is_writable: bool = True
    free: int | None = None
    #: of the whole file system
    size: int | None = None
    #: on a file system that other hosts can mount
    is_shared: bool = False
    #: names in it that are taken by something that is no image of the host's list
    others: tuple[str, ...] = ()
    #: what it is called in ``Host.spec.folders``, where links lead to it
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undescribed:
    """A domain that libvirt lists and cannot describe: which images it reads, nobody knows."""

    name: DomainName
    uuid: DomainUuid
    #: what it is busy with, or libvirt's own words
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedHost:
    """Everything of one libvirt that a plan depends on."""

    name: HostName
    uri: str
    observed_at: datetime
    #: as libvirt counts: major * 1000000 + minor * 1000 + release
    libvirt_version: int
    qemu_version: int = 0
    #: image files can be looked at from here
    is_local: bool = True
    domains: tuple[ObservedDomain, ...] = ()
    undescribed: tuple[Undescribed, ...] = ()
    #: every image in a chain, a record or a folder concerned
    images: tuple[Image, ...] = ()
    folders: tuple[ObservedFolder, ...] = ()

    def domain(self, name_or_uuid: str) -> ObservedDomain | None:
        """The domain of that name or UUID."""
        return next((d for d in self.domains if name_or_uuid in (d.name, d.uuid)), None)
