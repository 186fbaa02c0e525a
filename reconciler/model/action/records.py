"""What writes a record or an entry of a snapshot."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.action.card import Card, Risk
from reconciler.model.ledger import Consistency, EntryState
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
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
class ReleaseSnapshot:
    """End the hold of a snapshot, in its record and in the ledger."""

    name: ClassVar[str] = "release"
    snapshot: SnapshotName

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=(),
            removal_of=(),
            removes=(),
            takes_away=True,
            is_block_job=False,
            makes_start_due=False,
            is_ledger_alone=False,
        )


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=(),
            removal_of=(),
            removes=(),
            takes_away=False,
            is_block_job=False,
            makes_start_due=False,
            is_ledger_alone=not self.writes_mark,
        )
