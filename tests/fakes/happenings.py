"""What happens on ordinary days; what cannot happen now does nothing."""

from collections.abc import Callable

from hypothesis import strategies as st

from reconciler.model.domain import AgentState
from reconciler.model.snapshot import DiskCapture
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import FakeDomain
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.picking import Draw, a_domain, a_snapshot, free_name, some_targets

Happening = Callable[[Draw, FakeHost], None]


def take(draw: Draw, fake: FakeHost) -> None:
    """virtsnap takes a snapshot; the guest goes on."""
    domain = a_domain(draw, fake)
    name, targets = free_name(draw, domain), some_targets(draw, domain)
    can_freeze = domain.agent.state is AgentState.CONNECTED and not domain.is_paused
    quiesce = can_freeze and draw(st.booleans())
    description = draw(st.sampled_from(["", "", "before the upgrade"]))
    if name and targets:
        Controller(fake).take(
            domain.name,
            name,
            targets,
            quiesce=quiesce,
            description=description,
            is_held=draw(st.integers(0, 9)) == 7,
        )
        fake.guest_goes_on(domain.name)


def take_with_memory(draw: Draw, fake: FakeHost) -> None:
    """virtsnap takes one with the guest's memory, beside overlays or inside the images."""
    domain = a_domain(draw, fake)
    name, targets = free_name(draw, domain), some_targets(draw, domain)
    if not name or not targets or not domain.is_active or domain.has_let_go:
        return
    Controller(fake).take(domain.name, name, targets, memory=True)
    fake.guest_goes_on(domain.name)


def take_inside(draw: Draw, fake: FakeHost) -> None:
    """virtsnap takes one inside the images, where all of them are qcow2."""
    domain = a_domain(draw, fake)
    name = free_name(draw, domain)
    if name and _holds_snapshots(domain):
        Controller(fake).take(domain.name, name, inside=True)
        fake.guest_goes_on(domain.name)


def _holds_snapshots(domain: FakeDomain) -> bool:
    """Internal ones: every image that the guest writes to is qcow2, and QEMU has it."""
    writable = [disk for disk in domain.definition.disks if disk.is_writable]
    can = all(disk.format == "qcow2" for disk in writable) and not domain.has_let_go
    return bool(writable) and can


def take_by_hand(draw: Draw, fake: FakeHost) -> None:
    """A person takes one of any kind, named as they like (a manifest may want that name)."""
    domain = a_domain(draw, fake)
    name = free_name(draw, domain, draw(st.sampled_from("uus")))
    targets = some_targets(draw, domain)
    how = draw(st.sampled_from(("disks", "disks", "disks", "memory", "inside")))
    if not name or not targets:
        return
    if how == "disks":
        Person(fake).snapshot_create(domain.name, name, targets)
    elif how == "memory" and domain.is_active and not domain.has_let_go:
        Person(fake).snapshot_with_memory(domain.name, name)
    elif how == "inside" and _holds_snapshots(domain):
        Person(fake).snapshot_internal(domain.name, name)
    fake.guest_goes_on(domain.name)


def change_power(draw: Draw, fake: FakeHost) -> None:
    """Started, paused, resumed or shut off; a transient one stops and is created anew."""
    domain, administrator = a_domain(draw, fake), Administrator(fake)
    name = domain.name
    if domain.persistent is None and not domain.is_paused and draw(st.integers(0, 2)) == 0:
        administrator.create_anew(name)
        return
    verbs = (
        administrator.start,
        administrator.start,
        administrator.pause,
        administrator.pause,
        administrator.resume,
        administrator.resume if domain.persistent is None else administrator.shut_off,
    )
    draw(st.sampled_from(verbs))(name)


def change_hardware(draw: Draw, fake: FakeHost) -> None:
    """The guest gets more memory, or another device, at its next start."""
    name = a_domain(draw, fake).name
    Administrator(fake).change_hardware(name, f"hardware {fake.world.written}")


def revert_by_hand(draw: Draw, fake: FakeHost) -> None:
    """To a snapshot whose frozen layers are there; often started again: a branch is born."""
    domain = a_domain(draw, fake)
    name = a_snapshot(draw, domain)
    if name is None:
        return
    taken = [d for d in domain.records[name].disks.values() if d.capture is DiskCapture.EXTERNAL]
    if taken and all(disk.source in fake.world.storage.files for disk in taken):
        Person(fake).revert(domain.name, name, redefine_disks=draw(st.booleans()))
        fake.guest_goes_on(domain.name)
        if draw(st.booleans()):
            Administrator(fake).start(domain.name)


ORDINARY: tuple[Happening, ...] = (
    take,
    take,
    take,
    take,
    take_with_memory,
    take_inside,
    take_by_hand,
    change_power,
    change_hardware,
    revert_by_hand,
)
