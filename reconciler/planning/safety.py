"""Law 1: what may be merged and what may be removed, proven anew each time it is asked."""

from collections.abc import Iterator

from reconciler.model.action import (
    CommitMethod,
    CommitOverlays,
    FinishJob,
    RemovalCause,
    RemoveImage,
)
from reconciler.model.chain import MEMORY_FORMAT, Image, Presence
from reconciler.model.domain import DiskKind
from reconciler.model.drift import (
    ChainBroken,
    DefinitionsDisagree,
    DefinitionWentBack,
    Difference,
    OverlayUnrecorded,
)
from reconciler.model.names import ImagePath, SnapshotName, base_name, folder_of
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning import frozen, jobs, letting_go, oddities, space, unseen
from reconciler.planning.world import World


def why_not_commit(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    """Why *action* would change what somebody else reads, or cannot be proven not to.

    *going* are the snapshots that may lose their frozen layer here.
    """
    checks = (
        _held,
        _unproven,
        _paused,
        _unreadable,
        _unfit,
        _other_readers,
        _kept_records,
        _shared,
        _locked_below,
        _room,
    )
    for check in checks:
        found = check(world, action, going)
        if found is not None:
            return found
    return None


def _locked_below(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    """qemu-img opens the whole chain, and QEMU lets nobody read an image that its guest writes to.

    That is how a branch stands once somebody merged the live overlay into what it stands on.
    """
    if not isinstance(action, CommitOverlays) or action.method is not CommitMethod.OFFLINE:
        return None
    below = set(world.walk(action.base))
    for domain in world.host.domains:
        for disk in domain.live or ():
            if disk.source in below and disk.is_writable:
                return refusal(
                    RefusalCode.NEEDS_POWER_OFF,
                    disk=action.disk,
                    image=disk.source,
                    domain=domain.name,
                    cause=f"its branch stands on {disk.source}, which {domain.name} writes to",
                )
    return None


def _held(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    found = (why_held(world, name) for name in action.snapshots)
    return next((why for why in found if why is not None), None)


def _unproven(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    """Nothing of a snapshot goes, nor any image that may be one's, while its images are in doubt."""
    doubtful = frozen.doubtful(world)
    for path in (action.base, *action.merged):
        if path in doubtful:
            name = doubtful[path]
            why = frozen.why_unproven(world, name)
            return why or _reader(action, path, "snapshot", [name])
    return None


def why_held(world: World, name: SnapshotName) -> Refusal | None:
    """No pruning takes what a hold lies on, whoever planned it."""
    record = world.domain.record(name)
    if record is None or not world.is_held(record):
        return None
    return refusal(RefusalCode.SNAPSHOT_HELD, snapshot=name, name=name)


def _paused(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    is_new = isinstance(action, CommitOverlays) and action.method is not CommitMethod.OFFLINE
    return letting_go.why_not(world, None) if is_new else None


def _unreadable(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    for path in (action.base, *action.merged):
        image = world.image(path)
        if image.presence is Presence.MISSING:
            return refusal(RefusalCode.STORAGE_ABSENT, image=path, disk=action.disk)
        if not image.is_examined or not world.is_listed(path):
            return refusal(
                RefusalCode.NEEDS_LOCAL_ACCESS, image=path, disk=action.disk, folder=folder_of(path)
            )
    return hidden(world, action.base, disk=action.disk)


def hidden(world: World, path: ImagePath, *, disk: str | None = None) -> Refusal | None:
    """Whoever cannot be described or looked into may stand on *path*, as on any other image."""
    return undescribed(world) or unseen.why_not(world.unseen, image=path, disk=disk)


def undescribed(world: World) -> Refusal | None:
    """Somebody on this host whose images are not known."""
    for other in world.host.undescribed:
        return refusal(
            RefusalCode.DOMAIN_BUSY,
            domain=other.name,
            job=other.cause,
            cause=f"it may read the same images as {world.domain.name}",
        )
    return None


def why_inside(world: World, path: ImagePath, *, disk: str | None = None) -> Refusal | None:
    """An image that holds internal snapshots is neither merged nor given up."""
    number = len(world.image(path).internal_snapshots)
    if not number:
        return None
    return refusal(RefusalCode.INTERNAL_SNAPSHOTS, image=path, disk=disk, number=number)


def _unfit(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    device = next((path for path in action.merged if world.image(path).is_device), None)
    if device is not None:
        cause = (
            f"{device} is a block device: an overlay there is not virtsnap's to merge and remove"
        )
        return refusal(
            RefusalCode.DISK_NOT_SUPPORTED,
            image=device,
            disk=action.disk,
            cause=cause,
            act="remove",
        )
    for path in (action.base, *action.merged):
        image = world.image(path)
        inside = why_inside(world, path, disk=action.disk)
        if inside is not None:
            return inside
        if image.has_data_file or image.is_encrypted:
            cause = "external data file" if image.has_data_file else "encryption"
            return refusal(
                RefusalCode.DISK_NOT_SUPPORTED,
                image=path,
                disk=action.disk,
                cause=cause,
                act="remove",
            )
    said = oddities.why_not_disk(world, action.disk, action.snapshots)
    if said is not None:
        return said
    above = action.rebased if isinstance(action, CommitOverlays) else ()
    disk = world.disk(action.disk)
    chain = oddities.chain_of(world, disk) if disk is not None else ()
    return oddities.why_not(world, (*world.walk(action.top), *above, *chain), disk=action.disk)


def _other_readers(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    """Other domains, and files that stand on an image whose content changes."""
    changed = (action.base, *action.merged[:-1])
    follows = dict(zip(changed, action.merged, strict=True))
    for path in (*changed, action.top):
        foreign = {naming.domain for naming in world.foreign.get(path, ())}
        if foreign:
            return _reader(action, path, "domain", sorted(foreign))
    for path in changed:
        aside = [
            child
            for child in world.children.get(path, ())
            if child != follows[path] and child not in world.emptied
        ]
        for child in aside:
            domains = world.readers_elsewhere(child)
            if domains:
                return _reader(action, path, "domain", list(domains))
            return _reader(action, path, "file", [child], world.standing_alone(child))
    for child in world.children.get(action.top, ()):
        own = child in world.in_own_chain or child in world.ledger.image_paths
        domains = world.readers_elsewhere(child)
        if domains:
            return _reader(action, action.top, "domain", list(domains))
        if not own and child not in world.emptied:
            return _reader(action, action.top, "file", [child], world.standing_alone(child))
    return None


def _reader(
    action: CommitOverlays | FinishJob,
    path: ImagePath,
    kind: str,
    readers: list[str],
    alone: ImagePath | None = None,
) -> Refusal:
    return refusal(
        RefusalCode.UNMANAGED_READER,
        image=path,
        disk=action.disk,
        kind=kind,
        readers=", ".join(readers),
        file=alone,
    )


def _kept_records(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    """Records of this domain: unmanaged ones must not be touched, kept ones not change."""
    images = {action.base, *action.merged}
    for record in world.domain.records:
        if record.name in going:
            continue
        managed = world.is_managed(record)
        for disk in record.external_disks:
            layer = world.now_at(disk.source) if disk.source else None
            chain = world.walk(layer) if layer else ()
            if not managed and images & set(chain):
                return _reader(action, action.base, "snapshot", [record.name])
            if layer == action.base or (images & set(chain) and action.top not in chain):
                return refusal(
                    RefusalCode.SNAPSHOT_HAS_BRANCHES, disk=action.disk, snapshots=record.name
                )
        if not managed and record.mentions & set(action.merged):
            return _reader(action, action.top, "snapshot", [record.name])
    for active in world.domain.disks:
        # the guest writes to an image between: merging over it would lose that
        if active.source in (action.base, *action.merged[:-1]):
            return _reader(action, active.source, "domain", [world.domain.name])
    return None


def _shared(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    if action.method is not CommitMethod.OFFLINE:
        return None
    return shared_storage(world, action.base)


def shared_storage(world: World, path: ImagePath) -> Refusal | None:
    """Another host may have *path* open, and no Host says that none has."""
    folder = folder_of(path)
    for observed in world.host.folders:
        if observed.path == folder and observed.is_shared and folder not in world.declared_folders:
            return refusal(RefusalCode.SHARED_STORAGE, image=path, folder=folder)
    return None


def _room(
    world: World, action: CommitOverlays | FinishJob, going: frozenset[SnapshotName]
) -> Refusal | None:
    return space.why_no_room(world, action)


def why_not_remove(world: World, action: RemoveImage) -> Refusal | None:
    """Who still reads or names the image, or why that cannot be known."""
    path = action.path
    image = world.image(path)
    is_known = path in world.ledger.image_paths or path in world.emptied
    if image.is_device or (not is_known and not _is_its_memory(world, action)):
        return refusal(
            RefusalCode.UNMANAGED_READER,
            image=path,
            how="made",
            readers="somebody else, not by virtsnap",
        )
    if action.cause is RemovalCause.UNUSED and action.is_present and not image.is_blank:
        return _still_read(path, "file", base_name(path))
    if not image.is_examined or not world.is_listed(path):
        return refusal(RefusalCode.NEEDS_LOCAL_ACCESS, image=path, folder=folder_of(path))
    why = hidden(world, path)
    if why is not None:
        return why
    domains = world.readers_elsewhere(path)
    if domains:
        return _still_read(path, "domain", ", ".join(domains))
    behind = {image for left in world.ledger.left_behind for image in world.walk(left)}
    if path in world.in_own_chain or path in behind:
        return _still_read(path, "domain", world.domain.name)
    for record in world.domain.records:
        reached = {
            image for d in record.external_disks if d.source for image in world.walk(d.source)
        }
        said = path in record.mentions and not _is_said_in_passing(world, record, action)
        if said or path in reached:
            return _still_read(path, "snapshot", record.name)
    frozen_for = frozen.kept(world, frozenset(action.snapshots)).get(path)
    if frozen_for is not None:
        return _still_read(path, "snapshot", frozen_for)
    standing = [c for c in world.children.get(path, ()) if c not in world.emptied]
    if standing:
        return _still_read(path, "file", ", ".join(base_name(child) for child in standing))
    inside = why_inside(world, path)
    if inside is not None:
        return inside
    if any(job.destination == path for job in world.domain.jobs):
        return _still_read(path, "block job", world.domain.name)
    return shared_storage(world, path)


def _is_said_in_passing(world: World, record: SnapshotRecord, action: RemoveImage) -> bool:
    """A record of ours names an image that is given up only as what was written after it.

    Or it is the record that goes, and the image its memory.
    """
    sources = {disk.source for disk in record.disks} | set(record.inactive_sources)
    if action.path in sources or not world.is_managed(record):
        return False
    if action.cause is RemovalCause.MEMORY:
        return record.memory_file == action.path and record.name in action.snapshots
    return action.cause in (RemovalCause.ABANDONED, RemovalCause.UNUSED)


def _is_its_memory(world: World, action: RemoveImage) -> bool:
    """A memory image of somebody else's making, of a managed snapshot that goes; no disk image."""
    records = (r for r in world.domain.records if r.name in action.snapshots)
    is_said = any(r.memory_file == action.path and world.is_managed(r) for r in records)
    is_asked = action.cause is RemovalCause.MEMORY and is_said
    return is_asked and world.image(action.path).format == MEMORY_FORMAT


def is_named_elsewhere(world: World, path: ImagePath, name: SnapshotName) -> bool:
    """Something other than the record of *name* names *path*: another record, a definition."""
    return path in world.foreign or any(
        naming.path == path and naming.snapshot != name for naming in world.namings
    )


def _still_read(path: ImagePath, kind: str, readers: str) -> Refusal:
    return refusal(RefusalCode.UNMANAGED_READER, image=path, kind=kind, readers=readers)


# --- the domain as a whole


def blockers(world: World, differences: tuple[Difference, ...]) -> Iterator[Refusal]:
    """Why nothing at all may be changed on the domain now."""
    domain = world.domain
    if domain.has_managed_save:
        yield refusal(RefusalCode.MANAGED_SAVE, domain=domain.name)
    if domain.domain_job is not None:
        yield refusal(RefusalCode.DOMAIN_BUSY, job=domain.domain_job, domain=domain.name)
    if domain.power is PowerState.OTHER or domain.is_paused_on_error:
        yield refusal(
            RefusalCode.POWER_STATE, state=domain.power_detail or domain.power, domain=domain.name
        )
    for job in domain.jobs:
        if jobs.commit_of(world, job) is None:
            yield refusal(RefusalCode.BLOCK_JOB_RUNNING, disk=job.disk, job=job.kind)
    for difference in differences:
        match difference:
            case DefinitionsDisagree():
                yield refusal(
                    RefusalCode.DEFINITIONS_DISAGREE,
                    disk=difference.disk,
                    live=difference.live,
                    persistent=difference.persistent,
                )
            case DefinitionWentBack():
                yield refusal(
                    RefusalCode.DEFINITION_WENT_BACK,
                    disk=difference.disk,
                    image=difference.image,
                    observed=difference.observed,
                    domain=domain.name,
                )
            case ChainBroken():
                yield broken(world, difference)
            case OverlayUnrecorded(is_ours=False):
                yield refusal(
                    RefusalCode.FOREIGN_OVERLAY, disk=difference.disk, image=difference.image
                )
            case _:
                pass


def broken(world: World, difference: ChainBroken) -> Refusal:
    """The refusal that a broken chain is."""
    image: Image = world.image(difference.image)
    if image.presence is Presence.MISSING:
        code = RefusalCode.STORAGE_ABSENT
    elif image.presence is Presence.UNKNOWN:
        code = RefusalCode.NEEDS_LOCAL_ACCESS
    else:
        code = RefusalCode.CHAIN_BROKEN
    return refusal(
        code,
        disk=difference.disk,
        image=difference.image,
        cause=difference.cause,
        folder=folder_of(difference.image),
    )


def unsupported_kind(kind: DiskKind) -> str | None:
    """Why a disk of that kind cannot be captured by this version."""
    match kind:
        case DiskKind.FILE | DiskKind.BLOCK:
            return None
        case DiskKind.NETWORK:
            # libvirt makes an overlay of one only while the guest runs (facts §1.3), and who else
            # reads it cannot be seen from this host.
            return "a network disk, whose other readers cannot be known from this host"
        case DiskKind.EMPTY:
            return "empty"
        case DiskKind.OTHER:
            return "of a kind that cannot be captured"
