"""One step as a row of the plan for people."""

from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    Action,
    AdoptRequest,
    AdoptSnapshot,
    CommitMethod,
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
    Risk,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.desired import RevertConfig
from reconciler.model.domain import AgentState
from reconciler.model.ledger import Consistency, EntryState, RequestState
from reconciler.model.names import base_name
from reconciler.model.plan import Reason, Step
from reconciler.model.power import PowerState
from reconciler.model.snapshot import MemoryCapture
from reconciler.report.lines import Row, Tone
from reconciler.report.units import duration, joined, size

REASONS = {
    Reason.DECLARED_NOT_TAKEN: "declared, not taken",
    Reason.NOT_IN_MANIFEST: "not in the manifest",
    Reason.MANIFEST_GONE: "its manifest has gone",
    Reason.REMOVAL_BEGUN: "its removal has begun",
    Reason.CREATE_UNRECORDED: "a create was interrupted",
    Reason.OVERLAY_UNRECORDED: "made by virtsnap, belongs to no snapshot",
    Reason.DESCRIPTION_DIFFERS: "the description differs",
    Reason.LOST_AND_RETAKEN: "lost, and taken again (ifLost: retake)",
    Reason.DECLARED_UNMANAGED: "declared (unmanaged: adopt)",
    Reason.HOLD_DIFFERS: "protect says so",
    Reason.RELEASE_ASKED: "asked for",
    Reason.RECORD_DANGLING: "the record holds nothing any more",
    Reason.RECORD_OUTDATED: "the record names merged images",
    Reason.CURRENT_MISPLACED: "another snapshot is marked current",
    Reason.IMAGE_EMPTIED: "its data is merged, nobody reads it",
    Reason.IMAGE_ORPHANED: "made by virtsnap, read by nobody",
    Reason.JOB_UNFINISHED: "a block job of virtsnap is there",
    Reason.LEDGER_STALE: "the ledger does not say so",
    Reason.FREEZE_UNENDED: "the guest may be frozen still",
    Reason.TAKEN_SHUT_OFF: "a snapshot is taken shut off",
    Reason.POWER_OWED: "virtsnap shut it down",
    Reason.REVERT_REQUESTED: "the manifest asks to go back",
    Reason.BEFORE_REVERT: "keeps the present before the revert",
    Reason.IMAGE_UNUSED: "nothing was ever written to it",
    Reason.IMAGE_GIVEN_UP: "given up by a revert (present: discard)",
    Reason.DEFINITION_OWED: "a revert left the definition of that moment",
    Reason.MEMORY_NOT_LOADED: "the memory that it was to go on from did not load",
    Reason.DEFINITION_WENT_BACK: "an older definition was put back",
}

_PASS = {
    CommitMethod.ACTIVE: "one pass, guest keeps running",
    CommitMethod.LIVE: "one pass, guest keeps running",
    CommitMethod.OFFLINE: "one pass, offline",
}

_MARKS = {"+": Tone.ADDED, "-": Tone.REMOVED, "~": Tone.CHANGED}


def row(step: Step, *, reason: str, agent: AgentState | None = None) -> Row:
    """The row of *step*; *reason* is why, in words."""
    mark, verb, subject, detail = _parts(step, agent)
    return Row(
        mark=mark,
        verb=verb,
        subject=subject,
        detail=detail + _cost(step),
        reason=reason,
        more=consequences(step),
        tone=_MARKS[mark],
    )


def title(step: Step) -> str:
    """``commit s1, s2 on vda``: the step in a few words, for progress."""
    _, verb, subject, _ = _parts(step, None)
    disk = step.action.card.disk
    return f"{verb} {subject}" + (f" on {disk}" if disk and disk != subject else "")


