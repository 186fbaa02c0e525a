"""What is done to the domain itself, or to its ledger."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.model.action.card import Card, Risk
from reconciler.model.ledger import LedgerCommit, LedgerImage
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ThawGuest:
    """Thaw file systems that a freeze of ours may have left frozen."""

    name: ClassVar[str] = "thaw"

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(),
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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.DISRUPTIVE,
            snapshots=(),
            disk=None,
            images=(),
            new_files=(),
            removal_of=(),
            removes=(),
            takes_away=False,
            is_block_job=False,
            makes_start_due=True,
            is_ledger_alone=False,
        )


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

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(),
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
class SwitchDisk:
    """Let the definition of a shut-off domain name *image* again, an overlay of ours above *observed*,
    which it names since an older one was put back.  No image changes."""

    name: ClassVar[str] = "switch-disk"
    disk: DiskTarget
    image: ImagePath
    observed: ImagePath

    @property
    def card(self) -> Card:
        """What everybody asks of it."""
        return Card(
            risk=Risk.SAFE,
            snapshots=(),
            disk=self.disk,
            images=(self.image, self.observed),
            new_files=(),
            removal_of=(),
            removes=(),
            takes_away=False,
            is_block_job=False,
            makes_start_due=True,
            is_ledger_alone=False,
        )
