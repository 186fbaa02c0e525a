"""What takes a snapshot."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.action.card import Card, Risk
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerState
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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        stands_still = self.halts or self.memory is MemoryCapture.INTERNAL
        return Card(
            risk=Risk.DISRUPTIVE if stands_still else Risk.SAFE,
            snapshots=(self.snapshot,),
            disk=None,
            images=(),
            new_files=self.new_files,
            removal_of=(),
            removes=(),
            takes_away=False,
            is_block_job=False,
            makes_start_due=self.halts,
            is_ledger_alone=False,
        )
