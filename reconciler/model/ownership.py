"""Whose a snapshot is, in one word, and whether a hold lies on it."""

import enum

from reconciler.model.domain import ObservedDomain
from reconciler.model.ledger import EntryState
from reconciler.model.snapshot import SnapshotRecord


class Mark(enum.StrEnum):
    """How a snapshot stands with virtsnap."""

    MANAGED = "managed"
    UNMANAGED = "unmanaged"
    CREATING = "creating"
    DELETING = "deleting"
    LOST = "lost"


def is_held(domain: ObservedDomain, record: SnapshotRecord) -> bool:
    """A managed snapshot that no pruning may take: its own record or the ledger says so.

    One whose removal has begun can only be finished.
    """
    entry = domain.agreeing_entry(record)
    if entry is None or entry.state is EntryState.DELETING:
        return False
    return record.is_held or entry.is_held


def is_hold_whole(domain: ObservedDomain, record: SnapshotRecord) -> bool:
    """Both say so: a hold that was cut short lies in one of them, and the next plan mends it."""
    entry = domain.agreeing_entry(record)
    return is_held(domain, record) and entry is not None and entry.is_held and record.is_held


def mark_of(domain: ObservedDomain, record: SnapshotRecord) -> Mark:
    """Managed means: entry and record agree in name, uid and creation time (design §3)."""
    entry = domain.agreeing_entry(record)
    if entry is None:
        return Mark.UNMANAGED
    return {
        EntryState.CREATING: Mark.CREATING,
        EntryState.TAKEN: Mark.MANAGED,
        EntryState.DELETING: Mark.DELETING,
        EntryState.LOST: Mark.LOST,
    }[entry.state]