def consequences(step: Step) -> tuple[str, ...]:
    """What the user loses or should know, a line each."""
    match step.action:
        case CommitOverlays(snapshots=names) | FinishJob(snapshots=names) if names:
            return (f"{joined(names)} can no longer be reverted to afterwards",)
        case DeleteSnapshot():
            return ("it can no longer be reverted to afterwards",)
        case RemoveImage(cause=RemovalCause.MEMORY, is_present=True):
            return ("the memory of that moment is discarded",)
        case CreateSnapshot(halts=True):
            return ("the guest is stopped at that moment",)
        case CreateSnapshot(memory=MemoryCapture.INTERNAL):
            return ("the guest stands still while its memory is written into the image",)
        case RemoveImage(cause=RemovalCause.ABANDONED):
            return ("what was written in this branch is discarded",)
        case RemoveImage(cause=RemovalCause.ORPHANED, is_present=True):
            return ("what only this image holds is discarded",)
        case ShutDownDomain(owes=PowerState.PAUSED):
            return ("what it has in memory is lost",)
        case SwitchDisk():
            return ("no image changes; the rest is planned afterwards",)
        case ForgetSnapshot(keeps_as_lost=True):
            return ("it stays declared, and counts as lost",)
        case (
            CreateSnapshot()
            | CommitOverlays()
            | FinishJob()
            | AbortJob()
            | ForgetSnapshot()
            | RemoveImage()
            | RedefineSnapshot()
            | ReleaseSnapshot()
            | AdoptSnapshot()
            | RevertSnapshot()
            | RevertInternal()
            | DefineDomain()
            | AdoptRequest()
            | RenewLedger()
            | ThawGuest()
            | ShutDownDomain()
            | StartDomain()
        ):
            return ()


def paths(step: Step) -> tuple[str, ...]:
    """The images that it makes, merges or removes, a line each, by their whole path."""
    match step.action:
        case CreateSnapshot(overlays=overlays, memory_file=memory):
            made = [f"{overlay.target}: {overlay.overlay}" for overlay in overlays]
            return (*made, *([f"memory: {memory}"] if memory else []))
        case RevertSnapshot(disks=disks):
            return tuple(f"{disk.target}: {disk.overlay}" for disk in disks)
        case CommitOverlays(base=base, merged=merged) | FinishJob(base=base, merged=merged):
            return (f"{', '.join(reversed(merged))} into {base}",)
        case RemoveImage(path=path):
            return (path,)
        case SwitchDisk(image=image, observed=observed):
            return (f"to {image}", f"from {observed}")
        case (
            AbortJob()
            | DeleteSnapshot()
            | ForgetSnapshot()
            | RedefineSnapshot()
            | ReleaseSnapshot()
            | AdoptSnapshot()
            | RevertInternal()
            | DefineDomain()
            | AdoptRequest()
            | RenewLedger()
            | ThawGuest()
            | ShutDownDomain()
            | StartDomain()
        ):
            return ()


def copied(step: Step) -> str:
    """``312 MiB into web01-vda.qcow2`` for what merges, with the images."""
    merge = _merge(step.action)
    return f"{size(step.estimate.bytes)} into {base_name(merge.base)}" if merge else ""


def how(step: Step) -> str:
    """``one pass, guest keeps running`` for what merges."""
    merge = _merge(step.action)
    return _PASS[merge.method] if merge else ""


def _merge(action: Action) -> CommitOverlays | FinishJob | None:
    match action:
        case CommitOverlays() | FinishJob():
            return action
        case (
            CreateSnapshot()
            | AbortJob()
            | DeleteSnapshot()
            | ForgetSnapshot()
            | RemoveImage()
            | RedefineSnapshot()
            | ReleaseSnapshot()
            | AdoptSnapshot()
            | RevertSnapshot()
            | RevertInternal()
            | DefineDomain()
            | AdoptRequest()
            | RenewLedger()
            | ThawGuest()
            | ShutDownDomain()
            | StartDomain()
            | SwitchDisk()
        ):
            return None


