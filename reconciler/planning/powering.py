"""Shutting a guest down for a snapshot, and starting again what virtsnap shut down."""

from reconciler.model.action import RevertInternal, RevertSnapshot, ShutDownDomain, StartDomain
from reconciler.model.chain import Presence
from reconciler.model.desired import DesiredDomain, Power, Quiesce
from reconciler.model.domain import Disk
from reconciler.model.drift import ChainBroken
from reconciler.model.ledger import RequestState
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName, folder_of
from reconciler.model.plan import Reason
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import DiskCapture, SnapshotRecord
from reconciler.planning import creation, differ, frozen, safety, transience, way_back, went_back
from reconciler.planning.builder import Builder
from reconciler.planning.world import World


def shut_down(world: World, wish: DesiredDomain) -> ShutDownDomain:
    """How the active domain of *world* is shut down.

    Pulling the plug leaves file systems as a crash does, so it is not done to one whose snapshot
    requires better.
    """
    is_strict = any(
        snapshot.power is Power.OFF
        and snapshot.quiesce is Quiesce.REQUIRED
        and world.domain.record(snapshot.name) is None
        for snapshot in wish.snapshots
    )
    return ShutDownDomain(
        timeout=wish.shutdown.timeout,
        then_destroy=wish.shutdown.then_destroy and not is_strict,
        owes=world.domain.power,
    )


def why_not_shut_down(world: World, off: World, action: ShutDownDomain) -> Refusal | None:
    """Why the guest would not obey, or could not be started again as it was.

    *off* is *world* after the shut-down.
    """
    domain = world.domain
    if domain.power is PowerState.PAUSED and not action.then_destroy:
        return refusal(
            RefusalCode.SHUT_DOWN_REFUSED,
            domain=domain.name,
            cause="it is paused and cannot react to a shutdown request",
            way="virsh resume {domain!q}, or set shutdown.then to destroy in {manifest} (its disks are "
            "then as after a crash)",
        )
    for job in domain.jobs:
        return refusal(RefusalCode.BLOCK_JOB_RUNNING, disk=job.disk, job=job.kind)
    return _comes_back(world) or why_not_back(world, off)


def _comes_back(world: World) -> Refusal | None:
    """libvirt itself keeps it on, so that asking it would only make it boot, at each try anew."""
    domain = world.domain
    if domain.on_poweroff == "destroy":
        return None
    does = "starts it again" if "restart" in domain.on_poweroff else "keeps its QEMU"
    return refusal(
        RefusalCode.SHUT_DOWN_REFUSED,
        domain=domain.name,
        cause=f"its `on_poweroff` is `{domain.on_poweroff}`: libvirt {does} when it has shut down",
        way="if it may stay off: virsh set-lifecycle-action {domain!q} poweroff destroy --live",
    )


def why_not_back(world: World, off: World) -> Refusal | None:
    """Why the guest, stopped by whatever makes *off* of *world*, could not be started as it was.

    Whatever would keep the domain from starting is looked for while it still runs.
    """
    domain = world.domain
    kept = {disk.target: disk for disk in domain.persistent or ()}
    for disk in domain.live or ():
        stored = kept.get(disk.target)
        # the guest would come back without it, or with another one
        if stored is None or differ.is_another(disk, stored):
            return refusal(
                RefusalCode.DEFINITIONS_DISAGREE,
                disk=disk.target,
                live=disk.source,
                persistent=stored.source if stored else None,
            )
    for difference in differ.unsound_disks(off):
        if isinstance(difference, ChainBroken):
            return safety.broken(off, difference)
    return _unstartable(off)


def why_not_now(world: World, owes: PowerState) -> Refusal | None:
    """Why the domain, just looked at, must not be shut down although that was planned."""
    transient = transience.why_not(world, "shut off, it would be gone")
    if transient is not None:
        return transient
    power = world.domain.power
    if power is not owes:
        # one that was paused meanwhile would be destroyed at once
        return refusal(RefusalCode.POWER_STATE, domain=world.domain.name, state=power)
    comes_back = _comes_back(world)
    if comes_back is not None:
        return comes_back
    return next(safety.blockers(world, tuple(differ.unsound_disks(world))), None)


def _unstartable(off: World) -> Refusal | None:
    absent = _absent(off)
    if absent is not None:
        return absent
    limit = creation.libvirt_limit(off)
    for disk in off.domain.disks:
        if not disk.is_on_storage or disk.source is None or disk.is_optional:
            continue
        chain = disk.chain.images if disk.chain else (disk.source,)
        for path in chain:
            if disk.is_writable and not off.image(path).is_examined:
                return refusal(
                    RefusalCode.NEEDS_LOCAL_ACCESS,
                    image=path,
                    disk=disk.target,
                    folder=folder_of(path),
                )
        if disk.chain is not None and disk.chain.depth > limit:
            return refusal(
                RefusalCode.CHAIN_TOO_DEEP,
                disk=disk.target,
                depth=disk.chain.depth,
                limit=limit,
            )
    return None


