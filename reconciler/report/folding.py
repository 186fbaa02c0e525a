"""Which steps only complete another one, so that people need not read them."""

from collections.abc import Sequence
from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    AdoptRequest,
    AdoptSnapshot,
    CommitOverlays,
    CreateSnapshot,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemovalCause,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.plan import Reason, Step

#: A redefine for one of these completes the removal before it.
_COMPLETES = frozenset({Reason.RECORD_OUTDATED, Reason.CURRENT_MISPLACED})


def folded(steps: Sequence[Step]) -> frozenset[str]:
    """Ids of the forget, redefine and remove-image steps that follow a commit of the same, and of
    those that only complete a revert."""
    snapshots: set[SnapshotName] = set()
    images: set[ImagePath] = set()
    reasons: set[Reason] = set()
    after: set[str] = set()
    hidden: set[str] = set()
    for step in steps:
        action = step.action
        follows = bool(after & set(step.depends_on))
        match action:
            case CommitOverlays() | FinishJob():
                snapshots |= set(action.snapshots)
                images |= set(action.merged)
                reasons.add(step.reason)
                after.add(step.id)
                continue
            case RevertSnapshot() | RevertInternal():
                after.add(step.id)
                continue
            case RemoveImage(cause=RemovalCause.UNUSED):
                is_part = bool(after)
            case ForgetSnapshot(snapshot=snapshot, keeps_as_lost=False):
                is_part = snapshot in snapshots
            case RemoveImage(cause=RemovalCause.MEMORY):
                is_part = set(action.snapshots) <= snapshots
            case RemoveImage(path=path):
                is_part = path in images
            case RedefineSnapshot(description=None, holds=False):
                # its record names what was merged, or the pointer moved with it
                is_part = follows or (
                    bool(after) and (step.reason in reasons or step.reason in _COMPLETES)
                )
            case (
                CreateSnapshot()
                | AbortJob()
                | DeleteSnapshot()
                | ForgetSnapshot()
                | RemoveImage()
                | RedefineSnapshot()
                | ReleaseSnapshot()
                | AdoptSnapshot()
                | DefineDomain()
                | AdoptRequest()
                | RenewLedger()
                | ThawGuest()
                | ShutDownDomain()
                | StartDomain()
                | SwitchDisk()
            ):
                is_part = False
            case _:
                assert_never(action)
        if is_part:
            hidden.add(step.id)
        if is_part and follows:
            after.add(step.id)
    return frozenset(hidden)
