"""Internal snapshots that are called by a number: QEMU looks for its own number before a name."""

from dataclasses import replace

import pytest

from reconciler.model.chain import Image
from reconciler.model.desired import DesiredRevert, DesiredSnapshot, Prune, Unmanaged
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, image, running, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes, plan_of, steps
from tests.planning.test_kinds import inside

both = pytest.mark.parametrize("power", [shut_off, running])


def taken(power: PowerState, *names: str, **disks: str) -> FakeHost:
    fake = host(domain("web01", power, **(disks or {"vda": "base"})))
    for name in names:
        Controller(fake).take("web01", name, inside=True)
        fake.guest_goes_on("web01")
    return fake


def back(to: str, *, discards: bool = True) -> DesiredRevert:
    return DesiredRevert(to=SnapshotName(to), request="r1", discards=discards)


def declared(power: PowerState, *names: str) -> list[DesiredSnapshot]:
    return [inside(name, memory=power is running) for name in names]


@both
def test_going_back_to_what_is_the_number_of_another_is_refused(power: PowerState) -> None:
    fake = taken(power, "2", "1")
    views = fake.views()

    for name, other in (("1", "2"), ("2", "1")):
        wish = wanted("web01", *declared(power, "2", "1"), revert=back(name))
        plan = plan_of(fake, wish)

        (why,) = plan.refusals
        assert why.code == "RevertNotPossible"
        assert f"also holds {other}, whose number is {name}" in why.fact("cause")
        reconciled(fake, desired(wish), PlanRequest())
        assert fake.views() == views


@both
def test_a_number_that_is_its_own_is_no_fault(power: PowerState) -> None:
    fake = taken(power, "1", "daily")
    view = fake.snapshot_view("web01", "1", "vda")

    wish = wanted("web01", *declared(power, "1", "daily"), revert=back("1"))
    reconciled(fake, desired(wish), PlanRequest())

    assert fake.guest_view("web01", "vda") == view


def test_the_snapshot_that_keeps_the_present_may_get_the_number() -> None:
    fake = taken(shut_off, "2")
    views = fake.views()

    wish = wanted("web01", *declared(shut_off, "2"), revert=back("2", discards=False))
    plan = plan_of(fake, wish)
    assert codes(plan) == ["RevertNotPossible 2"]
    reconciled(fake, desired(wish), PlanRequest())
    assert fake.views() == views

    wish = wanted("web01", *declared(shut_off, "2"), revert=back("2"))
    reconciled(fake, desired(wish), PlanRequest())
    assert fake.guest_view("web01", "vda") == views["web01", "vda", "2"]


@both
@pytest.mark.parametrize("name", ["1", "7", "2026"])
def test_what_may_be_a_number_is_not_taken_inside(power: PowerState, name: str) -> None:
    fake = taken(power)

    plan = plan_of(fake, wanted("web01", *declared(power, name)))

    assert codes(plan) == [f"InternalNotPossible {name}"]
    outside = wanted("web01", DesiredSnapshot(name=SnapshotName(name)))
    assert codes(plan_of(fake, outside)) == []


@both
@pytest.mark.parametrize("name", ["007", "1a", "2026-01-01", "-1", "\u0661", "1 2"])
def test_what_is_no_number_is_taken(power: PowerState, name: str) -> None:
    assert codes(plan_of(taken(power), wanted("web01", *declared(power, name)))) == []


@both
def test_one_that_would_get_the_number_of_another_is_not_taken(power: PowerState) -> None:
    """Also when it is the second disk alone that numbers it so."""
    fake = taken(power, "3", vda="base", vdb="data")
    Person(fake)
    fake.world.storage.file(image("data")).ids["3"] = "2"

    plan = plan_of(fake, wanted("web01", *declared(power, "3", "daily")))

    assert codes(plan) == ["InternalNotPossible daily"]
    assert str(image("data")) in plan.refusals[0].fact("cause")


@both
def test_removal_goes_by_the_name(power: PowerState) -> None:
    fake = taken(power, "2", "1")
    view = fake.snapshot_view("web01", "2", "vda")

    wish = wanted("web01", *declared(power, "2"), prune=Prune.AUTO)
    assert steps(plan_of(fake, wish)) == ["delete 1 vda=base"]
    reconciled(fake, desired(wish), PlanRequest())

    assert fake.snapshot_view("web01", "2", "vda") == view


def test_one_that_cannot_be_gone_back_to_is_not_adopted() -> None:
    fake = taken(shut_off, "2")
    Person(fake).snapshot_internal("web01", "1")
    before = fake.views()

    wish = wanted("web01", *declared(shut_off, "2", "1"), unmanaged=Unmanaged.ADOPT)
    plan = plan_of(fake, wish)

    assert codes(plan) == ["NotAdoptable 1"]
    assert "whose number is 1" in plan.refusals[0].fact("cause")
    reconciled(fake, desired(wish), PlanRequest())
    assert fake.views() == before


def test_where_the_numbers_are_not_known_a_number_is_not_gone_back_to() -> None:
    """As in a host that was recorded by an older version."""
    known = Image(path=ImagePath("/i"), format="qcow2", internal_snapshots=("1", "b"))

    assert known.mistaken_for("1") == ""
    assert known.mistaken_for("b") is None
    assert replace(known, internal_snapshots=("1",)).mistaken_for("1") is None
    assert replace(known, internal_ids=("2", "1")).mistaken_for("1") == "b"
    assert replace(known, internal_ids=("1", "2")).mistaken_for("1") is None
