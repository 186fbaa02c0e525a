"""What every part of the program asks of an action."""

import enum
from dataclasses import dataclass

from reconciler.model.names import DiskTarget, ImagePath, SnapshotName


class Risk(enum.StrEnum):
    """What a step may cost."""

    SAFE = "safe"
    #: the guest is stopped or paused
    DISRUPTIVE = "disruptive"
    #: data is discarded
    DESTRUCTIVE = "destructive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Each action says all of it: none has a default, so that none is forgotten."""

    #: discarding what was not merged destroys it; the rest keeps guest data
    risk: Risk
    #: the snapshots it is about
    snapshots: tuple[SnapshotName, ...]
    #: the disk it works on, where it is a single one
    disk: DiskTarget | None
    #: images that it merges, removes or lets a definition name again
    images: tuple[ImagePath, ...]
    #: files that it makes
    new_files: tuple[ImagePath, ...]
    #: the snapshots whose removal it is a part of: these are counted against a budget
    removal_of: tuple[SnapshotName, ...]
    #: of these, those that are no more once it is done
    removes: tuple[SnapshotName, ...]
    #: it takes something away that cannot be made again
    takes_away: bool
    #: QEMU copies data: only so many at once on a host
    is_block_job: bool
    #: it stops the guest, or says what the domain is to do afterwards, and on which images
    makes_start_due: bool
    #: it writes to the ledger and to nothing else, or thaws
    is_ledger_alone: bool

    @property
    def snapshot(self) -> SnapshotName | None:
        """The one snapshot it is about, where there is only one."""
        return self.snapshots[0] if len(self.snapshots) == 1 else None
