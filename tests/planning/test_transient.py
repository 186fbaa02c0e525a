"""Domains that no definition outlives: what is done, what is refused, and what comes back."""

from reconciler.model.desired import DesiredRevert, DesiredSnapshot, Power, Prune, Unmanaged
from reconciler.model.names import SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import Consent, PlanRequest
from tests.drawing import desired, domain, host, image, overlay, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes, kinds, plan_of, steps

AUTO = Prune.AUTO
S1 = DesiredSnapshot(name=SnapshotName("s1"))


def transient(drawn: str = "base") -> FakeHost:
    """A running domain that was undefined."""
    fake = host(domain("web01", vda=drawn))
    Administrator(fake).undefine("web01")
    return fake


def test_it_is_snapshotted_live_and_told_what_that_is_worth() -> None:
    fake = transient()
    memory = DesiredSnapshot(name=SnapshotName("m1"), memory=True)

    plan = plan_of(fake, wanted("web01", "s1", memory))
    result = reconciled(fake, desired(wanted("web01", "s1", memory)), PlanRequest())

    assert steps(plan) + codes(plan) == ["create s1 vda", "create m1 vda memory"]
    (warning,) = plan.warnings
    assert "web01 is transient: when it stops" in warning
    assert result.outcomes[0].error is None
    after = plan_of(fake, wanted("web01", "s1", memory))
    assert kinds(after) + codes(after) == []
    assert not after.warnings


def test_it_is_consolidated_live_without_being_stopped() -> None:
    fake = transient("base ← s1 ← s2")
    view = fake.guest_view("web01", "vda")

    result = reconciled(fake, desired(wanted("web01", prune=AUTO)), PlanRequest())

    assert result.outcomes[0].error is None
    assert not fake.domain("web01").records
    assert set(fake.world.storage.files) == {image("base")}
    assert fake.guest_view("web01", "vda") == view
    assert fake.domain("web01").power is PowerState.RUNNING


def test_what_needs_it_off_is_refused_with_the_way_out() -> None:
    off = DesiredSnapshot(name=SnapshotName("n1"), power=Power.OFF)
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")
    fake = transient("base ← s1")

    for wish in (wanted("web01", "s1", off), wanted("web01", "s1", revert=back)):
        plan = plan_of(fake, wish)
        assert steps(plan) == []
        assert [r.code for r in plan.refusals] == [RefusalCode.DOMAIN_TRANSIENT]

    Administrator(fake).define_again("web01")
    assert codes(plan_of(fake, wanted("web01", "s1", revert=back))) == []


def test_an_internal_one_out_of_reach_is_refused_as_transient() -> None:
    fake = host(domain("web01", vda="base"))
    Person(fake).snapshot_internal("web01", "u1")
    Person(fake).snapshot_create("web01", "u2")
    names = [DesiredSnapshot(name=SnapshotName(name)) for name in ("u1", "u2")]
    adopt = wanted("web01", *names, unmanaged=Unmanaged.ADOPT)
    reconciled(fake, desired(adopt), PlanRequest())
    Administrator(fake).undefine("web01")

    plan = plan_of(fake, wanted("web01", "u2", prune=AUTO))

    assert codes(plan) == ["DomainTransient u1"]


def test_created_anew_from_a_dump_its_snapshots_are_lost_and_its_data_is_kept() -> None:
    fake = transient("base ← s1")
    view = fake.guest_view("web01", "vda")
    Administrator(fake).create_anew("web01")

    plan = plan_of(fake, wanted("web01", "s1", prune=AUTO))
    assert steps(plan) == []
    assert codes(plan) == ["SnapshotLost s1"]
    assert kinds(plan) == ["SnapshotLost s1", "OverlayUnrecorded s1"]

    reconciled(fake, desired(wanted("web01", prune=AUTO)), PlanRequest(consent=Consent.LOOP))
    assert set(fake.world.storage.files) == {image("base")}
    assert fake.guest_view("web01", "vda") == view


def test_created_anew_from_an_older_file_its_snapshots_are_lost_and_its_overlays_stay() -> None:
    fake = transient("base ← s1")
    back = DesiredRevert(to=SnapshotName("s1"), request="r1")
    Administrator(fake).create_anew("web01", {"vda": image("base")})
    fake.guest_goes_on("web01")
    view = fake.guest_view("web01", "vda")
    wish = wanted("web01", "s1", prune=AUTO, revert=back)

    first = reconciled(fake, desired(wish), PlanRequest())
    second = reconciled(fake, desired(wish), PlanRequest())

    # the journal of this machine knows that there was a ledger
    assert codes(first.domain) == ["SnapshotLost s1", "RevertUnproven s1"]
    assert codes(second.domain) == ["SnapshotLost s1", "RevertUnproven s1"]
    assert steps(second.domain) == []
    assert overlay("web01", "vda", "s1") in fake.world.storage.files
    assert fake.guest_view("web01", "vda") == view


def test_what_stands_on_the_image_that_it_writes_to_again_stays_and_is_in_the_way() -> None:
    fake = transient("base ← s1")
    Administrator(fake).create_anew("web01", {"vda": image("base")})
    left = overlay("web01", "vda", "s1")
    retaken = DesiredSnapshot(name=SnapshotName("s1"), is_retaken=True)
    for _ in range(2):
        reconciled(fake, desired(wanted("web01", retaken, prune=AUTO)), PlanRequest())
    assert set(fake.domain("web01").records) == {"s1"}

    plan = plan_of(fake, wanted("web01", prune=AUTO))

    assert codes(plan) == ["UnmanagedReader s1"]
    assert plan.refusals[0].fact("readers") == left
    assert left in fake.world.storage.files
