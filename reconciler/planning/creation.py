"""Planning to take a snapshot: which disks, quiesced or not, under which file names."""

from dataclasses import dataclass, replace

from reconciler.model.action import CreateSnapshot, NewOverlay
from reconciler.model.chain import Presence
from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredSnapshot,
    Power,
    Quiesce,
)
from reconciler.model.domain import AgentState, Disk, DiskKind
from reconciler.model.ledger import Consistency, EntryState
from reconciler.model.names import DiskTarget, ImagePath, folder_of
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from reconciler.planning import capture, fellow_disks, oddities, overlay_names, safety, transience
from reconciler.planning.index import Role
from reconciler.planning.world import World

#: libvirt refuses to create beyond it (facts §3.6)
HARD_LIMIT = 200
#: libvirt 10.8 to 11.10 cannot start a domain with 26 images in a chain (facts §0.18)
DEEP_CHAINS_FAIL = range(10_008_000, 11_011_000)
DEEP_LIMIT = 25
#: bytes that must be free for each overlay
LEAST_ROOM = 1 << 20


#: told by their words which act was refused
_OF_SEVERAL_ACTS = (RefusalCode.DISK_NOT_SUPPORTED, RefusalCode.UNMANAGED_READER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiescing:
    """Whether the guest is frozen for the snapshot, and what that makes of it."""

    freeze: bool
    may_degrade: bool
    consistency: Consistency


def creation(
    world: World, wish: DesiredDomain, snapshot: DesiredSnapshot
) -> CreateSnapshot | Refusal:
    """The action that takes *snapshot* on *world*, or why it cannot be taken now."""
    found = _creation(world, wish, snapshot)
    if isinstance(found, Refusal) and found.code in _OF_SEVERAL_ACTS:
        return replace(found, facts=tuple(sorted((*found.facts, ("act", "take")))))
    return found


def _creation(
    world: World, wish: DesiredDomain, snapshot: DesiredSnapshot
) -> CreateSnapshot | Refusal:
    for refused in (
        _record_taken(world, snapshot),
        _order(world, snapshot),
        _power(world, snapshot),
    ):
        if refused is not None:
            return refused
    quiescing = _quiescing(world, snapshot)
    if isinstance(quiescing, Refusal):
        return quiescing
    memory = capture.memory_of(world, snapshot)
    if isinstance(memory, Refusal):
        return memory
    chosen = _chosen(world, snapshot)
    if isinstance(chosen, Refusal):
        return chosen
    disks, skipped = chosen
    files = _files(world, wish, snapshot, disks, memory)
    if isinstance(files, Refusal):
        return files
    overlays, memory_file = files
    current = world.domain.current
    return CreateSnapshot(
        snapshot=snapshot.name,
        description=snapshot.description or "",
        overlays=overlays,
        internal=() if overlays else tuple(disk.target for disk in disks),
        memory=memory,
        memory_file=memory_file,
        skipped=skipped,
        parent=current.name if current else None,
        quiesce=quiescing.freeze,
        may_degrade=quiescing.may_degrade,
        consistency=quiescing.consistency,
        power=power_before(world),
        manifest=wish.origin.manifest,
        is_held=snapshot.protect is True,
    )


def _files(
    world: World,
    wish: DesiredDomain,
    snapshot: DesiredSnapshot,
    disks: tuple[Disk, ...],
    memory: MemoryCapture,
) -> tuple[tuple[NewOverlay, ...], ImagePath | None] | Refusal:
    """The overlays, none for an internal snapshot, and where the memory goes beside them."""
    if snapshot.type is CaptureType.INTERNAL:
        return (), None
    overlays: list[NewOverlay] = []
    for disk in disks:
        new = _new_overlay(world, wish, snapshot, disk, overlays)
        if isinstance(new, Refusal):
            return new
        overlays.append(new)
    if memory is not MemoryCapture.EXTERNAL:
        return tuple(overlays), None
    paths = tuple(new.overlay for new in overlays)
    path = capture.memory_file(world, snapshot, disks[0], paths)
    return path if isinstance(path, Refusal) else (tuple(overlays), path)


def _refuse(snapshot: DesiredSnapshot, code: RefusalCode, **facts: object) -> Refusal:
    return refusal(code, snapshot=snapshot.name, **facts)


def _record_taken(world: World, snapshot: DesiredSnapshot) -> Refusal | None:
    if world.domain.record(snapshot.name) is None:
        return None
    return _refuse(snapshot, RefusalCode.NAME_TAKEN, domain=world.domain.name, name=snapshot.name)


def _order(world: World, snapshot: DesiredSnapshot) -> Refusal | None:
    """Explicit ``after``: that snapshot is there, whole, and in the present branch."""
    if snapshot.after is None:
        return None
    record = world.domain.record(snapshot.after)
    entry = world.agreeing_entry(record) if record else None
    taken = entry is not None and entry.state is EntryState.TAKEN
    if record is None or not taken:
        cause = "it is not there"
    elif not any(
        world.now_at(disk.source) in world.in_own_chain
        for disk in record.disks
        if disk.source and disk.capture in (DiskCapture.EXTERNAL, DiskCapture.INTERNAL)
    ):
        cause = "it is not in the present branch"
    else:
        return None
    return _refuse(snapshot, RefusalCode.ORDER_NOT_MET, after=snapshot.after, cause=cause)


def _power(world: World, snapshot: DesiredSnapshot) -> Refusal | None:
    power = world.domain.power
    if snapshot.power is Power.OFF:
        would_end = "`power: off` would end it"
        return transience.why_not(world, would_end, snapshot=snapshot.name)
    if snapshot.power is Power.RUNNING and power is not PowerState.RUNNING:
        is_owed = world.ledger.owed is not None
        cause = "until the end of the plan; apply again after it" if is_owed else None
        return _refuse(
            snapshot, RefusalCode.POWER_STATE, state=power, domain=world.domain.name, cause=cause
        )
    return None


def power_before(world: World) -> PowerState:
    """What the domain did before virtsnap touched it."""
    owed = world.ledger.owed
    return owed.state if owed is not None and not world.domain.is_active else world.domain.power


def _quiescing(world: World, snapshot: DesiredSnapshot) -> Quiescing | Refusal:
    domain = world.domain
    if not domain.is_active:
        return Quiescing(freeze=False, may_degrade=False, consistency=Consistency.OFFLINE)
    if snapshot.memory:
        return Quiescing(freeze=False, may_degrade=False, consistency=Consistency.MEMORY)
    crash = Quiescing(freeze=False, may_degrade=False, consistency=Consistency.CRASH)
    if snapshot.quiesce is Quiesce.NEVER:
        return crash
    can = domain.power is PowerState.RUNNING and domain.agent is AgentState.CONNECTED
    if can:
        preferred = snapshot.quiesce is Quiesce.PREFERRED
        return Quiescing(freeze=True, may_degrade=preferred, consistency=Consistency.QUIESCED)
    if snapshot.quiesce is Quiesce.PREFERRED:
        return replace(crash, may_degrade=True)
    if domain.power is not PowerState.RUNNING:
        return _refuse(snapshot, RefusalCode.POWER_STATE, state=domain.power, domain=domain.name)
    return _refuse(
        snapshot, RefusalCode.AGENT_NOT_CONNECTED, state=domain.agent, domain=domain.name
    )


# --- disks


def _chosen(
    world: World, snapshot: DesiredSnapshot
) -> tuple[tuple[Disk, ...], tuple[DiskTarget, ...]] | Refusal:
    """The disks to capture, and the writable ones left out."""
    is_internal = snapshot.type is CaptureType.INTERNAL
    refused = capture.why_not_internal(world, snapshot) if is_internal else None
    if refused is not None:
        return refused
    absent = sorted(t for t in snapshot.take if world.disk(t) is None)
    if absent:
        return _refuse(snapshot, RefusalCode.DISK_NOT_SUPPORTED, disk=absent[0], cause="absent")
    disks, skipped = [], []
    for disk in world.domain.disks:
        explicit = disk.target in snapshot.take
        wanted = explicit or (
            disk.is_writable and not disk.is_excluded and disk.target not in snapshot.skip
        )
        if not wanted:
            if disk.is_writable:
                skipped.append(disk.target)
            continue
        refused = _unsound(world, snapshot, disk)
        if refused is not None:
            return refused
        cause = _why_not_captured(world, disk)
        if cause is not None:
            return _refuse(snapshot, RefusalCode.DISK_NOT_SUPPORTED, disk=disk.target, cause=cause)
        writers = other_writers(world, disk)
        if writers:
            return _refuse(
                snapshot,
                RefusalCode.UNMANAGED_READER,
                disk=disk.target,
                image=disk.source,
                kind="domain",
                how="written to",
                readers=", ".join(writers),
            )
        refused = capture.why_not_inside(world, snapshot, disk) if is_internal else None
        if refused is not None:
            return refused
        disks.append(disk)
    if not disks:
        return _refuse(snapshot, RefusalCode.DISK_NOT_SUPPORTED, disk="", cause="no disk is left")
    return tuple(disks), tuple(skipped)


def _unsound(world: World, snapshot: DesiredSnapshot, disk: Disk) -> Refusal | None:
    """Not all there (the guest may be started without it), or marked as corrupt."""
    chain = oddities.chain_of(world, disk)
    for path in chain if disk.is_on_storage else ():
        if world.image(path).presence is Presence.MISSING and not world.domain.is_active:
            return _refuse(snapshot, RefusalCode.STORAGE_ABSENT, disk=disk.target, image=path)
        if world.image(path).is_corrupt:
            return oddities.why_not(world, (path,), disk=disk.target, snapshot=snapshot.name)
    return None


def other_writers(world: World, disk: Disk) -> tuple[str, ...]:
    """Other domains that write, or will, to an image the snapshot would freeze."""
    writers = {
        naming.domain
        for path in disk.chain or ()
        for naming in world.foreign.get(path, ())
        if naming.role is Role.ACTIVE and naming.is_writable
    }
    return tuple(sorted(writers))


def _why_not_captured(world: World, disk: Disk) -> str | None:
    cause = why_not_supported(world, disk) or fellow_disks.why_not(world, disk)
    if cause is None and disk.chain is None:
        return "on a chain that cannot be read whole"
    return cause


def why_not_supported(world: World, disk: Disk) -> str | None:
    """What about the kind of *disk* keeps it out of a snapshot."""
    if disk.device != "disk":
        return f"a {disk.device}"
    if disk.is_readonly:
        return "read-only"
    if disk.is_shareable:
        return "shareable"
    if disk.is_transient:
        return "transient"
    unsupported = safety.unsupported_kind(disk.kind)
    if unsupported is not None:
        return unsupported
    if disk.kind is DiskKind.BLOCK and not world.host.is_local:
        return "a block device on another machine, whose other names cannot be known from here"
    if disk.is_passing_name:
        # libvirt writes the definition's name into the overlay
        return f"named so that it may mean another device after a reboot; name it {disk.source}"
    oddity = oddities.of_disk(world, disk)
    if oddity is not None:
        return oddity
    if disk.format not in ("qcow2", "raw"):
        return f"in format {disk.format}"
    return None


def _new_overlay(
    world: World,
    wish: DesiredDomain,
    snapshot: DesiredSnapshot,
    disk: Disk,
    earlier: list[NewOverlay],
) -> NewOverlay | Refusal:
    assert disk.chain is not None
    assert disk.source is not None
    refused = _depth(world, wish, snapshot, disk)
    if refused is not None:
        return refused
    taken = frozenset(new.overlay for new in earlier)
    path = overlay_names.overlay_path(world, disk, snapshot.name, snapshot.overlay, taken)
    if isinstance(path, Refusal):
        return Refusal(code=path.code, snapshot=snapshot.name, facts=path.facts)
    refused = _room(world, snapshot, disk.target, path, earlier)
    if refused is not None:
        return refused
    if "," in path and not world.domain.is_active:
        # libvirt up to 11.3 at least doubles it for qemu-img, and then names a file that is not there
        return _refuse(
            snapshot,
            RefusalCode.DISK_NOT_SUPPORTED,
            disk=disk.target,
            cause=f"libvirt cannot make {path} while the domain is off, for its comma",
        )
    return NewOverlay(
        target=disk.target,
        frozen=disk.source,
        frozen_format=disk.format,
        overlay=ImagePath(path),
    )


def _room(
    world: World,
    snapshot: DesiredSnapshot,
    disk: DiskTarget,
    path: ImagePath,
    earlier: list[NewOverlay],
) -> Refusal | None:
    """An empty qcow2 overlay takes less than a megabyte; with less the guest stops at once."""
    folder = folder_of(path)
    free = next((f.free for f in world.host.folders if f.path == folder), None)
    need = (1 + sum(folder_of(new.overlay) == folder for new in earlier)) * LEAST_ROOM
    if free is None or free >= need:
        return None
    return _refuse(snapshot, RefusalCode.NO_SPACE, disk=disk, folder=folder, need=need, free=free)


def _depth(
    world: World, wish: DesiredDomain, snapshot: DesiredSnapshot, disk: Disk
) -> Refusal | None:
    assert disk.chain is not None
    of_libvirt = libvirt_limit(world)
    declared = of_libvirt if wish.max_depth is None else wish.max_depth
    limit = min(of_libvirt, declared)
    depth = disk.chain.depth + 1
    if depth <= limit:
        return None
    return _refuse(snapshot, RefusalCode.CHAIN_TOO_DEEP, disk=disk.target, depth=depth, limit=limit)


def libvirt_limit(world: World) -> int:
    """So many images above the base this libvirt starts again."""
    deep = world.host.libvirt_version in DEEP_CHAINS_FAIL
    return (DEEP_LIMIT if deep else HARD_LIMIT) - 1
