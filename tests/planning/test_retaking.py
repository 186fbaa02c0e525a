"""``ifLost: retake``: what was taken and has vanished is taken again, as a new moment."""

import pytest

from reconciler.model.desired import DesiredSnapshot, Prune
from reconciler.model.names import SnapshotName
from reconciler.model.request import Consent, PlanRequest, Selection
from tests.drawing import desired, domain, host, overlay, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import LIBVIRT_11_3
from tests.planning.reading import codes, kinds, plan_of, steps


def again(name: str = "s1", **fields: object) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), is_retaken=True, **fields)  # type: ignore[arg-type]


def without_record(drawn: str = "base ← s1") -> FakeHost:
    fake = host(domain("web01", vda=drawn), version=LIBVIRT_11_3)
    Person(fake).snapshot_delete_metadata("web01", "s1")
    return fake


def test_it_is_forgotten_and_taken_under_names_that_are_free() -> None:
    fake = without_record()
    old = fake.read_ledger(fake.domain("web01").uuid)
    wish = wanted("web01", again())

    plan = plan_of(fake, wish)
    reconciled(fake, desired(wish), PlanRequest(consent=Consent.LOOP))

    assert steps(plan) == ["forget s1 entry", "create s1 vda"]
    assert codes(plan) == []
    assert "SnapshotLost s1" in kinds(plan)
    taken = overlay("web01", "vda", "s1").replace("s1.qcow2", "s1.2.qcow2")
    assert (
        fake.domain("web01").disk(fake.domain("web01").definition.disks[0].target).source == taken
    )
    new = fake.read_ledger(fake.domain("web01").uuid)
    assert old is not None
    assert new is not None
    assert new.entries[0].uid != old.entries[0].uid
    after = plan_of(fake, wish)
    assert (steps(after), kinds(after)) == ([], [])


def test_without_it_nothing_is_taken() -> None:
    plan = plan_of(without_record(), wanted("web01", "s1"))

    assert steps(plan) + codes(plan) == ["SnapshotLost s1"]


def test_where_it_cannot_be_taken_it_is_not_forgotten_either() -> None:
    fake = without_record()
    wish = wanted("web01", again(), "s2", max_depth=1)

    plan = plan_of(fake, wish)

    assert steps(plan) == []
    assert codes(plan) == ["ChainTooDeep s1", "OrderNotMet s2"]


def test_a_record_of_that_name_by_somebody_else_is_in_the_way() -> None:
    fake = without_record()
    Person(fake).snapshot_create("web01", "s1")

    plan = plan_of(fake, wanted("web01", again()))

    assert steps(plan) + codes(plan) == ["NameTaken s1"]


def test_absent_storage_is_no_loss() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    Person(fake).revert("web01", "s1", redefine_disks=True)
    Person(fake).remove_file(overlay("web01", "vda", "s1"))

    for prune in Prune:
        plan = plan_of(fake, wanted("web01", "s1", again("s2"), prune=prune))
        assert codes(plan) == ["StorageAbsent s2"]
        assert not [step for step in steps(plan) if step.startswith("create")]


def test_what_was_overwritten_is_lost_and_taken_again_once_its_record_is_forgotten() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Administrator(fake).shut_off("web01")
    Person(fake).qemu_img_commit(overlay("web01", "vda", "s1"))
    disk = fake.domain("web01").definition.disks[0]
    disk.source, disk.stated = fake.world.storage.file(disk.source).backing or disk.source, None

    plan = plan_of(fake, wanted("web01", again(), prune=Prune.AUTO))

    assert steps(plan)[:3] == ["forget s1 as lost", "forget s1 entry", "create s1 vda"]
    assert codes(plan) == []
    # as long as nobody may forget the record, it stays lost
    kept = plan_of(fake, wanted("web01", again()))
    assert steps(kept) + codes(kept) == ["SnapshotLost s1"]


def test_a_lost_ledger_is_written_anew_first() -> None:
    fake = without_record("base ← s1 ← s2")
    Administrator(fake).lose_ledger("web01")
    wish = wanted("web01", again(), "s2")

    first = plan_of(fake, wish)
    reconciled(fake, desired(wish), PlanRequest())

    assert steps(first) == ["adopt s2 taken", "adopt s1 lost"]
    assert codes(first) == ["SnapshotLost s1"]
    assert steps(plan_of(fake, wish)) == ["forget s1 entry", "create s1 vda"]


@pytest.mark.parametrize(("target", "number"), [("web01/s1", 2), ("web01/s2", 0)])
def test_a_target_that_leaves_it_out_leaves_it_alone(target: str, number: int) -> None:
    request = PlanRequest(selection=Selection(targets=(target,)))

    plan = plan_of(without_record(), wanted("web01", again()), request=request)

    assert len(steps(plan)) == number
    assert codes(plan) == []
