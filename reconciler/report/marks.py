"""Whose a snapshot is, in one word."""

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
    """A hold lies on a managed snapshot: its own record or the ledger says so."""
    if mark_of(domain, record) not in (Mark.MANAGED, Mark.CREATING):
        return False
    entry = domain.agreeing_entry(record)
    return record.is_held or (entry is not None and entry.is_held)


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
