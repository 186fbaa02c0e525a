"""The findings of one domain."""

from collections.abc import Iterator

from reconciler.model.chain import Presence
from reconciler.model.desired import Quiesce
from reconciler.model.domain import AgentState, Disk, DiskKind
from reconciler.model.drift import (
    ChainBroken,
    CurrentMisplaced,
    DanglingCause,
    DefinitionOwed,
    DefinitionsDisagree,
    DefinitionWentBack,
    Difference,
    FreezeUnended,
    ImageOrphaned,
    JobUnfinished,
    LedgerFault,
    LedgerStale,
    OverlayUnrecorded,
    PowerOwed,
    RecordDangling,
    RecordOutdated,
    SnapshotUndeclared,
    SnapshotUnproven,
    Undeclared,
)
from reconciler.model.finding import Finding, FindingCode, finding
from reconciler.model.names import DiskTarget, ImagePath, folder_of
from reconciler.model.power import PowerState
from reconciler.model.snapshot import DiskCapture
from reconciler.planning import (
    capture,
    creation,
    differ,
    fellow_disks,
    frozen,
    oddities,
    overlay_names,
    storage,
)
from reconciler.planning.differ import Declared
from reconciler.planning.world import World

#: the first libvirt that leaves the other records alone when one is dropped (facts §4.4)
_KEEPS_RECORDS = 9_009_000
_LEDGER = {
    LedgerFault.LOST: FindingCode.LEDGER_LOST,
    LedgerFault.ROLLED_BACK: FindingCode.LEDGER_ROLLED_BACK,
    LedgerFault.DAMAGED: FindingCode.LEDGER_DAMAGED,
    LedgerFault.NEWER: FindingCode.LEDGER_NEWER,
    LedgerFault.UNCONFIRMED: FindingCode.LEDGER_UNFINISHED,
    LedgerFault.LEFTOVER: FindingCode.LEDGER_UNFINISHED,
}


def examine(world: World, wish: Declared) -> Iterator[Finding]:
    """1. what stops all work, 2. where the three truths disagree, 3. what could be better."""
    yield from _standstill(world)
    if world.domain.is_changing:
        return
    yield from _disagreements(world, wish)
    yield from _formats(world)
    yield from _corrupt(world)
    yield from _depths(world, wish)
    yield from _neighbours(world)
    yield from _internal(world)
    yield from _disks(world)
    yield from _agent(world, wish)
    yield from _attachments(world)


# --- what stops all work


def _standstill(world: World) -> Iterator[Finding]:
    domain = world.domain
    if domain.is_paused_on_error:
        yield finding(
            FindingCode.PAUSED_ON_ERROR, domain=domain.name, state=domain.power_detail or None
        )
    if domain.has_managed_save:
        yield finding(FindingCode.MANAGED_SAVE, domain=domain.name)
    if domain.domain_job is not None:
        yield finding(FindingCode.DOMAIN_BUSY, domain=domain.name, job=domain.domain_job)
    for record in domain.records:
        if record.is_delete_unfinished:
            yield finding(FindingCode.DELETE_UNFINISHED, domain=domain.name, snapshot=record.name)


# --- where records, definitions and files disagree


def _disagreements(world: World, wish: Declared) -> Iterator[Finding]:
    """What the differ sees; with no ledger to go by it looks at little, so chains are added."""
    differences = differ.compare(wish, world).differences
    if differ.rebuild_only(world):
        differences = (*differences, *differ.unsound_disks(world))
    for difference in differences:
        yield from _told(world, difference)


