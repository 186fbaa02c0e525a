"""How a domain differs from its manifest, and where its three truths disagree."""

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerState


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotMissing:
    """Declared, never taken.  *is_above_taken*: a later one in the list is already there."""

    kind: ClassVar[str] = "SnapshotMissing"
    snapshot: SnapshotName
    is_above_taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotLost:
    """Declared and taken once, and gone without our removing it."""

    kind: ClassVar[str] = "SnapshotLost"
    snapshot: SnapshotName


class Undeclared(enum.StrEnum):
    """Why a managed snapshot is not wanted."""

    #: its domain has a manifest, which does not name it
    NOT_IN_MANIFEST = "not-in-manifest"
    #: a removal that began before and is only finished
    DELETING = "deleting"
    #: the manifest of the domain has gone
    MANIFEST_GONE = "manifest-gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotUndeclared:
    """Managed, not in the manifest.  *source* is who declared it, when that is another one."""

    kind: ClassVar[str] = "SnapshotUndeclared"
    snapshot: SnapshotName
    why: Undeclared
    other_source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotUnmanaged:
    """Not ours.  *is_declared*: the manifest wants this very name."""

    kind: ClassVar[str] = "SnapshotUnmanaged"
    snapshot: SnapshotName
    is_declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptionDiffers:
    """The declared description is not the record's."""

    kind: ClassVar[str] = "DescriptionDiffers"
    snapshot: SnapshotName
    desired: str
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureDiffers:
    """Declared type, memory or disks differ from what was taken; a taken snapshot never changes."""

    kind: ClassVar[str] = "CaptureDiffers"
    snapshot: SnapshotName
    #: ``type``, ``memory`` or ``disks.vdb``
    field: str
    desired: str
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDiffers:
    """The manifest wants a hold (``protect: true``) that is not there, or none where one is."""

    kind: ClassVar[str] = "HoldDiffers"
    snapshot: SnapshotName
    desired: bool


class DanglingCause(enum.StrEnum):
    """What happened to a frozen layer."""

    MISSING = "missing"
    WRITTEN = "written since"
    #: a definition has it as a disk that is written to; as far as is known nobody has written yet
    EXPOSED = "may be written to"
    MERGED = "merged away"
    #: an internal snapshot is not in its image any more
    DELETED = "deleted from its image"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDangling:
    """What the record froze is missing, written since, or merged away."""

    kind: ClassVar[str] = "RecordDangling"
    snapshot: SnapshotName
    disk: DiskTarget
    image: ImagePath
    cause: DanglingCause
    is_managed: bool
    is_declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutdated:
    """A record of ours does not name *image*, which holds the moment; the moment itself is intact.

    It names images that were merged into it; or *said*, which somebody, or libvirt 9.0 when another
    record was dropped, has put in its place.
    """

    kind: ClassVar[str] = "RecordOutdated"
    snapshot: SnapshotName
    disk: DiskTarget
    image: ImagePath
    said: ImagePath | None = None


