"""What a revert left when virtsnap died in it, and what the next plan does about it."""

from dataclasses import replace

import pytest

from reconciler.model.action import Risk
from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Prune, RevertPower
from reconciler.model.names import SnapshotName
from reconciler.model.request import Consent, PlanRequest
from tests.drawing import desired, domain, host, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import Crash
from tests.planning.reading import codes, kinds, plan_of, steps
from tests.planning.test_revert import back, inside, two_snapshots


def dying(
    fake: FakeHost, wish: DesiredDomain, method: str, moment: str, *, passing: int = 0
) -> None:
    """A pass that ends there, after so many such moments."""
    left = passing

    def fault(_number: int, called: str, when: str) -> None:
        nonlocal left
        if (called, when) == (method, moment):
            left -= 1
            if left < 0:
                raise Crash

    fake.world.fault = fault
    with pytest.raises(Crash):
        reconciled(fake, desired(wish), PlanRequest())
    fake.world.fault = None


def test_a_present_that_was_given_up_is_removed_also_by_the_next_plan() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", prune=Prune.NEVER, revert=back("s1", discards=True))
    dying(fake, wish, "define_reverted", "after")

    plan = plan_of(fake, wish)

    assert steps(plan)[0] == "remove vda-s2 abandoned"
    assert plan.steps[0].risk is Risk.DESTRUCTIVE
    reconciled(fake, desired(wish), PlanRequest())
    assert not plan_of(fake, wish).drift
    assert "/images/web01-vda-s2.qcow2" not in fake.world.storage.files


def test_a_given_up_image_that_somebody_uses_again_stays() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", prune=Prune.NEVER, revert=back("s1", discards=True))
    dying(fake, wish, "define_reverted", "after")
    administrator = Administrator(fake)
    administrator.edit("web01", "vda", "/images/web01-vda-s2.qcow2")
    fake.guest_goes_on("web01")
    between = reconciled(fake, desired(wish), PlanRequest())
    assert between.outcomes[0].steps_done
    assert not any("vda-s2 " in line for line in steps(between.domain))

    Person(fake).revert("web01", "s1", redefine_disks=True)

    assert not any("remove vda-s2" in line for line in steps(plan_of(fake, wish)))


def half_reverted(*, discards: bool = False) -> tuple[FakeHost, DesiredDomain]:
    """libvirt has gone back to i1, definition and all; then virtsnap died."""
    fake = host(domain("web01", shut_off, vda="base"))
    administrator = Administrator(fake)
    administrator.change_hardware("web01", "then")
    Controller(fake).take("web01", "i1", inside=True)
    fake.guest_goes_on("web01")
    administrator.change_hardware("web01", "now")
    wish = wanted("web01", inside("i1"), revert=back("i1", discards=discards))
    dying(fake, wish, "revert_internal", "during", passing=1)
    assert hardware(fake) == "then"
    return fake, wish


def hardware(fake: FakeHost) -> str:
    persistent = fake.domain("web01").persistent
    assert persistent is not None
    return persistent.hardware


@pytest.mark.parametrize("discards", [False, True])
def test_the_definition_is_put_back_by_the_next_plan(*, discards: bool) -> None:
    fake, wish = half_reverted(discards=discards)
    Administrator(fake).lose_machine("web01")

    plan = plan_of(fake, wish)

    assert steps(plan) == [
        "define definition-before-revert-r1",
        "forget definition-before-revert-r1",
    ]
    assert kinds(plan)[0] == "DefinitionOwed definition-before-revert-r1"
    reconciled(fake, desired(wish), PlanRequest())
    assert hardware(fake) == "now"
    assert not plan_of(fake, wish).drift


