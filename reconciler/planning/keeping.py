"""Before a revert: the domain is shut off, and its present state is in a snapshot of its own."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from reconciler.model.action import CreateSnapshot
from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    RevertPower,
)
from reconciler.model.names import MAX_NAME_BYTES, DiskTarget, SnapshotName
from reconciler.model.plan import Reason
from reconciler.model.power import PowerOwed, PowerState
from reconciler.model.refusal import Refusal
from reconciler.model.snapshot import MemoryCapture, SnapshotRecord
from reconciler.planning import creation, powering, revert_safety, simulate
from reconciler.planning.builder import Builder
from reconciler.planning.world import World

_SAFETY = "before-revert-"
_DEFINITION = "definition-before-revert-"


def keep(
    builder: Builder,
    wish: DesiredDomain,
    wanted: DesiredRevert,
    targets: frozenset[DiskTarget],
    *,
    type_: CaptureType,
) -> SnapshotName | Refusal | None:
    """Plan to stop the guest and to keep the present of *targets*; nothing falls between.

    The best kind that the domain can have now: with memory when it is on and that can be saved.
    Where only QEMU knows, it is shut down: a try that fails would pause it for nothing, each time.
    The name of the snapshot; None where the present is discarded.
    """
    domain = builder.world.domain
    if not wanted.discards and domain.is_active and not domain.doubtful_devices:
        halting = _snapshot(builder.world, wish, wanted, targets, type_=type_, memory=True)
        if isinstance(halting, CreateSnapshot) and _takes_all(builder.world, halting):
            return _halt(builder, replace(halting, halts=True))
    if builder.world.domain.is_active:
        why = _shut_down(builder, wish)
        if why is not None:
            return why
    if wanted.discards:
        return None
    action = _snapshot(builder.world, wish, wanted, targets, type_=type_, memory=False)
    if isinstance(action, Refusal):
        return impossible(wanted, f"the present state cannot be kept ({action.code})")
    builder.add(action, Reason.BEFORE_REVERT)
    return action.snapshot


def _halt(builder: Builder, action: CreateSnapshot) -> SnapshotName | Refusal:
    why = powering.why_not_back(builder.world, simulate.after(builder.world, action))
    if why is not None:
        return why
    builder.add(action, Reason.BEFORE_REVERT)
    return action.snapshot


def _shut_down(builder: Builder, wish: DesiredDomain) -> Refusal | None:
    world = builder.world
    action = powering.shut_down(world, wish)
    why = powering.why_not_shut_down(world, simulate.after(world, action), action)
    if why is None:
        builder.add(action, Reason.BEFORE_REVERT)
    return why


def impossible(wanted: DesiredRevert, cause: str) -> Refusal:
    """The refusal of a revert."""
    return revert_safety.impossible(wanted.to, wanted.request, cause)


def _snapshot(
    world: World,
    wish: DesiredDomain,
    wanted: DesiredRevert,
    targets: frozenset[DiskTarget],
    *,
    type_: CaptureType,
    memory: bool,
) -> CreateSnapshot | Refusal:
    others = frozenset(d.target for d in world.domain.disks if d.target not in targets)
    return creation.creation(
        world,
        replace(wish, max_depth=None),
        DesiredSnapshot(
            name=_free(world, safety_name(wanted.request)),
            description=f"Before the revert to {wanted.to} ({wanted.request})",
            type=type_,
            memory=memory,
            skip=frozenset() if type_ is CaptureType.INTERNAL else others,
            protect=True,
        ),
    )


def _takes_all(world: World, action: CreateSnapshot) -> bool:
    """Memory fits the disks of its moment alone: one that is left out would be written on."""
    taken = {new.target for new in action.overlays} | set(action.internal)
    disks = (d for d in world.domain.disks if d.is_writable or d.is_beyond_snapshots)
    return all(disk.target in taken for disk in disks)


def safety_name(request: str) -> SnapshotName:
    """``before-revert-REQUEST``, cut where it would be too long."""
    return _cut(_SAFETY + request, request)


def definition_name(world: World, request: str) -> SnapshotName:
    """Of the record that holds the present definition meanwhile."""
    return _free(world, _cut(_DEFINITION + request, request))


def _cut(name: str, request: str) -> SnapshotName:
    if len(name.encode()) > MAX_NAME_BYTES - 4:
        digest = sha256(request.encode()).hexdigest()[:8]
        cut = name.encode()[: MAX_NAME_BYTES - 13].decode("utf-8", "ignore").rstrip()
        name = f"{cut}-{digest}"
    return SnapshotName(name)


def _free(world: World, name: SnapshotName) -> SnapshotName:
    """Numbered where it is taken."""
    taken = {record.name for record in world.domain.records}
    taken |= {entry.name for entry in world.ledger.entries}
    return next(candidate for candidate in _numbered(name) if candidate not in taken)


def _numbered(name: str) -> Iterator[SnapshotName]:
    yield SnapshotName(name)
    number = 2
    while True:
        yield SnapshotName(f"{name}-{number}")
        number += 1


def power_after(world: World, wanted: DesiredRevert, record: SnapshotRecord) -> PowerState:
    """What the domain does when all is done; *world* is that before it was touched."""
    return {
        RevertPower.RECORDED: recorded(world, record) or creation.power_before(world),
        RevertPower.RUNNING: PowerState.RUNNING,
        RevertPower.PAUSED: PowerState.PAUSED,
        RevertPower.OFF: PowerState.SHUT_OFF,
    }[wanted.power]


def recorded(world: World, record: SnapshotRecord) -> PowerState | None:
    """What the domain did when *record* was taken; None where nobody knows.

    Of somebody else's snapshot only libvirt's record tells, and only with memory: without, it says
    ``disk-snapshot``, and of a domain that was shut off for it, ``shutoff``.
    """
    entry = world.agreeing_entry(record)
    if entry is not None and entry.power is not None:
        return entry.power
    known = (PowerState.RUNNING, PowerState.PAUSED)
    has_memory = record.memory is not MemoryCapture.NONE
    return next((power for power in known if has_memory and record.state == power), None)


def owed(state: PowerState) -> PowerOwed | None:
    """The debt of a domain that is to be *state*; None for shut off."""
    return PowerOwed(state=state) if state in (PowerState.RUNNING, PowerState.PAUSED) else None
