"""A hold: no pruning takes the snapshot until the hold is ended."""

import pytest

from reconciler.model.action import CommitMethod, CommitOverlays
from reconciler.model.desired import DesiredSnapshot, Prune
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.plan import DomainPlan
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from reconciler.planning import consolidation, releasing, safety
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of
from tests.drawing import desired, domain, host, image, overlay, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes, gone, kinds, plan_of, steps

S1 = SnapshotName("s1")


def protected(value: bool | None, name: str = "s1") -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), protect=value)


def world(fake: FakeHost) -> World:
    index = index_of(fake.observe())
    return world_of(index, index.host.domains[0])


def is_held(fake: FakeHost, name: str = "s1") -> bool:
    record = world(fake).domain.record(name)
    assert record is not None
    return world(fake).is_held(record)


def held_host() -> FakeHost:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    Controller(fake).hold("web01", "s1")
    return fake


def test_it_is_born_with_the_snapshot() -> None:
    fake = host(domain("web01", vda="base"))

    reconciled(fake, desired(wanted("web01", protected(value=True))), PlanRequest())

    record = world(fake).domain.record("s1")
    assert record is not None
    assert record.is_held
    assert is_held(fake)
    assert steps(plan_of(fake, wanted("web01", protected(value=True)))) == []


def test_it_is_put_on_a_taken_one_and_ended_by_an_explicit_false_alone() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = wanted("web01", protected(value=True))

    assert steps(plan_of(fake, wish)) == ["redefine s1 held"]
    assert kinds(plan_of(fake, wish)) == ["HoldDiffers s1"]
    reconciled(fake, desired(wish), PlanRequest())
    assert is_held(fake)

    assert steps(plan_of(fake, wanted("web01", protected(value=None)))) == []
    end = wanted("web01", protected(value=False))
    assert steps(plan_of(fake, end)) == ["release s1"]
    reconciled(fake, desired(end), PlanRequest())
    assert not is_held(fake)
    assert steps(plan_of(fake, end)) == []


@pytest.mark.parametrize("prune", list(Prune))
def test_undeclared_it_stays_and_is_no_drift(prune: Prune) -> None:
    fake = held_host()

    plan = plan_of(fake, wanted("web01", "s2", prune=prune, max_depth=1))

    assert steps(plan) == []
    assert kinds(plan) == ["ChainTooDeep"]


def test_its_neighbours_go_without_it() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2 ← s3"))
    Controller(fake).hold("web01", "s2")
    before = fake.snapshot_view("web01", "s2", "vda")

    reconciled(fake, desired(wanted("web01", prune=Prune.AUTO)), PlanRequest())

    assert set(fake.domain("web01").records) == {"s2"}
    assert fake.snapshot_view("web01", "s2", "vda") == before
    assert is_held(fake, "s2")


def test_a_manifest_that_has_gone_is_reported_and_the_held_one_stays() -> None:
    fake = held_host()
    request = PlanRequest(prune_gone=Prune.AUTO)

    plan = gone(fake, "web01", desired(), request)
    assert kinds(plan) == ["SnapshotUndeclared s2", "ManifestGone"]
    reconciled(fake, desired(), request)

    assert set(fake.domain("web01").records) == {"s1"}
    left = gone(fake, "web01", desired(), request)
    assert (kinds(left), steps(left)) == (["ManifestGone"], [])


def test_its_record_is_not_forgotten_when_it_holds_nothing_any_more() -> None:
    fake = held_host()
    fake.domain("web01").definition.disks[0].source = image("base")
    fake.domain("web01").definition.disks[0].stated = (image("base"),)
    Administrator(fake).shut_off("web01")

    plan = plan_of(fake, wanted("web01", "s1", prune=Prune.AUTO))

    assert not [step for step in steps(plan) if step.startswith("forget s1")]


def test_half_a_hold_holds_and_is_made_whole() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Controller(fake).hold("web01", "s1", until="intended")

    assert steps(plan_of(fake, wanted("web01", prune=Prune.AUTO))) == []
    wish = wanted("web01", protected(value=True))
    assert steps(plan_of(fake, wish)) == ["redefine s1 held"]


def test_it_survives_the_loss_of_the_ledger() -> None:
    fake = held_host()
    Administrator(fake).lose_ledger("web01")
    wish = wanted("web01", "s2", prune=Prune.AUTO)

    reconciled(fake, desired(wish), PlanRequest())

    assert is_held(fake)
    assert steps(plan_of(fake, wish)) == []


def test_whatever_asks_for_its_removal_is_refused() -> None:
    fake = held_host()
    commit = CommitOverlays(
        disk=DiskTarget("vda"),
        base=image("base"),
        base_format="qcow2",
        merged=(overlay("web01", "vda", "s1"),),
        method=CommitMethod.LIVE,
        snapshots=(S1,),
    )

    asked = consolidation.consolidate(world(fake), frozenset({S1}), frozenset())
    why = safety.why_not_commit(world(fake), commit, frozenset({S1}))

    assert not asked.actions
    assert [r.code for r in asked.refusals] == [RefusalCode.SNAPSHOT_HELD]
    assert why is not None
    assert why.code is RefusalCode.SNAPSHOT_HELD


def test_one_inside_its_image_is_not_deleted() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "s1", inside=True, is_held=True)

    asked = consolidation.consolidate(world(fake), frozenset({S1}), frozenset())

    assert not asked.actions
    assert [r.code for r in asked.refusals] == [RefusalCode.SNAPSHOT_HELD]
    assert steps(plan_of(fake, wanted("web01", prune=Prune.AUTO))) == []


def test_what_has_begun_to_be_removed_is_not_held() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Controller(fake).begin_removal("web01", "s1", until="started")
    Controller(fake).hold("web01", "s1")

    assert not is_held(fake)


# --- released by its name


def released(fake: FakeHost, name: str = "s1") -> DomainPlan:
    observed = fake.observe()
    return releasing.release(desired().hosts[0], observed, observed.domains[0], SnapshotName(name))


def test_releasing_is_one_step_where_there_is_a_hold() -> None:
    fake = held_host()

    assert steps(released(fake)) == ["release s1"]
    assert steps(released(fake, "s2")) == []


def test_releasing_waits_like_any_other_change() -> None:
    fake = held_host()
    Person(fake).domain_job("web01", "backup")

    plan = released(fake)

    assert steps(plan) + codes(plan) == ["DomainBusy"]
