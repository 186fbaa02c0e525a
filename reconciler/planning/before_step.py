"""What must be proven right before a step, whoever planned it and however long ago (law 1)."""

from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    Action,
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
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.ledger import Consistency
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning import (
    defining,
    deleting,
    powering,
    revert_safety,
    safety,
    switching,
)
from reconciler.planning.world import World


def why_not(world: World, action: Action) -> Refusal | None:
    """Why *action* is not to be done in *world*, which was observed just now; None when it may be.

    Each action is named: one of which nothing has to be proven is a decision too.
    """
    match action:
        case FinishJob(disk=disk) if all(job.disk != disk for job in world.domain.jobs):
            return None  # it has ended: nothing more is merged
        case CommitOverlays() | FinishJob():
            return safety.why_not_commit(world, action, frozenset(action.snapshots))
        case DeleteSnapshot():
            return deleting.why_not_delete(world, action)
        case RemoveImage(is_present=True):
            return safety.why_not_remove(world, action)
        case ShutDownDomain(owes=owes):
            return powering.why_not_now(world, owes)
        case StartDomain() if not world.domain.is_active:
            return powering.why_not_start(world)
        case CreateSnapshot(consistency=Consistency.OFFLINE) if world.domain.is_active:
            return refusal(
                RefusalCode.POWER_STATE,
                snapshot=action.snapshot,
                state=world.domain.power,
                domain=world.domain.name,
                cause="somebody started it",
            )
        case RevertSnapshot():
            return revert_safety.why_not_revert(world, action)
        case RevertInternal():
            return revert_safety.why_not_revert_internal(world, action)
        case DefineDomain(is_there=True):
            return defining.why_not_define(world, action.snapshot)
        case SwitchDisk():
            return switching.why_not_switch(world, action)
        case CreateSnapshot() | RemoveImage() | StartDomain() | DefineDomain():
            return None  # it adds alone, or what it is about is so already
        case (
            ForgetSnapshot()
            | RedefineSnapshot()
            | ReleaseSnapshot()
            | AdoptSnapshot()
            | AdoptRequest()
            | RenewLedger()
        ):
            return None  # records and the ledger alone
        case AbortJob() | ThawGuest():
            return None  # what is there is left as it is
        case _:
            assert_never(action)
