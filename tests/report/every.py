"""One of each: differences and actions."""

from reconciler.model import drift
from reconciler.model.action import (
    AbortJob,
    AdoptRequest,
    AdoptSnapshot,
    CommitMethod,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    NewOverlay,
    RedefineSnapshot,
    ReleaseSnapshot,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    SourceChange,
    StartDomain,
    ThawGuest,
)
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Consistency, EntryState, LedgerCommit, LedgerImage, RequestState
from reconciler.model.power import PowerOwed, PowerState
from tests.report.drawn_plans import NOON, commit, create, image, removed_image, s1, s2, vda

DIFFERENCES: tuple[drift.Difference, ...] = (
    drift.SnapshotMissing(snapshot=s1),
    drift.SnapshotLost(snapshot=s1),
    *(drift.SnapshotUndeclared(snapshot=s1, why=why) for why in drift.Undeclared),
    drift.SnapshotUndeclared(
        snapshot=s1, why=drift.Undeclared.NOT_IN_MANIFEST, other_source="/srv/other"
    ),
    drift.SnapshotUnmanaged(snapshot=s1),
    drift.DescriptionDiffers(snapshot=s1, desired="a", observed="b"),
    drift.SnapshotUnmanaged(snapshot=s1, is_declared=True),
    drift.HoldDiffers(snapshot=s1, desired=True),
    drift.HoldDiffers(snapshot=s1, desired=False),
    drift.CaptureDiffers(snapshot=s1, field="type", desired="internal", observed="external"),
    *(
        drift.RecordDangling(
            snapshot=s1,
            disk=vda,
            image=image("a"),
            cause=cause,
            is_managed=is_managed,
            is_declared=False,
        )
        for cause in drift.DanglingCause
        for is_managed in (False, True)
    ),
    drift.RecordOutdated(snapshot=s1, disk=vda, image=image("a")),
    drift.RecordOutdated(snapshot=s1, disk=vda, image=image("a"), said=image("b")),
    drift.SnapshotUnproven(
        snapshot=s1,
        disk=vda,
        says=((drift.Truth.LEDGER, image("a")), (drift.Truth.RECORD, image("b"))),
    ),
    drift.DefinitionWentBack(disk=vda, image=image("a"), observed=image("b")),
    drift.CurrentMisplaced(snapshot=s1, observed=None),
    drift.CurrentMisplaced(
        snapshot=s1, observed=s1, disk=vda, image=image("a"), said=image("b"), is_managed=False
    ),
    drift.OverlayUnrecorded(disk=vda, image=image("a"), is_ours=False),
    drift.OverlayUnrecorded(disk=vda, image=image("a"), is_ours=True, snapshot=s1),
    drift.ImageOrphaned(
        disk=vda,
        image=image("a"),
        snapshot=s1,
        is_emptied=False,
        is_superseded=True,
        size=1024,
    ),
    drift.DefinitionsDisagree(disk=vda, live=image("a"), persistent=None),
    drift.ChainTooDeep(disk=vda, depth=9, limit=8),
    drift.ChainBroken(disk=vda, image=image("a"), cause="its header names another file"),
    drift.JobUnfinished(disk=vda, job="commit", is_ours=True),
    drift.JobUnfinished(disk=vda, job="copy", is_ours=False),
    *(drift.LedgerStale(fault=fault) for fault in drift.LedgerFault),
    drift.FreezeUnended(),
    drift.PowerOwed(state=PowerState.RUNNING, is_off=True),
    drift.PowerOwed(state=PowerState.RUNNING, is_off=False),
    drift.PowerOwed(state=PowerState.PAUSED, is_off=False, until=NOON),
    drift.DefinitionOwed(snapshot=s1, is_there=True),
    drift.DefinitionOwed(snapshot=s1, is_there=False),
    drift.RevertRequested(snapshot=s1, request="r1"),
    drift.DomainMissing(near=("web01",)),
    drift.ManifestGone(manifest="web01.yaml", snapshots=(s1, s2)),
)

ACTIONS = (
    create(),
    commit(),
    DeleteSnapshot(snapshot=s1, images=((vda, image("a")),)),
    ForgetSnapshot(snapshot=s1, has_record=True),
    RedefineSnapshot(
        snapshot=s1,
        description="new",
        sources=(SourceChange(target=vda, source=image("a")),),
        make_current=True,
    ),
    AdoptSnapshot(
        snapshot=s1,
        uid="u",
        state=EntryState.TAKEN,
        created=1,
        consistency=Consistency.CRASH,
        images=((vda, image("a")),),
    ),
    AdoptSnapshot(
        snapshot=s1,
        uid="u",
        state=EntryState.TAKEN,
        created=1,
        consistency=None,
        is_held=True,
        writes_mark=True,
        manifest="web01.yaml",
    ),
    RedefineSnapshot(snapshot=s1, holds=True),
    ReleaseSnapshot(snapshot=s1),
    removed_image("a"),
    FinishJob(
        disk=vda,
        base=image("a"),
        base_format="qcow2",
        merged=(image("b"),),
        method=CommitMethod.ACTIVE,
        snapshots=(s1,),
    ),
    AbortJob(disk=vda),
    RevertSnapshot(
        snapshot=s1,
        request="r1",
        disks=(
            NewOverlay(target=vda, frozen=image("a"), frozen_format="qcow2", overlay=image("b")),
        ),
        config=RevertConfig.WHOLE,
        discards=True,
        owed=PowerOwed(state=PowerState.RUNNING),
    ),
    RevertInternal(
        snapshot=s1,
        request="r1",
        images=((vda, image("a")),),
        memory=True,
        power=PowerState.PAUSED,
        config=RevertConfig.DISKS,
        kept_by=s2,
        definition=s1,
        owed=None,
    ),
    DefineDomain(snapshot=s1),
    DefineDomain(snapshot=s1, is_there=False),
    AdoptRequest(request="r1", snapshot=s1, state=RequestState.UNPROVEN),
    AdoptRequest(request="r1", snapshot=s1, state=RequestState.VOID),
    AdoptRequest(request="r2", snapshot=s1, state=RequestState.DONE),
    AdoptRequest(request="r3", snapshot=s1, state=RequestState.BEGUN),
    RenewLedger(),
    RenewLedger(
        images=(LedgerImage(path=image("s2"), disk=vda, snapshot=s2),),
        begun=(s1,),
        commits=(LedgerCommit(disk=vda, base=image("a"), merged=(image("b"),), snapshots=(s1,)),),
        owed=PowerOwed(state=PowerState.RUNNING),
        definition=s1,
    ),
    ThawGuest(),
    ShutDownDomain(timeout=120, then_destroy=False, owes=PowerState.RUNNING),
    ShutDownDomain(timeout=90, then_destroy=True, owes=PowerState.PAUSED),
    StartDomain(state=PowerState.RUNNING),
    StartDomain(state=PowerState.PAUSED, is_off=False),
)