def _absent(off: World) -> Refusal | None:
    """QEMU opens every image, also those that it only reads: a CD-ROM, say."""
    for disk in off.domain.disks:
        if disk.is_on_storage and disk.source is not None and not disk.is_optional:
            for path in disk.chain.images if disk.chain else (disk.source,):
                if off.image(path).presence is Presence.MISSING:
                    return refusal(RefusalCode.STORAGE_ABSENT, image=path, disk=disk.target)
    return None


# --- what is owed


def payment(world: World) -> StartDomain | None:
    """The step that pays what the ledger owes, if anything is owed and can be due now.

    A guest that was asked in vain may obey late: while it runs, nothing is due until that time has
    passed.  Whether it may be started is for ``why_not_start``.
    """
    owed = world.ledger.owed
    if owed is None:
        return None
    match world.domain.power:
        case PowerState.RUNNING | PowerState.PAUSED:
            may_obey = owed.until is not None and world.host.observed_at <= owed.until
            return None if may_obey else StartDomain(state=owed.state, is_off=False)
        case PowerState.SHUT_OFF:
            memory = owed.memory
            if memory is not None and not fits(world, memory):
                memory = None  # somebody has written to the disks since: that memory is of no use
            return StartDomain(state=owed.state, memory=memory)
        case PowerState.OTHER:
            return None


def due(world: World) -> StartDomain | None:
    """The start of a guest that is off and may be started at once."""
    action = payment(world)
    if action is None or not action.is_off or why_not_start(world) is not None:
        return None
    return action


def why_not_start(world: World) -> Refusal | None:
    """Why the shut-off domain is not started, although it is owed.

    What only keeps snapshots from being taken or removed does not keep a guest from running.
    """
    half = half_reverted(world)
    if half is not None:
        return unfinished(world, half)
    failed = way_back.failed(world)
    if failed is not None:
        return unfinished(world, failed.to)
    # on the older image it would write into what a snapshot froze
    unfit = (*differ.unsound_disks(world), *went_back.found(world))
    return next(safety.blockers(world, unfit), None) or _absent(world) or _locked(world)


def fits(world: World, memory: ImagePath) -> bool:
    """The disks are still what they were when *memory* was saved: nobody has written to them."""
    record = next((r for r in world.domain.records if r.memory_file == memory), None)
    if record is None or world.image(memory).presence is not Presence.PRESENT:
        return False
    if frozen.why_not_resumed(world, record) is not None:
        return False
    for disk in record.external_disks:
        now = world.disk(disk.target)
        image = world.image(now.source) if now and now.source else None
        if disk.source is None or image is None or not image.is_blank:
            return False
        if image.backing != world.now_at(disk.source):
            return False
    return world.domain.power is PowerState.SHUT_OFF


def unfinished(world: World, target: SnapshotName) -> Refusal:
    """What a revert to *target* that was not finished, or not undone, keeps from being done."""
    cause = f"an unfinished revert to {target}"
    return refusal(
        RefusalCode.DOMAIN_BUSY,
        domain=world.domain.name,
        job=cause,
        way="virtsnap apply finishes it first; to look: virtsnap plan {domain!q}",
    )


def half_reverted(world: World) -> SnapshotName | None:
    """libvirt may have rewritten some images and not others: going on makes it whole, or another
    revert of the same disks; requests are in the order in which they came to their state.
    """
    for number, request in enumerate(world.ledger.requests):
        record = world.domain.record(request.to)
        if request.state is RequestState.BEGUN and record is not None and not record.is_external:
            later = [r.to for r in world.ledger.requests[number:] if r.state is RequestState.DONE]
            if not any(_taken(record) <= _taken(world.domain.record(name)) for name in later):
                return record.name
    return None


def _taken(record: SnapshotRecord | None) -> set[DiskTarget]:
    disks = record.disks if record is not None else ()
    return {disk.target for disk in disks if disk.capture is not DiskCapture.SKIPPED}


def _locked(world: World) -> Refusal | None:
    """QEMU takes no image that another guest writes to, nor writes to one that another reads."""
    for other in world.host.domains:
        if other.uuid == world.domain.uuid:
            continue
        for theirs in other.live or ():
            for disk in world.domain.disks:
                image = _contested(disk, theirs)
                if image is not None:
                    return refusal(
                        RefusalCode.UNMANAGED_READER,
                        disk=disk.target,
                        image=image,
                        kind="domain",
                        how="used",
                        readers=other.name,
                    )
    return None


def _contested(ours: Disk, theirs: Disk) -> ImagePath | None:
    if ours.is_shareable and theirs.is_shareable:
        return None
    if ours.is_writable and ours.source is not None and ours.source in (theirs.chain or ()):
        return ours.source
    if theirs.is_writable and theirs.source is not None and theirs.source in (ours.chain or ()):
        return theirs.source
    return None


def pay(builder: Builder) -> None:
    """Last of all: start what virtsnap shut down, now or in an earlier plan."""
    action = payment(builder.world)
    if action is None:
        return
    why = why_not_start(builder.world) if action.is_off else None
    if why is not None:
        builder.refuse(why.doing("start"))
    else:
        goes_back = any(
            isinstance(step.action, RevertSnapshot | RevertInternal) for step in builder.steps
        )
        builder.add(action, Reason.REVERT_REQUESTED if goes_back else Reason.POWER_OWED)
