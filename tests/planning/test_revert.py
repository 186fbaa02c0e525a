"""Going back to a snapshot: the steps, and why not."""

from dataclasses import replace

import pytest

from reconciler.model.action import Risk
from reconciler.model.desired import (
    CaptureType,
    DesiredRevert,
    DesiredSnapshot,
    Disruption,
    Power,
    Prune,
    RevertPower,
)
from reconciler.model.domain import DiskKind
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.request import Consent, PlanRequest
from reconciler.planning import differ
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.drawing import desired, domain, host, managed, paused, shut_off, unmanaged, wanted
from tests.engine import oracle
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import Crash
from tests.planning.reading import codes, plan_of, steps


def back(to: str, request: str = "r1", **rest: object) -> DesiredRevert:
    return DesiredRevert(to=SnapshotName(to), request=request, **rest)  # type: ignore[arg-type]


def with_memory(name: str, skip: str | None = None) -> DesiredSnapshot:
    skipped = frozenset({DiskTarget(skip)} if skip else ())
    return DesiredSnapshot(name=SnapshotName(name), memory=True, skip=skipped)


def inside(name: str) -> DesiredSnapshot:
    return DesiredSnapshot(name=SnapshotName(name), type=CaptureType.INTERNAL)


def two_snapshots() -> FakeHost:
    return host(domain("web01", shut_off, vda="base ← s1 ← s2"))


def test_the_present_is_kept_and_the_disk_put_on_a_new_overlay() -> None:
    plan = plan_of(two_snapshots(), wanted("web01", "s1", "s2", revert=back("s1")))

    assert steps(plan) == [
        "create before-revert-r1 vda",
        "revert s1 vda=vda-s1.2",
        "remove vda-before-revert-r1 unused",
        "redefine s1 current",
        "redefine s1 vda=vda-s1.2",
    ]
    assert not plan.refusals


def test_what_a_revert_left_when_it_died_is_removed() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", revert=back("s1"))

    def dying(_number: int, method: str, moment: str) -> None:
        if (method, moment) == ("define_reverted", "after"):
            raise Crash

    fake.world.fault = dying
    with pytest.raises(Crash):
        reconciled(fake, desired(wish), PlanRequest())
    fake.world.fault = None

    plan = plan_of(fake, wish)

    assert steps(plan) == [
        "remove vda-before-revert-r1 unused",
        "redefine s1 current",
        "redefine s1 vda=vda-s1.2",
    ]
    reconciled(fake, desired(wish), PlanRequest())
    assert not plan_of(fake, wish).steps


def test_a_present_that_is_given_up_is_removed() -> None:
    wish = wanted("web01", "s1", "s2", revert=back("s1", discards=True))

    assert steps(plan_of(two_snapshots(), wish)) == [
        "revert s1 vda=vda-s1.2",
        "remove vda-s2 abandoned",
        "redefine s1 current",
        "redefine s1 vda=vda-s1.2",
    ]


def test_a_request_is_done_once() -> None:
    fake = two_snapshots()
    wish = desired(wanted("web01", "s1", "s2", revert=back("s1")))
    reconciled(fake, wish, PlanRequest())
    at_s1 = fake.snapshot_view("web01", "s1", "vda")
    assert fake.guest_view("web01", "vda") == at_s1
    fake.guest_goes_on("web01")
    written = fake.guest_view("web01", "vda")

    again = reconciled(fake, wish, PlanRequest())

    assert not again.domain.steps
    assert not again.domain.drift
    assert fake.guest_view("web01", "vda") == written


def test_a_request_that_was_done_for_another_snapshot_is_refused() -> None:
    fake = two_snapshots()
    reconciled(fake, desired(wanted("web01", "s1", "s2", revert=back("s1"))), PlanRequest())

    plan = plan_of(fake, wanted("web01", "s1", "s2", revert=back("s2")))

    assert codes(plan) == ["RequestReused s2"]
    assert not plan.steps


def test_a_request_from_before_the_ledger_was_lost_is_not_done() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", revert=back("s1"))
    Administrator(fake).lose_ledger("web01")

    first = reconciled(fake, desired(wish), PlanRequest())
    second = plan_of(fake, wish)

    assert [line for line in steps(first.domain) if "request" in line] == [
        "adopt-request r1 unproven"
    ]
    assert codes(second) == ["RevertUnproven s1"]
    assert steps(plan_of(fake, replace(wish, revert=back("s1", "r2"))))


def test_a_request_that_the_journal_knows_is_done() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", revert=back("s1"))
    reconciled(fake, desired(wish), PlanRequest())
    Administrator(fake).lose_ledger("web01")

    rebuilt = reconciled(fake, desired(wish), PlanRequest())

    assert "adopt-request r1 done" in steps(rebuilt.domain)
    assert not codes(plan_of(fake, wish))


