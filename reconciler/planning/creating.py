"""Declared snapshots that were never taken, in the order of the list."""

from collections.abc import Callable
from dataclasses import replace

from reconciler.model.action import AdoptRequest, CreateSnapshot, ForgetSnapshot, ShutDownDomain
from reconciler.model.desired import CaptureType, DesiredDomain, DesiredSnapshot, Power
from reconciler.model.drift import SnapshotLost, SnapshotMissing
from reconciler.model.ledger import RequestState
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.plan import Reason, Step
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import Selection
from reconciler.planning import capture, creation, differ, powering, simulate, transience
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.world import World


def create(
    builder: Builder,
    wish: DesiredDomain,
    whole: Declared,
    selection: Selection,
    *,
    until: Callable[[Step], bool] | None = None,
) -> bool:
    """Declared and never taken, in the order of the list; a refused one holds those after it.

    A lost one with ``ifLost: retake`` is forgotten and taken again, both or nothing.  With *until*
    it ends before the first that takes such a step; True when it did, so that this one and those
    after it are left.
    """
    differences = differ.compare(whole, builder.world).differences
    missing = {d.snapshot for d in differences if isinstance(d, SnapshotMissing)}
    lost = {
        d.snapshot
        for d in differences
        if isinstance(d, SnapshotLost) and is_retaken(whole, d.snapshot, builder.world)
    }
    lost -= {r.snapshot for r in builder.refusals if r.code is RefusalCode.STORAGE_ABSENT}
    refused: SnapshotName | None = None
    for snapshot in wish.snapshots:
        chosen = selection.has_snapshot(builder.world.domain.name, snapshot.name)
        if snapshot.name not in missing | lost or not chosen:
            continue
        if refused is not None:
            why = refusal(
                RefusalCode.ORDER_NOT_MET,
                snapshot=snapshot.name,
                after=refused,
                cause="it is refused",
            )
            builder.refuse(why)
            continue
        before = builder.mark()
        reason = Reason.DECLARED_NOT_TAKEN
        if snapshot.name in lost:
            reason = Reason.LOST_AND_RETAKEN
            builder.add(ForgetSnapshot(snapshot=snapshot.name, has_record=False), reason)
        cause = _take(builder, wish, snapshot, reason)
        if cause is not None:
            builder.back_to(before)
            builder.refuse(cause)
            refused = snapshot.name
        elif until is not None and any(until(step) for step in builder.steps[len(before.steps) :]):
            builder.back_to(before)
            return True
    return False


def is_retaken(wish: Declared, name: SnapshotName, world: World) -> bool:
    """A lost snapshot is to be taken again; never before a lost ledger is written anew."""
    declared = wish.domain.snapshot(name) if wish.domain else None
    return declared is not None and declared.is_retaken and not differ.rebuild_only(world)


def _take(
    builder: Builder, wish: DesiredDomain, snapshot: DesiredSnapshot, reason: Reason
) -> Refusal | None:
    """Plan to take *snapshot*, with the shut-down it needs; or why not."""
    before, shut_down = builder.world, _shut_down(builder, wish, snapshot)
    world = before if shut_down is None else simulate.after(before, shut_down)
    action = creation.creation(world, wish, snapshot)
    if shut_down is not None and not isinstance(action, Refusal):
        why = powering.why_not_shut_down(before, world, shut_down)
        action = replace(why, snapshot=snapshot.name) if why else action
    if isinstance(action, Refusal):
        return _with_way_out(action, snapshot, world)
    if shut_down is not None:
        builder.add(shut_down, Reason.TAKEN_SHUT_OFF)
    _warn(builder, snapshot, action)
    if reason is Reason.LOST_AND_RETAKEN:
        builder.refusals = [r for r in builder.refusals if r.snapshot != snapshot.name]
    _void(builder, wish, snapshot.name)
    builder.add(action, reason)
    return None


def _void(builder: Builder, wish: DesiredDomain, name: SnapshotName) -> None:
    """A request means the moment that bore the name when it was asked for: not the one taken now.

    Written down before that is there, so that no later plan takes it for the one that was meant.
    """
    wanted = wish.revert
    if wanted is None or wanted.to != name or builder.world.ledger.request(wanted.request):
        return
    void = AdoptRequest(request=wanted.request, snapshot=name, state=RequestState.VOID)
    builder.add(void, Reason.REVERT_REQUESTED)


def _with_way_out(why: Refusal, snapshot: DesiredSnapshot, world: World) -> Refusal:
    """Whether the disk that is refused may be left out: an internal snapshot takes every one."""
    disk = why.fact("disk")
    if why.code is not RefusalCode.DISK_NOT_SUPPORTED or world.disk(DiskTarget(disk)) is None:
        return why
    may = "leave" if snapshot.type is CaptureType.EXTERNAL else "inside"
    return replace(why, facts=tuple(sorted((*why.facts, (may, disk)))))


def _shut_down(
    builder: Builder, wish: DesiredDomain, snapshot: DesiredSnapshot
) -> ShutDownDomain | None:
    """Of a domain that is active; a transient one would vanish, and is refused anyway."""
    domain = builder.world.domain
    if snapshot.power is not Power.OFF or domain.live is None or domain.persistent is None:
        return None
    return powering.shut_down(builder.world, wish)


def _warn(builder: Builder, snapshot: DesiredSnapshot, action: CreateSnapshot) -> None:
    domain = builder.world.domain
    for disk in domain.disks:
        if disk.target in (*snapshot.take, *snapshot.skip):
            continue
        if disk.is_beyond_snapshots:
            builder.warn(
                f"{disk.target} is left out, a {disk.device}, and the guest can write to it"
            )
        elif disk.is_manual and disk.target in action.skipped:
            builder.warn(f"{disk.target} is {capture.left_out(disk)}")
    builder.warn(transience.warning(builder.world))
    if domain.checkpoints:
        builder.warn(f"{domain.name} has checkpoints: {', '.join(domain.checkpoints)}")
    is_inside = capture.holds_nvram(builder.world, is_internal=bool(action.internal))
    if domain.firmware == "uefi" and not is_inside:
        builder.warn(f"{domain.name}: the NVRAM is not part of a snapshot")
    if domain.has_tpm:
        builder.warn(f"{domain.name}: the TPM state is not part of a snapshot")
