"""A disk that the definition calls otherwise now: a snapshot follows its images."""

import pytest

from reconciler.model.desired import DesiredDomain, DesiredRevert, Prune, RevertConfig
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.outcome import DomainStatus
from reconciler.model.power import PowerState
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, image, overlay, running, shut_off, wanted
from tests.engine.passes import Pass, reconciled
from tests.fakes.controller import Controller
from tests.fakes.domain import FakeDisk
from tests.fakes.host import FakeHost
from tests.fakes.storage import FakeFile
from tests.planning.reading import codes, plan_of, steps

VDA, VDB, VDC = (DiskTarget(target) for target in ("vda", "vdb", "vdc"))
both = pytest.mark.parametrize("power", [shut_off, running])


def renamed(fake: FakeHost, *, was: DiskTarget = VDB, now: DiskTarget = VDC) -> None:
    """Somebody edits the definition: that disk is called otherwise, and another takes its name."""
    if image("other") not in fake.world.storage.files:
        fake.world.storage.add(FakeFile(path=image("other"), clusters={0: 99}))
    for definition in fake.domain("web01").definitions:
        disk = definition.disk(was)
        assert disk is not None
        disk.target = now
        other = FakeDisk(target=was, source=image("other"))
        other.stated = (image("other"),) if definition is fake.domain("web01").live else None
        definition.disks.append(other)


def drawn(power: PowerState) -> FakeHost:
    fake = host(domain("web01", power, vda="base ← s1 ← s2", vdb="data ← s1 ← s2"))
    renamed(fake)
    return fake


def applied(fake: FakeHost, wish: DesiredDomain) -> Pass:
    return reconciled(fake, desired(wish), PlanRequest())


def went(*kept: str) -> DesiredDomain:
    return wanted("web01", *kept, prune=Prune.AUTO)


@both
@pytest.mark.parametrize("kept", [(), ("s1",), ("s2",)])
def test_a_removal_merges_what_the_snapshot_froze(power: PowerState, kept: tuple[str, ...]) -> None:
    fake = drawn(power)
    views = fake.views()

    outcome = applied(fake, went(*kept)).outcomes[0]

    assert (outcome.status, outcome.error) == (DomainStatus.APPLIED, None)
    assert set(fake.domain("web01").records) == set(kept)
    for target in (VDA, VDB, VDC):
        assert fake.guest_view("web01", target) == views["web01", target]
    for name in kept:
        for target in (VDA, VDB):
            assert fake.snapshot_view("web01", name, target) == views["web01", target, name]
    assert not plan_of(fake, went(*kept)).drift
    left = {path for path in fake.world.storage.files if "-s" in path}
    assert left == {overlay("web01", t, name) for t in (VDA, VDB) for name in kept}


@both
def test_two_disks_may_have_changed_names(power: PowerState) -> None:
    fake = host(domain("web01", power, vda="base ← s1", vdb="data ← s1"))
    for definition in fake.domain("web01").definitions:
        one, other = (definition.disk(target) for target in (VDA, VDB))
        assert one is not None
        assert other is not None
        one.target, other.target = VDB, VDA
    views = fake.views()

    assert applied(fake, went()).outcomes[0].status is DomainStatus.APPLIED

    assert fake.guest_view("web01", "vda") == views["web01", "vda"]
    assert fake.guest_view("web01", "vdb") == views["web01", "vdb"]
    assert {d.source for d in fake.domain("web01").definition.disks} == {
        image("base"),
        image("data"),
    }


@both
def test_one_taken_after_the_change_goes_with_one_before(power: PowerState) -> None:
    fake = host(domain("web01", power, vdb="data ← s1"))
    renamed(fake)
    Controller(fake).take("web01", "s2", ["vdc"])
    fake.guest_goes_on("web01")
    views = fake.views()

    assert applied(fake, went()).outcomes[0].status is DomainStatus.APPLIED

    assert fake.guest_view("web01", "vdc") == views["web01", "vdc"]
    assert fake.domain("web01").disk(VDC).source == image("data")
    assert fake.guest_view("web01", "vdb") == views["web01", "vdb"]


def test_what_is_kept_is_no_overlay_without_a_record() -> None:
    fake = drawn(running)

    plan = plan_of(fake, wanted("web01", "s1", "s2", prune=Prune.AUTO))

    assert (steps(plan), codes(plan), plan.drift) == ([], [], ())


@both
def test_a_disk_that_was_detached_keeps_its_work_though_another_has_its_name(
    power: PowerState,
) -> None:
    """Its overlay holds what the guest wrote; nobody names it, and nobody may remove it."""
    fake = host(domain("web01", power, vda="base ← s1", vdb="(golden) ← data ← s1"))
    renamed(fake)
    fake.world.storage.file(image("other")).backing = image("golden")
    for definition in fake.domain("web01").definitions:
        definition.disks = [disk for disk in definition.disks if disk.target != VDC]
    before = fake.content(overlay("web01", VDB, "s1"))

    applied(fake, went())

    assert fake.content(overlay("web01", VDB, "s1")) == before
    assert not [path for path in fake.world.removed if "vdb" in path]


def test_a_revert_puts_the_disk_back_under_its_new_name() -> None:
    fake = drawn(shut_off)
    views = fake.views()
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")

    outcome = applied(fake, wanted("web01", "s1", "s2", revert=back)).outcomes[0]

    assert (outcome.status, outcome.error) == (DomainStatus.APPLIED, None)
    assert fake.guest_view("web01", "vdc") == views["web01", "vdb", "s1"]
    assert fake.guest_view("web01", "vda") == views["web01", "vda", "s1"]
    assert fake.guest_view("web01", "vdb") == views["web01", "vdb"]
    kept = fake.snapshot_view("web01", "before-revert-r1", "vdc")
    assert kept == views["web01", "vdc"]


def test_the_definition_of_that_moment_does_not_know_the_new_name() -> None:
    fake = drawn(shut_off)
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", config=RevertConfig.WHOLE)

    plan = plan_of(fake, wanted("web01", "s1", "s2", revert=back))

    assert codes(plan) == ["RevertNotPossible s1"]
    assert "vdb of that moment is vdc now" in plan.refusals[0].fact("cause")
