"""A held snapshot whose record was made to lie: nobody removes what it froze, or goes back to less."""

import pytest

from reconciler.model.desired import (
    Desired,
    DesiredDomain,
    DesiredHost,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
    RevertPower,
)
from reconciler.model.drift import ImageOrphaned
from reconciler.model.ledger import MEMORY
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.request import PlanRequest
from tests.engine import oracle
from tests.engine.passes import Pass, planned, reconciled
from tests.fakes import moments
from tests.fakes.administrator import Administrator
from tests.fakes.controller import SOURCE
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import LIBVIRT_9_0, LIBVIRT_11_3, LOCAL, World

KEPT = SnapshotName("before-revert-r1")
TARGETS = ("vda", "vdb")


def desired(*names: str, to: str | None = None, request: str = "r1") -> Desired:
    """These snapshots, and perhaps one to go back to."""
    wish = DesiredDomain(
        host=LOCAL,
        domain="web01",
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(name)) for name in names),
        origin=Origin(manifest="web01.yaml"),
        prune=Prune.CONFIRM,
        revert=DesiredRevert(to=SnapshotName(to), request=request, power=RevertPower.RECORDED)
        if to
        else None,
    )
    return Desired(
        source=SOURCE,
        revision=None,
        is_complete=True,
        hosts=(DesiredHost(name=LOCAL),),
        domains=(wish,),
    )


def applied(fake: FakeHost, wish: Desired) -> Pass:
    """A person's pass; the guest goes on."""
    fake.world.clock.wait(60)
    result = reconciled(fake, wish, PlanRequest())
    moments.after_pass(fake.world)
    fake.guest_goes_on("web01")
    return result


@pytest.fixture(params=[LIBVIRT_9_0, LIBVIRT_11_3], ids=["9.0", "11.3"])
def version(request: pytest.FixtureRequest) -> int:
    """Of libvirt."""
    number: int = request.param
    return number


@pytest.fixture(params=[True, False], ids=["with-memory", "off"])
def fake(request: pytest.FixtureRequest, version: int) -> FakeHost:
    """Step 1 and 2: the present is kept off the live chain, and the record below it is dropped.

    Off, no saved memory tells the truth: the ledger alone does.
    """
    host = FakeHost(World(version=version))
    disks = {target: f"/images/web01-{target}.qcow2" for target in TARGETS}
    Administrator(host).define("web01", disks, running=request.param)
    host.guest_goes_on("web01")
    applied(host, desired("s1"))
    applied(host, desired("s1", "s2"))
    applied(host, desired("s1", "s2", to="s1"))
    assert (host.domain("web01").records[KEPT].memory_file is not None) is request.param
    Person(host).snapshot_delete_metadata("web01", "s2")
    moments.after_deed(host.world)
    return host


def test_what_the_kept_present_froze_is_no_orphan(fake: FakeHost) -> None:
    plan = planned(fake, desired("s1", "s2"), PlanRequest())

    orphans = {d.image for each in plan.domains for d in each.drift if isinstance(d, ImageOrphaned)}
    assert not orphans & _frozen(fake)


def test_the_kept_present_is_called_taken_only_while_its_record_tells_the_truth(
    fake: FakeHost,
) -> None:
    assert not oracle.untrue(fake, planned(fake, desired("s1", "s2"), PlanRequest()))


def test_what_the_kept_present_froze_stays_when_the_snapshot_above_which_it_stood_goes(
    fake: FakeHost,
) -> None:
    frozen = _frozen(fake)

    applied(fake, desired("s1"))

    assert frozen <= set(fake.world.storage.files)


def test_a_revert_to_the_kept_present_brings_it_back_or_is_refused(fake: FakeHost) -> None:
    applied(fake, desired("s1"))
    present = {target: fake.guest_view("web01", target) for target in TARGETS}

    result = applied_only(fake, desired("s1", to=KEPT, request="r2"))

    assert not fake.world.moments.wrongly_resumed
    expected = present if result.domain.refusals else _held(fake)
    assert {target: fake.guest_view("web01", target) for target in TARGETS} == expected


def applied_only(fake: FakeHost, wish: Desired) -> Pass:
    """With nobody writing afterwards."""
    fake.world.clock.wait(60)
    return reconciled(fake, wish, PlanRequest())


def _moment(fake: FakeHost) -> moments.Moment:
    (found,) = [m for m in fake.world.moments.taken if m.name == KEPT]
    return found


def _frozen(fake: FakeHost) -> set[ImagePath]:
    return {place.image for place in _moment(fake).places.values()}


def _held(fake: FakeHost) -> dict[str, object]:
    return {str(t): content for t, content in _moment(fake).held.items() if t != MEMORY}