@pytest.mark.parametrize("is_known", [True, False], ids=["done", "unproven"])
def test_a_ledger_that_is_rebuilt_while_nothing_else_may_be_done_knows_the_request_too(
    is_known: bool,
) -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", revert=back("s1", discards=True))
    if is_known:
        reconciled(fake, desired(wish), PlanRequest())
    Administrator(fake).lose_ledger("web01")
    fake.domain("web01").has_managed_save = True

    blocked = reconciled(fake, desired(wish), PlanRequest())
    fake.domain("web01").has_managed_save = False

    assert "ManagedSave" in codes(blocked.domain)
    assert [line for line in steps(blocked.domain) if "request" in line] == [
        f"adopt-request r1 {'done' if is_known else 'unproven'}"
    ]
    assert not [s for s in steps(plan_of(fake, wish)) if s.startswith("revert")]


def test_a_request_that_a_record_knows_is_done() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s1", "s2", revert=back("s1"))
    reconciled(fake, desired(wish), PlanRequest())
    reconciled(fake, desired(wanted("web01", "s1", "s2", "s3", revert=back("s1"))), PlanRequest())
    Administrator(fake).lose_ledger("web01")
    Administrator(fake).lose_machine("web01")

    reconciled(fake, desired(wish), PlanRequest())

    assert not codes(plan_of(fake, wanted("web01", "s1", "s2", "s3", revert=back("s1"))))


def test_a_snapshot_that_is_to_be_gone_back_to_is_not_removed() -> None:
    fake = two_snapshots()
    wish = wanted("web01", "s2", prune=Prune.AUTO, revert=back("s1"))

    plan = plan_of(fake, wish)

    assert "revert s1 vda=vda-s1.2" in steps(plan)
    assert not any("forget s1" in line for line in steps(plan))


def test_back_and_forth_between_branches() -> None:
    fake = two_snapshots()
    names = ("s1", "s2")
    views = {name: fake.snapshot_view("web01", name, "vda") for name in names}
    for number, name in enumerate(("s1", "s2", "s1", "s2", "s2", "s1")):
        before = oracle.seen(fake)
        wish = desired(wanted("web01", *names, revert=back(name, f"r{number}")))

        result = reconciled(fake, wish, PlanRequest())

        assert not result.outcomes[0].error
        assert not oracle.lost(fake, before, wish)
        assert fake.guest_view("web01", "vda") == views[name]
        assert {n: fake.snapshot_view("web01", n, "vda") for n in names} == views
        fake.guest_goes_on("web01")


def test_a_snapshot_that_is_taken_anew_is_no_target_of_the_same_plan() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Person(fake).qemu_img_commit("/images/web01-vda-s1.qcow2")
    Administrator(fake).edit("web01", "vda", "/images/base.qcow2")
    s1 = DesiredSnapshot(name=SnapshotName("s1"), is_retaken=True)

    plan = plan_of(fake, wanted("web01", s1, prune=Prune.AUTO, revert=back("s1")))

    assert any(line.startswith("create s1") for line in steps(plan))
    assert not any(line.startswith("revert") for line in steps(plan))
    assert "RevertNotPossible s1" in codes(plan)


def test_what_is_not_managed_is_no_target() -> None:
    fake = host(domain("web01", shut_off, managed("s1"), unmanaged("u1"), vda="base ← s1 ← u1"))

    plan = plan_of(fake, wanted("web01", "s1", revert=back("u1")))

    assert codes(plan) == ["RevertNotPossible u1"]
    assert not plan.steps


def test_a_running_guest_is_halted_with_its_memory_and_started_again() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))

    plan = plan_of(fake, wanted("web01", "s1", "s2", revert=back("s1", power=RevertPower.RUNNING)))

    assert steps(plan) == [
        "create before-revert-r1 vda memory halts",
        "revert s1 vda=vda-s1.2",
        "remove vda-before-revert-r1 unused",
        "redefine s1 current",
        "redefine s1 vda=vda-s1.2",
        "start running",
    ]
    assert plan.steps[0].risk is Risk.DISRUPTIVE
    assert not codes(plan)


def without_its_cdrom(fake: FakeHost, *, is_optional: bool = False) -> FakeHost:
    """Somebody removed the image of a CD-ROM: a guest that runs has it open still."""
    Administrator(fake).attach_disk("web01", "vdx", "/images/install.iso", cdrom=True)
    for definition in fake.domain("web01").definitions:
        definition.disks[-1].is_optional = is_optional
    Person(fake).remove_file("/images/install.iso")
    return fake