def _parts(step: Step, agent: AgentState | None) -> tuple[str, str, str, str]:
    action = step.action
    match action:
        case CreateSnapshot():
            return "+", action.name, action.snapshot, _taken(action, step, agent)
        case CommitOverlays(snapshots=names, merged=merged):
            subject = ", ".join(names) or base_name(merged[-1])
            return "-", action.name, subject, f"{copied(step)}, {how(step)}"
        case FinishJob(snapshots=names, merged=merged, disk=disk):
            subject = ", ".join(names) or base_name(merged[-1])
            return "~", action.name, subject, f"{disk}: {copied(step)}, {how(step)}"
        case DeleteSnapshot(images=images):
            inside = joined([f"{disk} ({base_name(path)})" for disk, path in images])
            return "-", action.name, action.snapshot, f"internal, in {inside}"
        case ForgetSnapshot(has_record=has_record):
            what = "libvirt's record only" if has_record else "the ledger's entry only"
            return "-", action.name, action.snapshot, f"{what}, no image is touched"
        case RedefineSnapshot():
            return "~", action.name, action.snapshot, _rewritten(action)
        case AdoptSnapshot(state=EntryState.LOST):
            return "~", action.name, action.snapshot, "written down as lost"
        case AdoptSnapshot(believed=(_, *_) as images):
            named = joined([f"{disk} ({base_name(path)})" for disk, path in images])
            return "~", action.name, action.snapshot, f"a person vouches for {named} as it is now"
        case AdoptSnapshot(writes_mark=True):
            held = ", held" if action.is_held else ""
            return "~", action.name, action.snapshot, f"managed from now on{held}"
        case ReleaseSnapshot():
            return "~", action.name, action.snapshot, "no longer held: pruning may take it"
        case AdoptSnapshot():
            return "~", action.name, action.snapshot, "bears virtsnap's mark, managed again"
        case RemoveImage(path=path, is_present=is_present):
            where = f"{action.disk}, for {joined(action.snapshots)}" if action.snapshots else ""
            gone = "" if is_present else "has gone already, the ledger is put right"
            detail = ", ".join(part for part in (where or action.disk, gone) if part)
            return "-", action.name, base_name(path), detail
        case AbortJob(disk=disk):
            return "~", action.name, disk, "the block job is ended, the chain stays as it is"
        case RevertSnapshot() | RevertInternal():
            return "~", action.name, action.snapshot, _gone_back(action, step)
        case DefineDomain(is_there=is_there):
            as_it_is = (
                "as it was before the revert" if is_there else "lost, the ledger is put right"
            )
            return "~", action.name, "the domain", f"{as_it_is} ({action.snapshot})"
        case AdoptRequest(state=RequestState.DONE):
            return "~", action.name, action.request, "a record knows that it was done"
        case AdoptRequest(state=RequestState.BEGUN):
            return "~", action.name, action.request, "the journal knows that it was begun"
        case AdoptRequest(state=RequestState.VOID):
            void = f"void: it was asked for before this {action.snapshot} was taken"
            return "~", action.name, action.request, void
        case AdoptRequest():
            return "~", action.name, action.request, "written down: it may have been done"
        case RenewLedger():
            return "~", action.name, "the ledger", _renewed(action)
        case ThawGuest():
            return "~", action.name, "guest file systems", ""
        case ShutDownDomain():
            return "~", action.name, "the guest", _shut_down(action)
        case StartDomain():
            return "~", action.name, "the guest", _started(action)
        case SwitchDisk(disk=disk, image=image, observed=observed):
            return "~", action.name, disk, f"to {base_name(image)}, from {base_name(observed)}"
        case _:
            assert_never(action)


