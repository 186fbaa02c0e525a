"""What a plan can do to a domain.  ``name`` of each is its word in the plan document."""

import enum
from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import (
    Consistency,
    EntryState,
    LedgerCommit,
    LedgerImage,
    RequestState,
    WayBack,
)
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState
from reconciler.model.snapshot import MemoryCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOverlay:
    """One disk of a snapshot to be taken: *overlay* gets the writes after it."""

    target: DiskTarget
    frozen: ImagePath
    frozen_format: str
    overlay: ImagePath


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSnapshot:
    """Take a snapshot, all disks at one moment or none: *overlays* over them, or inside them.

    With memory too, where that is asked for; an image of its own (*memory_file*) beside overlays.
    """

    name: ClassVar[str] = "create"
    snapshot: SnapshotName
    description: str
    overlays: tuple[NewOverlay, ...]
    skipped: tuple[DiskTarget, ...]
    parent: SnapshotName | None
    #: freeze the guest file systems; *may_degrade*: go on without when the agent fails
    quiesce: bool
    may_degrade: bool
    consistency: Consistency
    #: what the domain did before virtsnap touched it
    power: PowerState
    manifest: str | None
    #: disks that are captured inside their own image
    internal: tuple[DiskTarget, ...] = ()
    memory: MemoryCapture = MemoryCapture.NONE
    memory_file: ImagePath | None = None
    #: the guest is stopped at that very moment: nothing is written after it
    halts: bool = False
    #: born with a hold
    is_held: bool = False

    def __post_init__(self) -> None:
        if len(set(self.new_files)) != len(self.new_files):
            raise ValueError(f"a snapshot has a file of its own for each disk: {self.new_files}")
        if bool(self.overlays) is bool(self.internal):
            raise ValueError("a snapshot takes all its disks one way, and at least one")
        if (self.memory is MemoryCapture.EXTERNAL) is not (self.memory_file is not None):
            raise ValueError("memory beside the overlays has a file, other memory has none")
        unlike = MemoryCapture.INTERNAL if self.overlays else MemoryCapture.EXTERNAL
        if self.memory is unlike or (self.halts and self.memory is MemoryCapture.NONE):
            raise ValueError("memory is kept as the disks are, and only with it a guest is halted")

    @property
    def new_files(self) -> tuple[ImagePath, ...]:
        """Every file that it makes."""
        memory = (self.memory_file,) if self.memory_file is not None else ()
        return (*(new.overlay for new in self.overlays), *memory)


