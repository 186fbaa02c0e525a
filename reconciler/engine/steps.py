"""Each kind of step: written into the ledger, done, confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from reconciler.engine import new_files, power_steps
from reconciler.engine.intending import intend
from reconciler.engine.ports import Progress
from reconciler.errors import CommitNotBegun, StepRefused
from reconciler.model.action import (
    AbortJob,
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
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.ledger import Ledger
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.plan import Step
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning import bookkeeping
from reconciler.planning.world import World

if TYPE_CHECKING:
    from reconciler.engine.domain_work import DomainWork


def perform(work: DomainWork, step: Step, world: World) -> str | Refusal:
    """Do *step*; a note of what was other than planned (mostly empty), or why it is refused."""
    action = step.action
    match action:
        case CreateSnapshot():
            return new_files.create(work, step, action, world)
        case CommitOverlays():
            return _commit(work, step, action, world)
        case FinishJob():
            if any(job.disk == action.disk for job in world.domain.jobs):
                work.port.follow_job(
                    work.uuid, action, progress=_progress(work, step), stop_asked=work.stop_asked
                )
            _rebase(work, action)
            _confirm(work, action, world)
            if _is_still_below(work, action):
                _pivot(work, action)
        case AbortJob():
            work.port.abort_job(work.uuid, action.disk)
        case DeleteSnapshot():
            intend(work, step, world)
            work.port.delete_snapshot(work.uuid, action)
            _confirm(work, action, world)
        case ForgetSnapshot():
            if action.has_record:
                intend(work, step, world)
                work.port.forget_snapshot(work.uuid, action.snapshot)
            _confirm(work, action, world)
        case RedefineSnapshot():
            _redefine(work, step, action, world)
        case ReleaseSnapshot():
            # the ledger last: until then it is held, whatever becomes of the record
            ledger = bookkeeping.confirmed(world.ledger, action)
            _mark(work, action.snapshot, ledger)
            work.write(ledger, world)
        case RemoveImage():
            if action.cause is RemovalCause.MEMORY:
                intend(work, step, world)
            if action.is_present:
                work.port.remove_image(action.path)
            _confirm(work, action, world)
        case ShutDownDomain():
            return power_steps.shut_down(work, step, action, world)
        case StartDomain():
            return power_steps.start(work, action, world)
        case RevertSnapshot():
            return _revert(work, step, action, world)
        case RevertInternal():
            _revert_internal(work, step, action, world)
        case DefineDomain():
            _define(work, action, world)
        case ThawGuest():
            work.port.thaw(work.uuid)
            _confirm(work, action, world)
        case AdoptSnapshot():
            ledger = bookkeeping.confirmed(
                world.ledger, action, source=work.desired.source, revision=work.desired.revision
            )
            if action.writes_mark:
                # a mark that the ledger knows nothing of is adopted by the next plan
                _mark(work, action.snapshot, ledger)
            work.write(ledger, world)
        case SwitchDisk():
            return _switch(work, action)
        case AdoptRequest() | RenewLedger():
            work.write(bookkeeping.confirmed(world.ledger, action), world)
        case _:
            assert_never(action)
    return ""


def _redefine(work: DomainWork, step: Step, action: RedefineSnapshot, world: World) -> None:
    # the ledger first: from then on it is held, or lies there, whatever becomes of the record
    if action.holds:
        _mark(work, action.snapshot, intend(work, step, world))
    elif any(change.source is not None for change in action.sources):
        intend(work, step, world)
    if action.description is not None or action.sources or action.make_current:
        work.port.redefine_snapshot(work.uuid, action)


def _mark(work: DomainWork, snapshot: SnapshotName, ledger: Ledger) -> None:
    work.port.mark_record(work.uuid, snapshot, bookkeeping.mark(ledger, snapshot))


def _confirm(
    work: DomainWork,
    action: CommitOverlays | DeleteSnapshot | FinishJob | ForgetSnapshot | RemoveImage | ThawGuest,
    world: World,
) -> None:
    work.write(bookkeeping.confirmed(work.ledger or world.ledger, action), world)


def _progress(work: DomainWork, step: Step) -> Progress:
    def progress(done: int, total: int) -> None:
        work.still_at_it()
        work.tools.listener.step_progress(work.plan, step, done, total)

    return progress


# --- commit


def _commit(work: DomainWork, step: Step, action: CommitOverlays, world: World) -> str | Refusal:
    why = _in_use(work, step, action)
    if why is not None:
        return why
    intend(work, step, world)
    try:
        _merge(work, step, action, world)
    except CommitNotBegun as error:
        # they are whole: who wants them after all has them
        work.write(bookkeeping.withdrawn(work.ledger or world.ledger, action, world.ledger), world)
        if isinstance(error.__cause__, StepRefused):
            # a guest that somebody started is no failure of ours
            raise error.__cause__ from None
        raise
    if action.method is not CommitMethod.OFFLINE:
        _rebase(work, action)
    _confirm(work, action, world)
    if action.redefines and action.method is CommitMethod.OFFLINE:
        work.port.switch_disk(
            work.uuid, action.disk, to=action.base, image_format=action.base_format
        )
    _pivot(work, action)
    return ""


def _merge(work: DomainWork, step: Step, action: CommitOverlays, world: World) -> None:
    if action.method is CommitMethod.OFFLINE:
        _drop_stated_chain(work, action, world)
        work.port.commit_offline(work.uuid, action)
        return
    work.port.commit_live(
        work.uuid,
        action,
        bandwidth=work.host.limits.bandwidth,
        progress=_progress(work, step),
        stop_asked=work.stop_asked,
    )


def _in_use(work: DomainWork, step: Step, action: CommitOverlays) -> Refusal | None:
    """Somebody reads what is to be merged on any disk of these snapshots: a backup, most likely.

    Asked of all disks before the first: half a snapshot is none.
    """
    ahead = work.plan.steps[work.plan.steps.index(step) :]
    commits = [each.action for each in ahead if isinstance(each.action, CommitOverlays)]
    for commit in commits:
        if commit is not action and not set(commit.snapshots) & set(action.snapshots):
            continue
        image = work.port.image_in_use(commit)
        if image is not None:
            return _open_elsewhere(work, image, commit.snapshots[0] if commit.snapshots else None)
    return None


def _open_elsewhere(work: DomainWork, image: ImagePath, snapshot: SnapshotName | None) -> Refusal:
    return refusal(
        RefusalCode.DOMAIN_BUSY,
        snapshot=snapshot,
        domain=work.plan.domain,
        image=image,
        cause=f"another process has {image} open",
    )


def _rebase(work: DomainWork, action: CommitOverlays | FinishJob) -> None:
    if action.rebased:
        work.port.rebase_images(
            work.uuid, action.rebased, base=action.base, base_format=action.base_format
        )


def _drop_stated_chain(work: DomainWork, action: CommitOverlays, world: World) -> None:
    """libvirt obeys a chain that the definition spells out; merged, it would be a wrong one.

    Dropped before the merge, so that no crash leaves the wrong one behind (facts §0.10).
    """
    for disk in world.domain.persistent or ():
        if disk.stated is not None and action.top in disk.stated and disk.source is not None:
            work.port.switch_disk(work.uuid, disk.target, to=disk.source, image_format=disk.format)


def _is_still_below(work: DomainWork, action: FinishJob) -> bool:
    """The top is in the chain still: nobody has pivoted since the plan was made."""
    disk = work.observe().disk(action.disk)
    return disk is not None and disk.chain is not None and action.top in disk.chain


def _pivot(work: DomainWork, action: CommitOverlays | FinishJob) -> None:
    if action.method is CommitMethod.ACTIVE:
        work.port.pivot(work.uuid, action.disk)


# --- revert


def _revert(work: DomainWork, step: Step, action: RevertSnapshot, world: World) -> str | Refusal:
    """One define switches the disks and says that the request is done: there is no between.

    The target's record is told too: should ledger and journal be lost, it still knows (law 3).
    """
    if not action.is_undone:
        files = tuple((new.target, new.overlay) for new in action.disks)
        reserved = new_files.reserved_files(work, action.snapshot, files)
        if isinstance(reserved, Refusal):
            return reserved
        with reserved:
            new_files.intend_with(reserved, work, step, world)
            work.port.make_overlays(work.uuid, action.disks, reserved=reserved)
    done = bookkeeping.confirmed(work.ledger or world.ledger, action)
    work.write_by(lambda ledger: work.port.define_reverted(work.uuid, action, ledger), done, world)
    if action.is_undone:
        return ""  # its record may go on saying that it was done: nothing is done twice
    _mark(work, action.snapshot, work.ledger or done)
    return ""


def _revert_internal(work: DomainWork, step: Step, action: RevertInternal, world: World) -> None:
    """A revert installs the ledger that lies in the target's record: it knows already that the
    request is done, so that there is no moment at which it was done and nobody knows (design §3);
    and that the present definition is owed, until it is defined with a ledger that says otherwise.
    """
    name, moment = action.definition, int(work.tools.clock.now().timestamp())
    begun = intend(work, step, world, work.tools.identity.uid() if name else "", moment)
    if name is not None:
        work.port.keep_definition(work.uuid, name, created=moment)

    def go(ledger: Ledger) -> None:
        seed = ledger
        if name is not None:
            seed = replace(ledger, serial=ledger.serial - 1, definition=name)
        work.port.mark_record(work.uuid, action.snapshot, seed)
        work.port.revert_internal(work.uuid, action, ledger)

    # two serials: a guest that goes on at once has the seed in its live definition
    done = bookkeeping.gone_back(replace(begun, serial=begun.serial + 1), action)
    work.write_by(go, done, world)
    if name is not None:
        work.port.forget_snapshot(work.uuid, name)
        work.write(bookkeeping.confirmed(work.ledger or done, action), world)
    _mark(work, action.snapshot, work.ledger or done)


def _switch(work: DomainWork, action: SwitchDisk) -> str | Refusal:
    """One define, and nothing of an image: there is no between, and nothing to be remembered."""
    image = work.port.image_in_use(action)
    if image is not None:
        return _open_elsewhere(work, image, None)
    work.port.switch_disk(work.uuid, action.disk, to=action.image, image_format="qcow2")
    return ""


def _define(work: DomainWork, action: DefineDomain, world: World) -> None:
    """One define puts the definition back and says that it is not owed any more."""
    ledger = bookkeeping.confirmed(world.ledger, action)
    if not action.is_there:
        work.write(ledger, world)
        return
    define = work.port.define_kept
    work.write_by(lambda value: define(work.uuid, action.snapshot, value), ledger, world)