@pytest.mark.parametrize("discards", [False, True], ids=["halted", "shut down"])
def test_a_guest_that_would_not_start_again_is_not_stopped(discards: bool) -> None:
    fake = without_its_cdrom(host(domain("web01", vda="base ← s1 ← s2")))

    plan = plan_of(fake, wanted("web01", "s1", "s2", revert=back("s1", discards=discards)))

    assert codes(plan) == ["StorageAbsent s1"]
    assert not plan.steps


def test_a_guest_that_was_off_is_not_started_without_its_cdrom() -> None:
    fake = without_its_cdrom(two_snapshots())
    wish = wanted("web01", "s1", "s2", revert=back("s1", power=RevertPower.RUNNING))

    result = reconciled(fake, desired(wish), PlanRequest())

    assert codes(result.domain) == ["StorageAbsent"]
    assert (result.outcomes[0].error, fake.domain("web01").power) == (None, "shut off")


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("discards", [True, False])
@pytest.mark.parametrize("is_disk", [True, False])
def test_a_medium_that_may_be_missing_stops_nothing(
    *, is_on: bool, discards: bool, is_disk: bool
) -> None:
    traits = () if is_on else (shut_off,)
    drawn = host(domain("web01", *traits, vda="base ← s1 ← s2"))
    fake = without_its_cdrom(drawn, is_optional=True)
    for definition in fake.domain("web01").definitions if is_disk else ():
        definition.disks[-1].device = "disk"
    revert = back("s1", power=RevertPower.RUNNING, discards=discards)
    wish = wanted("web01", "s1", "s2", revert=revert)

    result = reconciled(fake, desired(wish), PlanRequest())

    assert not codes(result.domain)
    assert result.outcomes[0].error is None
    assert fake.domain("web01").power == "running"
    live = fake.domain("web01").live
    assert live is not None
    assert [disk.target for disk in live.disks] == (["vda"] if is_disk else ["vda", "vdx"])
    again = reconciled(fake, desired(wish), PlanRequest())
    assert not again.domain.drift


def test_a_guest_shut_down_for_a_snapshot_starts_without_what_may_be_missing() -> None:
    fake = without_its_cdrom(host(domain("web01", vda="base")), is_optional=True)
    snapshot = DesiredSnapshot(name=SnapshotName("s1"), power=Power.OFF)

    result = reconciled(fake, desired(wanted("web01", snapshot)), PlanRequest())

    assert result.outcomes[0].error is None
    assert fake.domain("web01").power == "running"


def test_a_cdrom_that_libvirt_left_out_is_no_disagreement() -> None:
    fake = without_its_cdrom(host(domain("web01", vda="base ← s1 ← s2")), is_optional=True)
    observed = fake.observe()
    before = observed.domains[0]
    assert before.live is not None
    drive = replace(before.live[-1], kind=DiskKind.EMPTY, source=None, chain=None)
    changed = replace(before, live=(*before.live[:-1], drive))

    world = world_of(index_of(replace(observed, domains=(changed,))), changed, ())

    assert not list(differ.unsound_disks(world))


def test_what_is_discarded_is_shut_down_in_good_order() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    wish = wanted("web01", "s1", "s2", revert=back("s1", discards=True, power=RevertPower.OFF))

    plan = plan_of(fake, wish)

    assert steps(plan)[0].startswith("shut-down")
    assert steps(plan)[1] == "revert s1 vda=vda-s1.2"
    assert not any(line.startswith("start") for line in steps(plan))


def test_a_loop_holds_a_revert_that_stops_the_guest() -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    wish = wanted("web01", "s1", "s2", revert=back("s1"))

    held = reconciled(fake, desired(wish), PlanRequest(consent=Consent.LOOP))

    assert not held.outcomes[0].steps_done
    assert fake.domain("web01").is_active
    done = reconciled(
        fake,
        desired(replace(wish, disruption=Disruption.ALLOWED)),
        PlanRequest(consent=Consent.LOOP),
    )
    assert not done.outcomes[0].error
    assert fake.guest_view("web01", "vda") == fake.snapshot_view("web01", "s1", "vda")


def test_a_snapshot_with_memory_goes_on_where_it_was() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "s1", memory=True)
    fake.guest_goes_on("web01")
    memory = fake.domain("web01").record(SnapshotName("s1")).memory_file
    wish = desired(wanted("web01", with_memory("s1"), revert=back("s1", power=RevertPower.PAUSED)))

    result = reconciled(fake, wish, PlanRequest())

    assert not result.outcomes[0].error
    assert fake.domain("web01").went_on_from == [memory]
    assert fake.domain("web01").power is paused
    assert fake.guest_view("web01", "vda") == fake.snapshot_view("web01", "s1", "vda")
    assert not plan_of(fake, wish.domains[0]).steps