class CommitMethod(enum.StrEnum):
    """How images are merged down."""

    #: block commit of the active layer, with pivot
    ACTIVE = "active"
    #: block commit below the active layer of a running domain
    LIVE = "live"
    #: qemu-img, on images that no QEMU has open
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitOverlays:
    """Merge *merged* (lowest first) into *base* on one disk, in one pass.

    *snapshots* are those whose removal this is. *rebased* are images standing on the top, off the
    live chain or all of them offline, whose header is pointed at *base*. *redefines* says that the
    persistent definition is switched to *base* (offline commit of the active layer).
    """

    name: ClassVar[str] = "commit"
    disk: DiskTarget
    base: ImagePath
    base_format: str
    merged: tuple[ImagePath, ...]
    method: CommitMethod
    snapshots: tuple[SnapshotName, ...]
    rebased: tuple[ImagePath, ...] = ()
    redefines: bool = False

    @property
    def top(self) -> ImagePath:
        """The uppermost image that is merged."""
        return self.merged[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSnapshot:
    """Delete an internal snapshot: its record, and what *images* hold of it.

    *images* are the disks with the image that each was on when it was taken.
    """

    name: ClassVar[str] = "delete"
    snapshot: SnapshotName
    images: tuple[tuple[DiskTarget, ImagePath], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetSnapshot:
    """Drop libvirt's record (where *has_record*) and our entry of it; no image is touched.

    *keeps_as_lost*: the manifest still declares it, so the entry stays, as lost.
    """

    name: ClassVar[str] = "forget"
    snapshot: SnapshotName
    has_record: bool
    keeps_as_lost: bool = False
    #: images off the live chain that go with it, and nobody is to read afterwards
    gives_up: tuple[ImagePath, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What a record says of one disk, put right; None leaves it."""

    target: DiskTarget
    source: ImagePath | None = None
    source_format: str | None = None
    overlay: ImagePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RedefineSnapshot:
    """Write a record anew: description, image paths, the current pointer, a hold."""

    name: ClassVar[str] = "redefine"
    snapshot: SnapshotName
    description: str | None = None
    sources: tuple[SourceChange, ...] = ()
    make_current: bool = False
    #: a hold is put into the record and the ledger
    holds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSnapshot:
    """End the hold of a snapshot, in its record and in the ledger."""

    name: ClassVar[str] = "release"
    snapshot: SnapshotName


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptSnapshot:
    """Write a ledger entry for a snapshot that bears our mark, or for one known to be lost.

    *writes_mark*: somebody else took it; the mark with *uid* is put into its record first.
    *believed*: what its record names, by disk; a person says that these, as they are, hold its moment,
    whatever the ledger knew of it.
    """

    name: ClassVar[str] = "adopt"
    snapshot: SnapshotName
    uid: str
    state: EntryState
    created: int | None
    consistency: Consistency | None
    #: its overlays, ours too
    images: tuple[tuple[DiskTarget, ImagePath], ...] = ()
    is_held: bool = False
    writes_mark: bool = False
    believed: tuple[tuple[DiskTarget, ImagePath], ...] = ()
    #: who declares it, where we did not take it
    manifest: str | None = None


class RemovalCause(enum.StrEnum):
    """Why an image may go."""

    #: a commit of ours merged its data down
    EMPTIED = "emptied"
    #: made by us, read by nobody; its data was not merged by us
    ORPHANED = "orphaned"
    #: the frozen layer of a snapshot off the live chain whose removal was asked for
    ABANDONED = "abandoned"
    #: the memory of a snapshot whose removal was asked for
    MEMORY = "memory"
    #: an overlay of ours that nobody ever wrote to
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage:
    """Unlink an image file, after proof that nothing reads it."""

    name: ClassVar[str] = "remove-image"
    disk: DiskTarget
    path: ImagePath
    cause: RemovalCause
    snapshots: tuple[SnapshotName, ...]
    #: whether the file is there; if not, only the ledger is put right
    is_present: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishJob:
    """Wait for a block commit of ours that is under way, and pivot where it is an active one.

    *rebased* as in ``CommitOverlays``: what stood on the top and was not pointed at *base* yet.
    """

    name: ClassVar[str] = "finish-job"
    disk: DiskTarget
    base: ImagePath
    base_format: str
    merged: tuple[ImagePath, ...]
    method: CommitMethod
    snapshots: tuple[SnapshotName, ...]
    rebased: tuple[ImagePath, ...] = ()

    @property
    def top(self) -> ImagePath:
        """The uppermost image that is merged."""
        return self.merged[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortJob:
    """End a block commit of ours without pivot: the chain stays, the base is dirty."""

    name: ClassVar[str] = "abort-job"
    disk: DiskTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertSnapshot:
    """Put disks of a shut-off domain on new overlays over what *snapshot* froze (facts §6).

    The images the disks stand on stay as they are.  *discards*: what only they hold is given up,
    and *gives_up*, those that we made, are removed afterwards; else something must keep it.
    *owed* is how the domain goes on afterwards, None for shut off.
    """

    name: ClassVar[str] = "revert"
    snapshot: SnapshotName
    request: str
    disks: tuple[NewOverlay, ...]
    config: RevertConfig
    discards: bool
    owed: PowerOwed | None
    #: images that the disks stand on, and nobody is to read afterwards
    gives_up: tuple[ImagePath, ...] = ()
    #: where the disks stood, should the memory that is gone to not load
    back: WayBack | None = None
    #: the memory did not load: the disks go the way back, to overlays that are there
    is_undone: bool = False

    def __post_init__(self) -> None:
        if not self.disks:
            raise ValueError("a revert puts back at least one disk")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertInternal:
    """Let libvirt put a shut-off domain back to an internal snapshot: it rewrites *images*.

    *memory*: the guest goes on from the memory of that moment, as *power*, unless that is shut off.
    *kept_by* is the snapshot that keeps the present, None where it is discarded.  *definition* is a
    record, there only meanwhile, that holds the present definition; None where it is given up too.
    """

    name: ClassVar[str] = "revert"
    snapshot: SnapshotName
    request: str
    images: tuple[tuple[DiskTarget, ImagePath], ...]
    memory: bool
    power: PowerState
    config: RevertConfig
    kept_by: SnapshotName | None
    definition: SnapshotName | None
    owed: PowerOwed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineDomain:
    """Define again what the record of *snapshot* holds: a revert that died put another definition
    in its place.  Its disks stay on the images they are on.

    *is_there*: the record is; if it has gone, nothing can be defined and the ledger is put right.
    """

    name: ClassVar[str] = "define"
    snapshot: SnapshotName
    is_there: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptRequest:
    """Write down what is known of a revert request after the ledger was lost."""

    name: ClassVar[str] = "adopt-request"
    request: str
    snapshot: SnapshotName
    state: RequestState


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewLedger:
    """Write the ledger as it is under a serial that nobody has seen: it was lost or went back, and
    the records say nothing that it does not know.

    What the journal of this machine knows of it besides is written with it: *images* of ours, and,
    where nothing but the last write was lost, the snapshots in *begun* (those whose removal was), their
    commits, and what is owed.
    """

    name: ClassVar[str] = "renew-ledger"
    images: tuple[LedgerImage, ...] = ()
    begun: tuple[SnapshotName, ...] = ()
    commits: tuple[LedgerCommit, ...] = ()
    owed: PowerOwed | None = None
    definition: SnapshotName | None = None
    #: nothing is lost: one of the two definitions of a running domain has not got it
    is_known: bool = False

    @property
    def is_from_journal(self) -> bool:
        """It says more than the ledger that is there."""
        return self != RenewLedger(is_known=self.is_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThawGuest:
    """Thaw file systems that a freeze of ours may have left frozen."""

    name: ClassVar[str] = "thaw"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutDownDomain:
    """Ask the guest to shut down, and wait for *timeout* seconds; then, if *then_destroy*, pull the
    plug.  A guest that is paused hears nothing: it is destroyed at once.

    *owes* is what the domain did, and is to do again afterwards: running or paused.
    """

    name: ClassVar[str] = "shut-down"
    timeout: int
    then_destroy: bool
    owes: PowerState


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDomain:
    """Start a domain that virtsnap shut down, as *state*: running, or paused before it boots.

    *is_off*: it is shut off still; if not, it runs again by itself and only the ledger is put right.
    *memory*: it goes on from that memory image instead of booting.
    """

    name: ClassVar[str] = "start"
    state: PowerState
    is_off: bool = True
    memory: ImagePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchDisk:
    """Let the definition of a shut-off domain name *image* again, an overlay of ours above *observed*,
    which it names since an older one was put back.  No image changes."""

    name: ClassVar[str] = "switch-disk"
    disk: DiskTarget
    image: ImagePath
    observed: ImagePath


Action = (
    CreateSnapshot
    | CommitOverlays
    | DeleteSnapshot
    | ForgetSnapshot
    | RedefineSnapshot
    | ReleaseSnapshot
    | AdoptSnapshot
    | RemoveImage
    | FinishJob
    | AbortJob
    | RevertSnapshot
    | RevertInternal
    | DefineDomain
    | AdoptRequest
    | RenewLedger
    | ThawGuest
    | ShutDownDomain
    | StartDomain
    | SwitchDisk
)

#: What takes something away that cannot be made again: asked for by what a manifest no longer says.
TakingAway = (
    CommitOverlays
    | DeleteSnapshot
    | ForgetSnapshot
    | ReleaseSnapshot
    | RemoveImage
    | RevertSnapshot
    | RevertInternal
)