def _told(world: World, difference: Difference) -> Iterator[Finding]:
    """The finding that *difference* is; what a manifest wants otherwise is for ``plan`` to say."""
    name = world.domain.name
    match difference:
        case LedgerStale(fault=fault, snapshot=snapshot):
            yield finding(_LEDGER[fault], domain=name, snapshot=snapshot)
        case FreezeUnended():
            yield finding(FindingCode.FREEZE_UNENDED, domain=name)
        case PowerOwed(is_off=is_off):
            state = "shut off" if is_off else "on"
            yield finding(FindingCode.POWER_OWED, domain=name, state=state, is_problem=is_off)
        case DefinitionOwed(snapshot=snapshot, is_there=is_there):
            state = "lies in" if is_there else "is lost with"
            yield finding(FindingCode.DEFINITION_OWED, domain=name, snapshot=snapshot, state=state)
        case JobUnfinished(disk=disk, job=job, is_ours=is_ours):
            code = FindingCode.JOB_UNFINISHED if is_ours else FindingCode.JOB_FOREIGN
            yield finding(code, domain=name, disk=disk, job=job)
        case SnapshotUndeclared(snapshot=snapshot, why=Undeclared.DELETING):
            yield finding(FindingCode.REMOVAL_UNFINISHED, domain=name, snapshot=snapshot)
        case DefinitionsDisagree(disk=disk, live=live, persistent=persistent):
            yield finding(
                FindingCode.DEFINITIONS_DISAGREE,
                domain=name,
                disk=disk,
                live=live,
                persistent=persistent,
            )
        case ChainBroken():
            yield from _broken(world, difference)
        case RecordDangling(cause=DanglingCause.EXPOSED):
            yield finding(
                FindingCode.SNAPSHOT_EXPOSED,
                domain=name,
                disk=difference.disk,
                snapshot=difference.snapshot,
                image=difference.image,
                readers=", ".join(world.writers(difference.image)),
            )
        case RecordDangling():
            yield _dangling(world, difference)
        case DefinitionWentBack(disk=disk, image=image, observed=observed):
            yield finding(
                FindingCode.DEFINITION_WENT_BACK,
                domain=name,
                disk=disk,
                image=image,
                observed=observed,
            )
        case SnapshotUnproven(snapshot=snapshot, disk=disk, says=says):
            yield finding(
                FindingCode.SNAPSHOT_UNPROVEN,
                domain=name,
                disk=disk,
                snapshot=snapshot,
                says=frozen.told(says),
            )
        case RecordOutdated(snapshot=snapshot, disk=disk, image=image):
            yield finding(
                FindingCode.RECORD_OUTDATED, domain=name, disk=disk, snapshot=snapshot, image=image
            )
        case CurrentMisplaced():
            yield _misplaced(world, difference)
        case OverlayUnrecorded(is_ours=False):
            yield _foreign(world, difference)
        case OverlayUnrecorded(disk=disk, image=image, snapshot=snapshot):
            yield finding(
                FindingCode.OVERLAY_UNRECORDED,
                domain=name,
                disk=disk,
                image=image,
                snapshot=snapshot,
            )
        case ImageOrphaned(disk=disk, image=image, snapshot=snapshot, size=size):
            yield finding(
                FindingCode.IMAGE_ORPHANED,
                domain=name,
                disk=disk,
                image=image,
                snapshot=snapshot,
                size=size,
            )
        case _:
            return


def _broken(world: World, difference: ChainBroken) -> Iterator[Finding]:
    presence = world.image(difference.image).presence
    if presence is Presence.MISSING:
        code = FindingCode.IMAGE_MISSING
    elif presence is Presence.UNKNOWN:
        code = FindingCode.CHAIN_UNREADABLE
    elif _lacks_format(world, difference.image):
        return  # told as such, see _formats
    else:
        code = FindingCode.CHAIN_BROKEN
    yield finding(
        code,
        domain=world.domain.name,
        disk=difference.disk,
        image=difference.image,
        folder=folder_of(difference.image),
        cause=difference.cause,
    )


def _misplaced(world: World, difference: CurrentMisplaced) -> Finding:
    is_overlay = difference.image is not None
    return finding(
        FindingCode.CURRENT_MISPLACED,
        domain=world.domain.name,
        snapshot=difference.snapshot,
        observed=difference.observed,
        disk=difference.disk,
        image=difference.image,
        said=(difference.said or "no image") if is_overlay else None,
        stands=None if is_overlay else difference.snapshot,
        ours=difference.snapshot if difference.is_managed else None,
    )