def test_another_revert_of_the_same_disks_ends_what_one_before_it_left_half_done() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    for name in ("i1", "i2"):
        Controller(fake).take("web01", name, inside=True)
        fake.guest_goes_on("web01")
    wish = wanted("web01", inside("i1"), inside("i2"))
    first = replace(wish, revert=back("i1", "r1", discards=True, power=RevertPower.RUNNING))
    dying(fake, first, "revert_internal", "during")
    second = replace(wish, revert=back("i2", "r2", discards=True, power=RevertPower.RUNNING))

    reconciled(fake, desired(second), PlanRequest())

    assert fake.domain("web01").power == "running"
    assert not codes(plan_of(fake, second))


def test_a_kept_definition_that_somebody_dropped_is_told_to_a_person() -> None:
    fake, wish = half_reverted()
    Person(fake).snapshot_delete_metadata("web01", "definition-before-revert-r1")

    plan = plan_of(fake, wish, request=PlanRequest(consent=Consent.LOOP))

    assert steps(plan)[0] == "define definition-before-revert-r1 lost"
    assert plan.warnings
    assert plan.held
    reconciled(fake, desired(wish), PlanRequest())
    assert hardware(fake) == "then"
    assert not plan_of(fake, wish).drift


def test_a_definition_that_does_not_fit_any_more_is_kept_for_a_person() -> None:
    fake, wish = half_reverted()
    Person(fake).snapshot_create("web01", "u1", ["vda"])
    fake.guest_goes_on("web01")
    present = fake.guest_view("web01", "vda")
    again = replace(wish, revert=back("i1", "r2"))

    reconciled(fake, desired(wish), PlanRequest())

    assert "DefinitionOwed" in codes(plan_of(fake, wish))
    assert "RevertNotPossible i1" in codes(plan_of(fake, again))
    assert fake.guest_view("web01", "vda") == present
    assert SnapshotName("definition-before-revert-r1") in fake.domain("web01").records
    Person(fake).snapshot_delete_metadata("web01", "definition-before-revert-r1")
    reconciled(fake, desired(wish), PlanRequest())
    assert not codes(plan_of(fake, wish))


def test_the_present_is_not_kept_twice_by_who_goes_on_after_a_crash() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "i1", inside=True)
    fake.guest_goes_on("web01")
    wish = wanted("web01", inside("i1"), revert=back("i1"))
    dying(fake, wish, "mark_record", "after")

    assert steps(plan_of(fake, wish)) == [
        "forget definition-before-revert-r1",
        "revert i1 inside vda",
    ]

    fake.guest_goes_on("web01")
    assert steps(plan_of(fake, wish)) == [
        "forget definition-before-revert-r1",
        "create before-revert-r1-2 vda internal",
        "revert i1 inside vda",
    ]


def test_what_is_written_after_the_present_was_kept_is_not_lost() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "i1", inside=True)
    fake.guest_goes_on("web01")
    wish = wanted("web01", inside("i1"), revert=back("i1"))

    def somebody_writes(_number: int, method: str, moment: str) -> None:
        if (method, moment) == ("create_snapshot", "after"):
            fake.world.fault = None
            fake.guest_goes_on("web01")

    fake.world.fault = somebody_writes
    result = reconciled(fake, desired(wish), PlanRequest())

    assert [r.code.value for r in result.outcomes[0].refusals] == ["RevertNotPossible"]
    assert fake.guest_view("web01", "vda") != fake.snapshot_view("web01", "i1", "vda")


def test_what_is_half_reverted_is_made_whole_before_anything_is_taken_of_it() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "i1", inside=True)
    fake.guest_goes_on("web01")
    wish = wanted("web01", inside("i1"))
    going = replace(wish, revert=back("i1", discards=True))
    dying(fake, going, "revert_internal", "during")
    more = wanted("web01", inside("i1"), DesiredSnapshot(name=SnapshotName("s3")))

    dropped = plan_of(fake, more)
    plan = plan_of(fake, replace(more, revert=going.revert))

    assert not any(step.startswith("create") for step in steps(dropped)), steps(dropped)
    assert "DomainBusy" in codes(dropped)
    found = [step.split()[0] for step in steps(plan)]
    assert found.index("revert") < found.index("create"), found
    assert not codes(plan)
