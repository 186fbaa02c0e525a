"""What goes back to a snapshot, and what is left of that to do."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.action.card import Card, Risk
from reconciler.model.action.create import NewOverlay
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import RequestState, WayBack
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=tuple(new.overlay for new in self.disks),
            removal_of=(),
            removes=(),
            takes_away=True,
            is_block_job=False,
            makes_start_due=True,
            is_ledger_alone=False,
        )


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.DESTRUCTIVE if self.kept_by is None else Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=(),
            removal_of=(),
            removes=(),
            takes_away=True,
            is_block_job=False,
            makes_start_due=True,
            is_ledger_alone=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineDomain:
    """Define again what the record of *snapshot* holds: a revert that died put another definition
    in its place.  Its disks stay on the images they are on.

    *is_there*: the record is; if it has gone, nothing can be defined and the ledger is put right.
    """

    name: ClassVar[str] = "define"
    snapshot: SnapshotName
    is_there: bool = True

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
class AdoptRequest:
    """Write down what is known of a revert request after the ledger was lost."""

    name: ClassVar[str] = "adopt-request"
    request: str
    snapshot: SnapshotName
    state: RequestState

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
            is_ledger_alone=True,
        )
