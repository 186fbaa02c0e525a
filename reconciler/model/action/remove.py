"""What takes a snapshot, or an image of one, away."""

import enum
from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.action.card import Card, Risk
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=self.snapshots,
            disk=self.disk,
            images=self.merged,
            new_files=(),
            removal_of=self.snapshots,
            removes=self.snapshots,
            takes_away=True,
            is_block_job=self.method is not CommitMethod.OFFLINE,
            makes_start_due=False,
            is_ledger_alone=False,
        )


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=self.snapshots,
            disk=self.disk,
            images=self.merged,
            new_files=(),
            removal_of=(),
            removes=self.snapshots,
            takes_away=False,
            is_block_job=True,
            makes_start_due=False,
            is_ledger_alone=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortJob:
    """End a block commit of ours without pivot: the chain stays, the base is dirty."""

    name: ClassVar[str] = "abort-job"
    disk: DiskTarget

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(),
            disk=self.disk,
            images=(),
            new_files=(),
            removal_of=(),
            removes=(),
            takes_away=False,
            is_block_job=False,
            makes_start_due=False,
            is_ledger_alone=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSnapshot:
    """Delete an internal snapshot: its record, and what *images* hold of it.

    *images* are the disks with the image that each was on when it was taken.
    """

    name: ClassVar[str] = "delete"
    snapshot: SnapshotName
    images: tuple[tuple[DiskTarget, ImagePath], ...]

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=(),
            removal_of=(self.snapshot,),
            removes=(self.snapshot,),
            takes_away=True,
            is_block_job=False,
            makes_start_due=False,
            is_ledger_alone=False,
        )


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=(),
            removal_of=(self.snapshot,),
            removes=() if self.keeps_as_lost else (self.snapshot,),
            takes_away=True,
            is_block_job=False,
            makes_start_due=False,
            is_ledger_alone=False,
        )


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        discards = (RemovalCause.ABANDONED, RemovalCause.ORPHANED)
        return Card(
            risk=Risk.DESTRUCTIVE if self.cause in discards else Risk.SAFE,
            snapshots=self.snapshots,
            disk=self.disk,
            images=(self.path,),
            new_files=(),
            removal_of=self.snapshots,
            removes=self.snapshots if self.cause is RemovalCause.ABANDONED else (),
            takes_away=True,
            is_block_job=False,
            makes_start_due=False,
            is_ledger_alone=False,
        )
