"""A revert that dies anywhere ends as one that does not: disks, definition, snapshots, images."""

from contextlib import suppress

from hypothesis import given, note
from hypothesis import strategies as st

from reconciler.model.desired import (
    CaptureType,
    Desired,
    DesiredRevert,
    DesiredSnapshot,
    RevertConfig,
    RevertPower,
)
from reconciler.model.names import SnapshotName
from reconciler.model.request import PlanRequest
from tests.drawing import desired, wanted
from tests.engine import oracle
from tests.engine.passes import planned, reconciled
from tests.engine.telling import host_told, pass_told
from tests.engine.test_crashes import MOMENTS, dying_at, images, snapshots
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.picking import Draw
from tests.fakes.world import LIBVIRT_9_0, LIBVIRT_11_3, Crash, World

#: after a crash the first apply does all that is left
PASSES = 2


@st.composite
def reverts(draw: Draw) -> tuple[FakeHost, Desired]:
    """A domain with snapshots, whose definition changed since, and a revert of any kind."""
    fake = FakeHost(World(version=draw(st.sampled_from((LIBVIRT_9_0, LIBVIRT_11_3)))))
    administrator, controller = Administrator(fake), Controller(fake)
    disks = {t: f"/images/web01-{t}.qcow2" for t in ("vda", "vdb")[: draw(st.integers(1, 2))]}
    administrator.define("web01", disks, running=draw(st.booleans()))
    kind = draw(st.sampled_from(CaptureType))
    names = ("s1", "s2")[: draw(st.integers(1, 2))]
    has_memory = fake.domain("web01").is_active and (
        kind is CaptureType.INTERNAL or draw(st.booleans())
    )
    for name in names:
        administrator.change_hardware("web01", f"at {name}")
        fake.guest_goes_on("web01")
        controller.take("web01", name, inside=kind is CaptureType.INTERNAL, memory=has_memory)
    fake.guest_goes_on("web01")
    administrator.change_hardware("web01", "now")
    if draw(st.booleans()):
        administrator.shut_off("web01")
    if draw(st.integers(0, 3)) == 0:
        administrator.attach_disk("web01", "vdx", "/images/web01-vdx.qcow2", cdrom=True)
    revert = DesiredRevert(
        to=SnapshotName(draw(st.sampled_from(names))),
        request="r1",
        power=draw(st.sampled_from(RevertPower)),
        config=draw(st.sampled_from((RevertConfig.DISKS, RevertConfig.DISKS, RevertConfig.WHOLE))),
        discards=draw(st.booleans()),
    )
    declared = [
        DesiredSnapshot(name=SnapshotName(name), type=kind, memory=has_memory) for name in names
    ]
    return fake, desired(wanted("web01", *declared, revert=revert))


@given(reverts(), st.integers(0, 40), st.sampled_from(MOMENTS), st.integers(0, 3))
def test_a_revert_that_dies_is_ended_by_the_next_pass(
    drawn: tuple[FakeHost, Desired], number: int, moment: str, passing: int
) -> None:
    fake, wish = drawn
    whole = fake.copied()
    note(pass_told(reconciled(whole, wish, PlanRequest())))
    changes = len(whole.world.changes) - len(fake.world.changes)
    if not changes:
        return
    number = len(fake.world.changes) + 1 + number % changes
    fake.world.fault = dying_at(number, moment, passing=passing)
    with suppress(Crash):
        reconciled(fake, wish, PlanRequest())
    fake.world.fault = None
    note(f"died {moment} {fake.world.changes[number - 1]} ({passing})")
    note("\n".join(host_told(fake)))

    for _ in range(PASSES):
        fake.world.clock.wait(3600)
        note(pass_told(reconciled(fake, wish, PlanRequest())))

    assert not planned(fake, wish, PlanRequest()).domains[0].steps
    assert snapshots(fake) == snapshots(whole)
    assert oracle.definitions(fake) == oracle.definitions(whole)
    assert disks(fake) == disks(whole)
    assert images(fake, {"web01"}) == images(whole, {"web01"})
    assert fake.domain("web01").power is whole.domain("web01").power


def disks(fake: FakeHost) -> dict[tuple[str, ...], object]:
    """What guest and snapshots read from each disk; memory images have names of their own."""
    return {key: view for key, view in fake.views().items() if key[1] != "memory"}
