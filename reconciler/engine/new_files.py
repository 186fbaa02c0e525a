"""Steps that make new files: reserved, written into the ledger, filled, confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.engine.intending import intend
from reconciler.errors import AgentError, AgentUnableError, PathTaken, VirtsnapError
from reconciler.model.action import CreateSnapshot, RemovalCause, RemoveImage
from reconciler.model.chain import Presence
from reconciler.model.ledger import MEMORY, Consistency
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.plan import Step
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.reservation import Reservation
from reconciler.planning import bookkeeping, completion, overlay_names, safety
from reconciler.planning.world import World

if TYPE_CHECKING:
    from reconciler.engine.domain_work import DomainWork


_ALLOW = (
    "allow it in the guest (--block-rpcs and --allow-rpcs of qemu-ga), or set `quiesce: preferred`; to"
    ' look: virsh qemu-agent-command {domain!q} \'{"execute":"guest-info"}\''
)


def create(work: DomainWork, step: Step, action: CreateSnapshot, world: World) -> str | Refusal:
    """Take the snapshot, in files that nobody had."""
    for disk, path in _new_files(action):
        if overlay_names.is_taken(world, path):
            return _taken_name(action.snapshot, disk, path)
    quiesce, note = action.quiesce, ""
    if quiesce:
        why = _agent_fault(work)
        if why is not None and not action.may_degrade:
            return replace(why, snapshot=action.snapshot)
        if why is not None:
            quiesce, note = False, "not quiesced: " + _cause(why)
    reserved = reserved_files(work, action.snapshot, _new_files(action))
    if isinstance(reserved, Refusal):
        return reserved
    with reserved:
        step = replace(step, action=replace(action, quiesce=quiesce))
        intend_with(reserved, work, step, world, work.tools.identity.uid())
        return _taken(work, action, world, reserved, quiesce=quiesce, note=note)


def _taken(
    work: DomainWork,
    action: CreateSnapshot,
    world: World,
    reserved: Reservation,
    *,
    quiesce: bool,
    note: str,
) -> str:
    """Taken and confirmed, or undone."""
    try:
        failed, said = _take(work, action, reserved, quiesce=quiesce)
        note = failed or note
    except VirtsnapError:
        if quiesce:
            # libvirt thaws after most failures, not after all; if it cannot be done now,
            # the mark stays in the ledger and the next plan begins with it (facts §8)
            work.port.thaw(work.uuid)
        after = work.observe()
        if after.domain.record(action.snapshot) is None:
            _undo(work, action, reserved, after)
            raise
        said = ""
        # it was taken and only the answer was lost (facts §10): go on
    after = work.observe()
    record = after.domain.record(action.snapshot)
    # a guest that was destroyed had no time to unmount anything
    is_crash = bool(note) or (work.was_forced and not world.domain.is_active)
    consistency = Consistency.CRASH if is_crash else action.consistency
    ledger = bookkeeping.confirmed(
        after.ledger, action, created=record.created if record else None, consistency=consistency
    )
    work.write(completion.completed(after.with_ledger(ledger)), after)
    return note or said


def reserved_files(
    work: DomainWork, snapshot: SnapshotName, files: tuple[tuple[DiskTarget, ImagePath], ...]
) -> Reservation | Refusal:
    """Before the ledger says that the files are ours: whoever dies in between leaves empty ones
    behind, and nobody takes another's for ours.
    """
    try:
        return work.port.reserve(work.uuid, tuple(path for _, path in files))
    except PathTaken as error:
        disk = next(disk for disk, path in files if path == error.path)
        return _taken_name(snapshot, disk, error.path)


def _taken_name(snapshot: SnapshotName, disk: DiskTarget, path: str) -> Refusal:
    return refusal(RefusalCode.IMAGE_NAME_TAKEN, snapshot=snapshot, disk=disk, path=path)


def intend_with(
    reserved: Reservation, work: DomainWork, step: Step, world: World, uid: str = ""
) -> None:
    """The intent in the ledger, or no file of it either."""
    try:
        intend(work, step, world, uid)
    except VirtsnapError:
        reserved.give_back()
        raise


def _new_files(action: CreateSnapshot) -> tuple[tuple[DiskTarget, ImagePath], ...]:
    overlays = tuple((new.target, new.overlay) for new in action.overlays)
    memory = action.memory_file
    return overlays if memory is None else (*overlays, (MEMORY, memory))


def _cause(why: Refusal) -> str:
    return why.fact("cause") or why.fact("state")


def _agent_fault(work: DomainWork) -> Refusal | None:
    try:
        frozen = work.port.freeze_status(work.uuid)
    except AgentError as error:
        return _no_agent(work, error)
    if not frozen:
        return None
    cause = "the guest was frozen by somebody else"
    return refusal(RefusalCode.AGENT_FROZEN, domain=work.plan.domain, cause=cause)


def _no_agent(work: DomainWork, error: AgentError) -> Refusal:
    is_unable = isinstance(error, AgentUnableError)
    return refusal(
        RefusalCode.AGENT_NOT_CONNECTED,
        domain=work.plan.domain,
        state="not able to do it" if is_unable else "silent",
        cause=error,
        way=_ALLOW if is_unable else None,
    )


def _take(
    work: DomainWork, action: CreateSnapshot, reserved: Reservation, *, quiesce: bool
) -> tuple[str, str]:
    """Why it is not quiesced, and what the agent said of one that is."""
    try:
        said = work.port.create_snapshot(work.uuid, action, quiesce=quiesce, reserved=reserved)
    except AgentError as error:
        if not action.may_degrade:
            raise
        work.port.thaw(work.uuid)
        work.port.create_snapshot(work.uuid, action, quiesce=False, reserved=reserved)
        return f"not quiesced: {error.message}", ""
    return "", said


def _undo(work: DomainWork, action: CreateSnapshot, reserved: Reservation, after: World) -> None:
    """Nothing half-taken stays: unused files of the failed call go, then the intent.

    An overlay that came into use stays, with its intent: the next plan merges it (facts §1.5).
    What bears the name of a file of ours and is another one is somebody else's.
    """
    if any(path in after.in_own_chain for path in action.new_files):
        return
    reserved.give_back()
    for disk, path in _new_files(action):
        removal = RemoveImage(
            disk=disk, path=path, cause=RemovalCause.EMPTIED, snapshots=(action.snapshot,)
        )
        present = reserved.keeps(path) and after.image(path).presence is Presence.PRESENT
        if present and safety.why_not_remove(after, removal) is None:
            work.port.remove_image(path)
    ledger = after.ledger
    ledger = replace(
        ledger,
        entries=tuple(e for e in ledger.entries if e.name != action.snapshot),
        images=tuple(image for image in ledger.images if image.path not in action.new_files),
        is_freezing=False,
    )
    work.write(ledger, after)