def _foreign(world: World, difference: OverlayUnrecorded) -> Finding:
    """Which of them a merge by hand would take, what it would write to, and what that would lose."""
    disk = world.disk(difference.disk)
    assert disk is not None
    assert disk.chain is not None
    active = disk.chain.active
    below = disk.chain.below(active)
    lost: tuple[str, ...] = ()
    is_top = difference.image == active
    if is_top and below is not None:
        lost = _lost_with(world, disk.target, below, top=active)
    is_free = is_top and not lost and world.domain.is_active
    return finding(
        FindingCode.FOREIGN_OVERLAY,
        domain=world.domain.name,
        disk=disk.target,
        image=difference.image,
        top=None if is_top else active,
        lost=", ".join(lost) or None,
        written=below if is_free else None,
        off=world.domain.name if is_top and not lost and not is_free else None,
    )


def _lost_with(
    world: World, target: DiskTarget, written: ImagePath, *, top: ImagePath
) -> tuple[str, ...]:
    """What would not be what it was once the data of *top* is in *written*: 1. snapshots, as ``tree``
    draws them, 2. other domains, 3. files that stand on it."""
    snapshots = [
        record.name
        for record in world.domain.records
        if (frozen := record.frozen(target)) is not None and written in world.walk(frozen)
    ]
    inside = [f"{name} (inside it)" for name in world.image(written).internal_snapshots]
    files = [path for path in world.children.get(written, ()) if path != top]
    return (*snapshots, *inside, *world.readers_elsewhere(written), *files)


def _dangling(world: World, difference: RecordDangling) -> Finding:
    """With the record of one that others hang on, libvirt before 9.9 rewrites theirs (facts §4.4)."""
    after = [r.name for r in world.domain.records if r.parent == difference.snapshot]
    rewrites = bool(after) and world.host.libvirt_version < _KEEPS_RECORDS
    return finding(
        FindingCode.RECORD_DANGLING,
        domain=world.domain.name,
        disk=difference.disk,
        snapshot=difference.snapshot,
        image=difference.image,
        cause=difference.cause,
        managed=difference.snapshot if difference.is_managed else None,
        unmanaged=None if difference.is_managed or rewrites else difference.snapshot,
        after=", ".join(after) if rewrites and not difference.is_managed else None,
    )


def _lacks_format(world: World, path: ImagePath) -> bool:
    image = world.image(path)
    return image.is_examined and image.backing is not None and image.backing_format is None


def _formats(world: World) -> Iterator[Finding]:
    for disk in _written(world):
        assert disk.source is not None
        for path in disk.chain or world.walk(disk.source):
            if _lacks_format(world, path):
                yield finding(
                    FindingCode.BACKING_FORMAT_MISSING,
                    domain=world.domain.name,
                    disk=disk.target,
                    image=path,
                    backing=world.image(path).backing,
                )


def _corrupt(world: World) -> Iterator[Finding]:
    """Images that QEMU gave up, in a chain or in a snapshot."""
    disks = [disk for disks in world.domain.definitions for disk in disks]
    tops = [path for disk in disks for path in oddities.chain_of(world, disk)]
    tops += [d.source for r in world.domain.records for d in r.external_disks if d.source]
    for path in sorted({path for top in tops for path in world.walk(top)}):
        if world.image(path).is_corrupt:
            yield finding(FindingCode.IMAGE_CORRUPT, domain=world.domain.name, image=path)


def _written(world: World) -> Iterator[Disk]:
    """The disks with an image that the guest writes to."""
    return (disk for disk in world.domain.disks if disk.is_writable and disk.source is not None)


# --- limits and neighbours


def _depths(world: World, wish: Declared) -> Iterator[Finding]:
    """From four fifths of what libvirt starts again; beyond what the manifest allows."""
    of_libvirt = creation.libvirt_limit(world)
    declared = wish.domain.max_depth if wish.domain else None
    deep = {found.disk for found in storage.too_deep(world, declared)}
    for disk in _written(world):
        depth = disk.chain.depth if disk.chain else 0
        is_near = depth * 5 >= of_libvirt * 4
        if is_near or disk.target in deep:
            yield finding(
                FindingCode.CHAIN_DEEP,
                domain=world.domain.name,
                disk=disk.target,
                depth=depth,
                limit=declared if disk.target in deep and not is_near else of_libvirt,
                is_problem=depth >= of_libvirt or disk.target in deep,
            )