def _renewed(action: RenewLedger) -> str:
    """What the journal adds to it."""
    if action.is_known:
        return "written into both definitions of the running domain"
    if not action.is_from_journal:
        return "nothing that it does not know is on record"
    parts = []
    if action.images:
        parts.append(f"{len(action.images)} image{'s' if len(action.images) > 1 else ''} of ours")
    if action.begun:
        parts.append(f"that the removal of {', '.join(action.begun)} was begun")
    if action.commits:
        parts.append(f"what was being merged on {', '.join(c.disk for c in action.commits)}")
    if action.owed is not None:
        parts.append("that the guest is to be started")
    if action.definition is not None:
        parts.append(f"that the definition in {action.definition} is owed")
    return "the journal knows more: " + ", ".join(parts)


def _taken(action: CreateSnapshot, step: Step, agent: AgentState | None) -> str:
    """``vda, vdb, quiesced``, with what is left out and what is not achieved."""
    parts = [overlay.target for overlay in action.overlays] or list(action.internal)
    words: list[str] = [", ".join(parts)]
    if action.internal:
        words.append("internal")
    if action.memory is not MemoryCapture.NONE:
        words.append(f"with memory, at most {size(step.estimate.bytes)}")
    elif action.quiesce:
        words.append("quiesced if the agent can" if action.may_degrade else "quiesced")
    elif action.may_degrade:
        words.append(f"degraded: not quiesced ({_agent(agent)})")
    elif action.consistency is Consistency.OFFLINE:
        words.append("offline")
    else:
        words.append("crash consistent")
    if action.skipped:
        words.append(f"without {joined(action.skipped)}")
    if action.is_held:
        words.append("held")
    return ", ".join(words)


def _shut_down(action: ShutDownDomain) -> str:
    """What is asked of the guest, and what follows when it does not obey."""
    if action.owes is PowerState.PAUSED:
        return "destroyed: it is paused"
    then = "then destroyed" if action.then_destroy else "then given up"
    return f"waits {duration(action.timeout)}, {then}"


def _started(action: StartDomain) -> str:
    if not action.is_off:
        return "it runs again already, the ledger is put right"
    return "paused, before it boots" if action.state is PowerState.PAUSED else ""


def _gone_back(action: RevertSnapshot | RevertInternal, step: Step) -> str:
    """``vda, vdb, present state discarded (at most 312 MiB), then running``."""
    if isinstance(action, RevertSnapshot):
        targets, discards = [disk.target for disk in action.disks], action.discards
        then = action.owed.state if action.owed else PowerState.SHUT_OFF
    else:
        targets, discards = [target for target, _ in action.images], action.kept_by is None
        then = action.owed.state if action.owed else action.power
    words = [", ".join(targets)]
    if isinstance(action, RevertSnapshot) and action.is_undone:
        words.append("back to where they were before")
    if isinstance(action, RevertInternal):
        words.append("inside its image" if len(targets) == 1 else "inside their images")
    if action.config is RevertConfig.WHOLE:
        words.append("with the definition of that moment")
    if discards:
        words.append(f"present state discarded (at most {size(step.estimate.discards)})")
    words.append(f"then {then}")
    return ", ".join(words)


def _agent(agent: AgentState | None) -> str:
    return {
        None: "no agent",
        AgentState.ABSENT: "no agent channel",
        AgentState.DISCONNECTED: "agent not connected",
        AgentState.CONNECTED: "not running",
    }[agent]


def _rewritten(action: RedefineSnapshot) -> str:
    parts = ["new description"] if action.description is not None else []
    if action.sources:
        parts.append(f"image paths of {joined([change.target for change in action.sources])}")
    if action.make_current:
        parts.append("marked current")
    if action.holds:
        parts.append("held: no pruning takes it")
    return ", ".join(parts)


def _cost(step: Step) -> str:
    """What must not be missed: a guest that stands still, data that is discarded."""
    parts = [", guest stands still"] if step.estimate.downtime else []
    if step.risk is Risk.DESTRUCTIVE:
        parts.append(", destructive")
    if isinstance(step.action, RemoveImage) and step.estimate.discards:
        parts.append(f": {size(step.estimate.discards)}")
    return "".join(parts)