def test_memory_does_not_fit_a_disk_that_went_on() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))
    Controller(fake).take("web01", "s1", ["vda"], memory=True)
    wish = wanted(
        "web01", with_memory("s1", skip="vdb"), revert=back("s1", power=RevertPower.RUNNING)
    )

    assert codes(plan_of(fake, wish)) == ["RevertNotPossible s1"]
    off = replace(wish, revert=back("s1", power=RevertPower.OFF))
    assert not codes(plan_of(fake, off))


def test_an_internal_snapshot_of_a_shut_off_guest() -> None:
    fake = host(domain("web01", shut_off, vda="base", vdb="data"))
    Controller(fake).take("web01", "i1", inside=True)
    at_i1 = {target: fake.guest_view("web01", target) for target in ("vda", "vdb")}
    fake.guest_goes_on("web01")
    present = {target: fake.guest_view("web01", target) for target in ("vda", "vdb")}
    wish = wanted("web01", inside("i1"), revert=back("i1"))

    result = reconciled(fake, desired(wish), PlanRequest())

    assert steps(result.domain) == [
        "create before-revert-r1 vda,vdb internal",
        "revert i1 inside vda,vdb",
    ]
    assert not result.outcomes[0].error
    assert {t: fake.guest_view("web01", t) for t in at_i1} == at_i1
    held = {t: fake.snapshot_view("web01", "before-revert-r1", t) for t in at_i1}
    assert held == present
    assert not plan_of(fake, wish).steps
    assert not plan_of(fake, wish).drift


def test_with_memory_a_guest_lacks_the_disk_that_came_since_until_it_boots() -> None:
    fake = host(domain("web01", vda="base"))
    Controller(fake).take("web01", "i1", inside=True)
    Administrator(fake).attach_disk("web01", "vdx", "/images/web01-vdx.img")
    wish = wanted("web01", inside("i1"), revert=back("i1", discards=True))

    passed = reconciled(fake, desired(wish), PlanRequest())

    (outcome,) = passed.outcomes
    assert outcome.error is None
    now = fake.domain("web01")
    assert [[d.target for d in each.disks] for each in (now.live, now.persistent) if each] == [
        ["vda"],
        ["vda", "vdx"],
    ]
    assert not plan_of(fake, wish).steps


def test_one_that_a_hand_made_revert_went_back_to_and_that_was_deleted_then_is_lost() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    wish = wanted("web01", inside("i1"))
    reconciled(fake, desired(wish), PlanRequest())
    Person(fake).snapshot_revert("web01", "i1")  # the ledger of that moment: i1 is being taken
    Person(fake).snapshot_delete("web01", "i1")

    reconciled(fake, desired(wish), PlanRequest())
    plan = plan_of(fake, wish)

    assert codes(plan) == ["SnapshotLost i1"]
    assert not plan.steps


def test_an_internal_snapshot_under_an_overlay_is_no_target() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "i1", inside=True)
    Controller(fake).take("web01", "s1")

    plan = plan_of(fake, wanted("web01", inside("i1"), "s1", revert=back("i1")))

    assert codes(plan) == ["RevertNotPossible i1"]
    assert not plan.steps


def test_the_target_is_current_afterwards_also_beside_internal_snapshots() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Controller(fake).take("web01", "i1", inside=True)
    wish = desired(wanted("web01", "s1", inside("i1"), revert=back("s1")))

    result = reconciled(fake, wish, PlanRequest())

    assert not result.outcomes[0].error
    assert fake.domain("web01").current == "s1"
    assert not plan_of(fake, wish.domains[0]).steps


def test_an_internal_snapshot_on_the_active_image_stays_current() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Controller(fake).take("web01", "i1", inside=True)

    assert not plan_of(fake, wanted("web01", "s1", inside("i1"))).drift


@pytest.mark.parametrize("traits", [(), (shut_off,)])
def test_a_removal_is_not_refused_for_a_branch_that_the_revert_before_it_gives_up(
    traits: tuple[PowerState, ...],
) -> None:
    fake = host(domain("web01", *traits, vda="base ← s1 ← s2"))
    away = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)
    for _ in range(2):
        reconciled(fake, desired(replace(wanted("web01", "s1", "s2"), revert=away)), PlanRequest())
    back = DesiredRevert(to=SnapshotName("s2"), request="r2", discards=True)

    plan = plan_of(fake, replace(wanted("web01", "s2", prune=Prune.AUTO), revert=back))

    assert "forget s1" in steps(plan)
    assert codes(plan) == []