def _neighbours(world: World) -> Iterator[Finding]:
    """Other domains at images of this one; a template below the oldest snapshot is for sharing."""
    for disk in _written(world):
        if disk.is_shareable or disk.chain is None:
            continue
        writers = creation.other_writers(world, disk)
        if writers:
            yield _neighbour(world, disk, FindingCode.IMAGE_WRITTEN_ELSEWHERE, writers)
            continue
        frozen = world.frozen_layers
        own = next((path for path in disk.chain if path in frozen), disk.chain.active)
        readers = world.readers_elsewhere(own)
        if readers:
            is_active = bool(world.readers_elsewhere(disk.chain.active))
            yield _neighbour(
                world, disk, FindingCode.IMAGE_READ_ELSEWHERE, readers, is_problem=is_active
            )


def _neighbour(
    world: World,
    disk: Disk,
    code: FindingCode,
    readers: tuple[str, ...],
    *,
    is_problem: bool = False,
) -> Finding:
    return finding(
        code,
        domain=world.domain.name,
        disk=disk.target,
        image=disk.source,
        readers=", ".join(readers),
        is_problem=is_problem,
    )


def _internal(world: World) -> Iterator[Finding]:
    """Internal snapshots where a commit would destroy them, or that libvirt does not know."""
    for disk in _written(world):
        assert disk.source is not None
        for path in disk.chain or world.walk(disk.source):
            number = len(world.image(path).internal_snapshots)
            known = _known_internal(world, disk.target, path)
            is_in_the_way = disk.chain is not None and disk.chain.depth > 0
            if number and (is_in_the_way or number > known):
                yield finding(
                    FindingCode.INTERNAL_SNAPSHOTS,
                    domain=world.domain.name,
                    disk=disk.target,
                    image=path,
                    number=number,
                    known=known,
                )


def _known_internal(world: World, target: DiskTarget, path: ImagePath) -> int:
    """How many of the snapshots in the image some record speaks of."""
    known = {
        record.name
        for record in world.domain.records
        if (disk := record.disk(target))
        and disk.capture is DiskCapture.INTERNAL
        and disk.source == path
    }
    return len(known & set(world.image(path).internal_snapshots))


# --- what a snapshot will lack


def _disks(world: World) -> Iterator[Finding]:
    for disk in world.domain.disks:
        if not disk.is_writable and not disk.is_beyond_snapshots:
            continue  # CD-ROMs and the like hold nothing that a snapshot could lose
        cause = creation.why_not_supported(world, disk) or fellow_disks.why_not(world, disk)
        if cause is None and disk.kind is DiskKind.BLOCK and not overlay_names.declared(world):
            cause = (
                "a block device, and no folder for overlays is declared (spec.folders of the Host)"
            )
        if disk.is_excluded:
            cause = capture.left_out(disk)
        if cause is not None:
            yield finding(
                FindingCode.DISK_NOT_CAPTURED,
                domain=world.domain.name,
                disk=disk.target,
                cause=cause,
            )


def _agent(world: World, wish: Declared) -> Iterator[Finding]:
    domain = world.domain
    snapshots = wish.domain.snapshots if wish.domain else ()
    required = next((s.name for s in snapshots if s.quiesce is Quiesce.REQUIRED), None)
    if domain.agent is AgentState.ABSENT:
        code = FindingCode.AGENT_ABSENT
    elif domain.agent is AgentState.DISCONNECTED and domain.power is PowerState.RUNNING:
        code = FindingCode.AGENT_NOT_CONNECTED
    else:
        return
    yield finding(code, domain=domain.name, required=required, is_problem=required is not None)


def _attachments(world: World) -> Iterator[Finding]:
    domain = world.domain
    if domain.checkpoints:
        yield finding(
            FindingCode.CHECKPOINTS,
            domain=domain.name,
            number=len(domain.checkpoints),
            checkpoint=domain.checkpoints[0],
        )
    if domain.firmware == "uefi":
        yield finding(FindingCode.UEFI_NOT_CAPTURED, domain=domain.name)
    if domain.has_tpm:
        yield finding(FindingCode.TPM_NOT_CAPTURED, domain=domain.name)