class Truth(enum.StrEnum):
    """Who says which image a snapshot froze."""

    LEDGER = "the ledger"
    RECORD = "its record"
    HEADER = "the header of its overlay"
    MEMORY = "its saved memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotUnproven:
    """Which image of *disk* a managed snapshot froze is said in several ways, and none is proven.

    Until they agree nobody goes back to it, and nothing that any of them names for it is removed.
    """

    kind: ClassVar[str] = "SnapshotUnproven"
    snapshot: SnapshotName
    disk: DiskTarget
    says: tuple[tuple[Truth, ImagePath], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentMisplaced:
    """libvirt's current snapshot is not the one the active layer stands on.

    Or it is, and its record says that *disk* went on in *said*, and it is on *image*: a native revert
    removes what the record says (facts §5.3).
    """

    kind: ClassVar[str] = "CurrentMisplaced"
    snapshot: SnapshotName
    observed: SnapshotName | None
    disk: DiskTarget | None = None
    image: ImagePath | None = None
    said: ImagePath | None = None
    is_managed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayUnrecorded:
    """An image of the live chain that no snapshot accounts for."""

    kind: ClassVar[str] = "OverlayUnrecorded"
    disk: DiskTarget
    image: ImagePath
    is_ours: bool
    #: the snapshot it was made for, when it is ours
    snapshot: SnapshotName | None = None
    #: that snapshot is still declared: its frozen layer is all that is left of it
    is_declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOrphaned:
    """Made by us, read by nobody, named by no record.

    *is_emptied*: a commit of ours merged it. *is_superseded*: what it stands on is in the chain of
    its disk again, so it is not simply the disk of somebody who detached it.
    """

    kind: ClassVar[str] = "ImageOrphaned"
    disk: DiskTarget
    image: ImagePath
    snapshot: SnapshotName
    is_emptied: bool
    is_superseded: bool
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsDisagree:
    """Live and persistent definition name different active layers."""

    kind: ClassVar[str] = "DefinitionsDisagree"
    disk: DiskTarget
    live: ImagePath | None
    persistent: ImagePath | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionWentBack:
    """The shut-off domain is on *observed*, which a snapshot froze, and what its guest wrote since
    lies in *image*, above it: an older definition was put back."""

    kind: ClassVar[str] = "DefinitionWentBack"
    disk: DiskTarget
    image: ImagePath
    observed: ImagePath


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTooDeep:
    """More images above the base than the manifest or this libvirt allows."""

    kind: ClassVar[str] = "ChainTooDeep"
    disk: DiskTarget
    depth: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainBroken:
    """A chain that cannot be read whole, or that the definition states wrongly."""

    kind: ClassVar[str] = "ChainBroken"
    disk: DiskTarget
    image: ImagePath
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobUnfinished:
    """A block job is there."""

    kind: ClassVar[str] = "JobUnfinished"
    disk: DiskTarget
    job: str
    is_ours: bool


class LedgerFault(enum.StrEnum):
    """What is wrong with the ledger."""

    LOST = "lost"
    ROLLED_BACK = "rolled-back"
    #: a create was interrupted after libvirt had recorded the snapshot
    UNCONFIRMED = "unconfirmed"
    #: an entry of a lost snapshot that nobody declares any more, or of a create that never happened
    LEFTOVER = "leftover"
    #: one of the two definitions of a running domain says another ledger, or none
    PARTIAL = "partial"
    NEWER = "newer"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStale:
    """The ledger does not say what records and journal say."""

    kind: ClassVar[str] = "LedgerStale"
    fault: LedgerFault
    snapshot: SnapshotName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeUnended:
    """A freeze of ours may be in force still."""

    kind: ClassVar[str] = "FreezeUnended"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOwed:
    """virtsnap shut the domain down, or asked it to, and it is to be *state* again.

    *is_off*: it is shut off.  *until*: it runs, and may obey late, up to then.
    """

    kind: ClassVar[str] = "PowerOwed"
    state: PowerState
    is_off: bool
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionOwed:
    """A revert that died left the definition of the snapshot's moment, and the one before it lies in
    the record of *snapshot*; *is_there*: it does."""

    kind: ClassVar[str] = "DefinitionOwed"
    snapshot: SnapshotName
    is_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertRequested:
    """The manifest asks to go back, and this request was not done yet."""

    kind: ClassVar[str] = "RevertRequested"
    snapshot: SnapshotName
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainMissing:
    """The manifest names a domain that this libvirt does not have."""

    kind: ClassVar[str] = "DomainMissing"
    #: names that are nearly the same
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestGone:
    """This source declared the domain once and does not any more."""

    kind: ClassVar[str] = "ManifestGone"
    manifest: str | None
    snapshots: tuple[SnapshotName, ...]


Difference = (
    SnapshotMissing
    | SnapshotLost
    | SnapshotUndeclared
    | SnapshotUnmanaged
    | DescriptionDiffers
    | CaptureDiffers
    | HoldDiffers
    | RecordDangling
    | RecordOutdated
    | SnapshotUnproven
    | CurrentMisplaced
    | OverlayUnrecorded
    | ImageOrphaned
    | DefinitionsDisagree
    | DefinitionWentBack
    | ChainTooDeep
    | ChainBroken
    | JobUnfinished
    | LedgerStale
    | FreezeUnended
    | PowerOwed
    | DefinitionOwed
    | RevertRequested
    | DomainMissing
    | ManifestGone
)


@dataclass(frozen=True, slots=True)
class Drift:
    """All that differs, in a fixed order."""

    differences: tuple[Difference, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing differs."""
        return not self.differences
