"""What qemu-img does to images that no QEMU has open (facts §7.6)."""

from reconciler.errors import CommitNotBegun, HypervisorError, StepRefused
from reconciler.model.action import (
    CommitOverlays,
    NewOverlay,
    RevertInternal,
    RevertSnapshot,
)
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Ledger
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.reservation import Reservation
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from tests.fakes import power, snapshots
from tests.fakes.domain import FakeDefinition, FakeDisk, FakeDomain, FakeRecord
from tests.fakes.storage import FakeFile
from tests.fakes.world import World


def merge(world: World, *, base: ImagePath, top: ImagePath) -> None:
    """``qemu-img commit -d -b BASE TOP``: the files say what lies between."""
    chain = world.storage.header_chain(top)
    if chain is None or base not in chain or base == top:
        raise HypervisorError(f"cannot commit {top}: {base} is not below it", code=1)
    world.storage.demand_room(base, top)
    between = chain.images[chain.images.index(base) + 1 :]
    merged = world.storage.overlaid(between)
    into = world.storage.file(base)
    for number, (cluster, value) in enumerate(sorted(merged.items())):
        into.clusters[cluster] = value
        if number == 0:
            world.point("during")


def point_header_at(
    world: World, image: ImagePath, backing: ImagePath, backing_format: str
) -> None:
    """``qemu-img rebase -u``: the header alone."""
    file = world.storage.file(image)
    file.backing, file.backing_format = backing, backing_format


def commit(world: World, domain: FakeDomain, action: CommitOverlays) -> None:
    """The port's offline commit, with a look at who came between the steps."""
    touched = frozenset({action.base, *action.merged, *action.rebased})
    try:
        refuse_when_open(world, domain, touched)
        if touched & world.read_elsewhere:
            raise HypervisorError(f"cannot merge {action.top}: failed to get 'write' lock", code=1)
    except (HypervisorError, StepRefused) as error:
        raise CommitNotBegun(error.message, hint=error.hint) from error
    before = {path: dict(world.storage.file(path).clusters) for path in action.merged}
    merge(world, base=action.base, top=action.top)
    if world.meanwhile is not None:
        world.meanwhile(domain)
    refuse_when_open(world, domain, touched)
    if any(world.storage.file(path).clusters != was for path, was in before.items()):
        merge(world, base=action.base, top=action.top)
    for image in action.rebased:
        point_header_at(world, image, action.base, action.base_format)


def rebase(
    world: World,
    domain: FakeDomain,
    images: tuple[ImagePath, ...],
    *,
    base: ImagePath,
    base_format: str,
) -> None:
    """The port's rebase of images that no QEMU has open."""
    refuse_when_open(world, domain, frozenset(images))
    for image in images:
        point_header_at(world, image, base, base_format)
        world.point("during")


def make(world: World, overlays: tuple[NewOverlay, ...], reserved: Reservation) -> None:
    """``qemu-img create``: empty, on what is frozen."""
    for new in overlays:
        if not reserved.is_empty(new.overlay):
            raise StepRefused(f"cannot make {new.overlay}: it is not the file made for it")
        below = world.storage.file(new.frozen)
        world.storage.add(
            FakeFile(
                path=new.overlay,
                backing=new.frozen,
                backing_format=new.frozen_format,
                virtual_size=below.virtual_size,
            )
        )
        world.point("during")


def put_back(domain: FakeDomain, action: RevertSnapshot, ledger: Ledger) -> None:
    """One define: the disks on their overlays, the ledger as given."""
    if domain.is_active or domain.persistent is None:
        raise StepRefused(f"cannot revert {domain.name}: it was started")
    for new in action.disks:
        disk = domain.persistent.disk(new.target)
        if disk is None:
            raise StepRefused(f"cannot revert {domain.name}: it has no disk {new.target}")
        snapshots.put_on(disk, new.overlay, "qcow2")
    domain.persistent.ledger = ledger
    if action.config is RevertConfig.WHOLE:
        then = snapshots.definition_in(domain.record(action.snapshot))
        present = {disk.target: disk for disk in domain.persistent.disks}
        domain.persistent.hardware = then.hardware
        domain.persistent.disks = [present.get(disk.target, disk) for disk in then.disks]


def revert_inside(world: World, domain: FakeDomain, action: RevertInternal, ledger: Ledger) -> None:
    """libvirt's own revert of a shut-off domain: image after image, then the definition of that
    moment; and the present one again.
    """
    if domain.is_active or domain.persistent is None:
        raise StepRefused(f"cannot revert {domain.name}: it was started")
    present = domain.persistent
    record = domain.record(action.snapshot)
    for _, path in action.images:
        file = world.storage.file(path)
        held = file.found_inside(action.snapshot)
        if held is None:
            raise HypervisorError(f"cannot revert {domain.name}: {path} does not hold it", code=1)
        file.clusters = dict(held)
        world.point("during")
    domain.current = action.snapshot
    domain.persistent = snapshots.definition_in(record)
    if action.memory and action.power is not PowerState.SHUT_OFF:
        power.start(world, domain, is_paused=action.power is PowerState.PAUSED)
    world.point("during")
    if action.config is RevertConfig.DISKS:
        domain.persistent = present
        domain.persistent.ledger = ledger


def define_kept(domain: FakeDomain, name: SnapshotName, ledger: Ledger) -> None:
    """The port's verb."""
    kept = snapshots.definition_in(domain.record(name))
    for disk in domain.persistent.disks if domain.persistent else ():
        then = kept.disk(disk.target)
        is_written = then is not None and then.is_writable and disk.is_writable
        if then is not None and is_written and then.source != disk.source:
            raise StepRefused(f"cannot define {domain.name}: {disk.target} was moved")
    kept.ledger = ledger
    domain.persistent = kept


def revert_natively(world: World, domain: FakeDomain, record: FakeRecord) -> None:
    """``virsh snapshot-revert`` to an internal one: the whole definition, metadata included."""
    inside = [d for d in record.disks.values() if d.capture is DiskCapture.INTERNAL]
    held = {d.target: _held_inside(world, d.source, record.name) for d in inside}
    was = {disk.target: disk for disk in domain.definition.disks}
    power.shut_off(world, domain)
    for disk in inside:
        world.storage.file(disk.source).clusters = dict(held[disk.target])
    disks = []
    for said in record.disks.values():
        disk = was.get(said.target) or FakeDisk(target=said.target, source=said.source)
        snapshots.put_on(disk, said.source, said.source_format)
        disk.is_readonly = not said.is_writable
        disks.append(disk)
    domain.persistent = FakeDefinition(disks=disks, ledger=record.ledger)
    domain.current, domain.has_managed_save = record.name, False
    if record.memory is MemoryCapture.INTERNAL:
        power.start(world, domain, is_paused=record.state == "paused")


def _held_inside(world: World, path: ImagePath, name: str) -> dict[int, int]:
    found = world.storage.file(path).found_inside(name)
    if found is None:
        raise HypervisorError(f"cannot revert to {name}: {path} does not hold it", code=1)
    return found


def refuse_when_open(world: World, domain: FakeDomain, images: frozenset[ImagePath]) -> None:
    """Neither this domain nor another one may have them open."""
    user = world.in_use_by(images)
    if user is domain:
        raise StepRefused(f"cannot change {min(images)}: {domain.name} is running")
    if user is not None:
        raise HypervisorError(
            f"cannot change {min(images)}: failed to get 'write' lock, {user.name} has it", code=1
        )
