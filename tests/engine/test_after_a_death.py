"""What a death at one certain call leaves, found by ``tests/faults``: one test for each such end."""

import pytest

from reconciler.model.desired import DesiredDomain, DesiredRevert, Prune
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, image, overlay, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import Crash
from tests.planning.reading import plan_of, steps

AUTO = Prune.AUTO
S1, S2 = (overlay("web01", "vda", name) for name in ("s1", "s2"))


def dies(fake: FakeHost, wish: DesiredDomain, method: str, moment: str = "after") -> None:
    """A pass that dies there."""

    def fault(_number: int, called: str, when: str) -> None:
        if (called, when) == (method, moment):
            raise Crash

    fake.world.fault = fault
    with pytest.raises(Crash):
        reconciled(fake, desired(wish), PlanRequest())
    fake.world.fault = None


def applied(fake: FakeHost, *names: str, revert: DesiredRevert | None = None) -> None:
    reconciled(fake, desired(wanted("web01", *names, prune=AUTO, revert=revert)), PlanRequest())
    fake.guest_goes_on("web01")


def test_a_new_image_under_the_name_of_a_removed_one_was_not_merged() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    dies(fake, wanted("web01", prune=AUTO), "remove_image")
    applied(fake, "s1")
    applied(fake, "s1", "s2")
    assert fake.domain("web01").record(SnapshotName("s2")).disks[DiskTarget("vda")].source == S1
    held = fake.snapshot_view("web01", "s2", "vda")

    applied(fake, "s1", "s2", revert=DesiredRevert(to=SnapshotName("s1"), request="r1"))

    assert fake.snapshot_view("web01", "s2", "vda") == held


def test_what_the_ledger_lists_of_a_removed_file_is_dropped_by_the_next_plan() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    dies(fake, wanted("web01", prune=AUTO), "remove_image")

    assert steps(plan_of(fake, wanted("web01", "s2"))) == ["remove vda-s1 emptied", "create s2 vda"]
    applied(fake, "s2")

    ledger = fake.domain("web01").ledger
    assert ledger is not None
    assert not ledger.commits
    assert [image.snapshot for image in ledger.images] == ["s2"]


def test_what_is_listed_in_a_folder_that_cannot_be_read_is_not_dropped() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    dies(fake, wanted("web01", prune=AUTO), "remove_image")
    fake.world.storage.folder("/images").is_listed = False

    assert "remove vda-s1 emptied" not in steps(plan_of(fake, wanted("web01", "s2")))


def with_a_side_branch() -> FakeHost:
    """``base ← s1 ← s2 ← s3``, and the guest on another overlay over what s2 froze."""
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))
    Person(fake).revert("web01", "s2", redefine_disks=True)
    fake.guest_goes_on("web01")
    Administrator(fake).start("web01")
    return fake


@pytest.mark.parametrize("when", ["during", "after"])
def test_a_branch_beside_a_merged_image_is_put_on_the_base_by_the_next_plan(when: str) -> None:
    fake = with_a_side_branch()
    held = fake.snapshot_view("web01", "s3", "vda")
    wish = wanted("web01", "s2", "s3", prune=AUTO)
    dies(fake, wish, "commit_live", when)

    applied(fake, "s2", "s3")

    assert fake.world.storage.file(S2).backing == image("base")
    assert S1 not in fake.world.storage.files
    assert fake.snapshot_view("web01", "s3", "vda") == held
    assert not plan_of(fake, wish).drift
