"""The world may move between two steps: each precondition is looked at again right before."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.engine import executor
from reconciler.engine.listener import Silence
from reconciler.errors import HypervisorError, LockedError, PlanStaleError, PostconditionError
from reconciler.model.action import StartDomain
from reconciler.model.desired import Desired, DesiredRevert, Prune, Quiesce
from reconciler.model.ledger import Fence, Ledger
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.power import PowerState
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from reconciler.planning import postcondition
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.drawing import desired, domain, host, image, overlay, shut_off, wanted
from tests.engine.passes import planned, reconciled, tools
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.fakes.world import Crash

S1 = overlay("web01", "vda", "s1")


def meddling(fake: FakeHost, after: str, deed: Callable[[], object]) -> None:
    """Somebody does something, once, right after the first call of the port method *after*."""

    def fault(_number: int, method: str, when: str) -> None:
        if (method, when) == (after, "after"):
            fake.world.fault = None
            deed()

    fake.world.fault = fault


def applied(
    fake: FakeHost, wish: Desired, *, after: str = "", deed: Callable[[], object] = list
) -> DomainOutcome:
    request = PlanRequest()
    plan = planned(fake, wish, request)
    meddling(fake, after, deed)
    return executor.apply(plan, wish, request, tools(fake, wish))[0]


class Stopper(Silence):
    """Ctrl-C while the first step is reported."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def step_finished(self, domain: DomainPlan, step: Step, note: str) -> None:
        """Stop."""
        self._stop.set()


def test_an_image_that_found_a_reader_is_not_removed() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))

    outcome = applied(
        fake,
        wish,
        after="forget_snapshot",
        deed=lambda: Person(fake).overlay_on(S1, image("stray")),
    )

    assert outcome.status is DomainStatus.REFUSED
    assert [r.code for r in outcome.refusals] == [RefusalCode.UNMANAGED_READER]
    assert S1 in fake.world.storage.files


def test_a_base_that_found_a_reader_is_not_committed_into() -> None:
    fake = host(domain("web01", vda="base ← s1", vdb="data ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))
    data = dict(fake.content(image("data")))

    outcome = applied(
        fake,
        wish,
        after="pivot",
        deed=lambda: Person(fake).overlay_on(image("data"), image("stray")),
    )

    assert [r.code for r in outcome.refusals] == [RefusalCode.UNMANAGED_READER]
    assert fake.content(image("data")) == data


def test_a_domain_that_changed_after_the_plan_is_not_touched() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))
    plan = planned(fake, wish, PlanRequest())
    Person(fake).snapshot_create("web01", "mine")
    changes = len(fake.world.changes)

    (outcome,) = executor.apply(plan, wish, PlanRequest(), tools(fake, wish))

    assert outcome.status is DomainStatus.STALE
    assert isinstance(outcome.error, PlanStaleError)
    assert len(fake.world.changes) == changes


@pytest.mark.parametrize("is_old_at_first", [True, False])
def test_a_ledger_that_goes_back_after_the_plan_makes_it_stale(is_old_at_first: bool) -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))
    uuid = fake.domain("web01").uuid
    now = fake.world.journal.known[uuid]
    old = replace(now, serial=now.serial + 1)
    fake.world.journal.known[uuid] = old if is_old_at_first else now
    plan = planned(fake, wish, PlanRequest())
    fake.world.journal.known[uuid] = now if is_old_at_first else old

    (outcome,) = executor.apply(plan, wish, PlanRequest(), tools(fake, wish))

    assert outcome.status is DomainStatus.STALE
    assert not fake.world.changes


def test_a_snapshot_by_hand_between_two_steps_stops_the_domain() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1", "s2"))

    def take() -> None:
        Person(fake).snapshot_create("web01", "mine")

    outcome = applied(fake, wish, after="create_snapshot", deed=take)

    assert isinstance(outcome.error, PostconditionError)
    assert "s1" in fake.domain("web01").records
    assert "mine" in fake.domain("web01").records


def test_a_fence_of_another_machine_is_respected_and_an_old_one_is_not() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1"))
    uuid = fake.domain("web01").uuid
    now = fake.world.clock.now()
    fence = Fence(holder="root@elsewhere 7", plan_id="x", until=now.replace(year=now.year + 1))
    fake.remember(uuid, Ledger(uuid=uuid, fence=fence))

    held = applied(fake, wish)
    assert isinstance(held.error, LockedError)
    assert "elsewhere" in held.error.message

    old = replace(fence, until=now.replace(year=now.year - 1))
    ledger = fake.read_ledger(uuid)
    assert ledger is not None
    fake.remember(uuid, replace(ledger, fence=old))
    assert applied(fake, wish).status is DomainStatus.APPLIED


def test_a_fence_taken_away_in_the_middle_ends_the_work() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1", "s2"))
    uuid = fake.domain("web01").uuid

    def steal() -> None:
        ledger = fake.read_ledger(uuid)
        assert ledger is not None
        until = fake.world.clock.now().replace(year=2100)
        fence = Fence(holder="root@elsewhere 7", plan_id="x", until=until)
        fake.remember(uuid, replace(ledger, fence=fence))

    outcome = applied(fake, wish, after="create_snapshot", deed=steal)

    assert outcome.status is DomainStatus.LOCKED
    ledger = fake.read_ledger(uuid)
    assert ledger is not None
    assert ledger.fence is not None
    assert ledger.fence.holder == "root@elsewhere 7"
    assert set(fake.domain("web01").records) == {"s1"}


def test_a_guest_frozen_by_somebody_else_is_left_alone() -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").agent.is_frozen = True
    wish = desired(wanted("web01", "s1", quiesce=Quiesce.REQUIRED))

    outcome = applied(fake, wish)

    assert [r.code for r in outcome.refusals] == [RefusalCode.AGENT_FROZEN]
    assert fake.domain("web01").agent.is_frozen
    assert not fake.domain("web01").records


def test_a_path_that_appeared_since_the_plan_is_not_used() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1", "s2"))

    def appear() -> None:
        Person(fake).overlay_on(image("base"), overlay("web01", "vda", "s2"))

    outcome = applied(fake, wish, after="create_snapshot", deed=appear)

    assert [r.code for r in outcome.refusals] == [RefusalCode.IMAGE_NAME_TAKEN]


def test_a_stop_ends_before_the_next_step_and_says_what_is_left() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1", "s2"))
    stop = threading.Event()
    plan = planned(fake, wish, PlanRequest())
    at_work = replace(tools(fake, wish, stop), listener=Stopper(stop))

    (outcome,) = executor.apply(plan, wish, PlanRequest(), at_work)

    assert outcome.status is DomainStatus.INTERRUPTED
    assert outcome.left == "1 of 2 steps left: create"


def test_a_domain_started_between_is_not_switched_under_its_feet() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    Administrator(fake).shut_off("web01")
    view = fake.guest_view("web01", "vda")
    wish = desired(wanted("web01", prune=Prune.AUTO))
    fake.world.meanwhile = lambda _domain: Administrator(fake).start("web01")

    outcome = applied(fake, wish)

    assert outcome.status is DomainStatus.STALE
    fake.world.meanwhile = None
    assert fake.guest_view("web01", "vda") == view


PYTHON = re.compile(r"None|True|False|\[[('\"]|\(['\"(]|<\w+\.|\w+\(\w+=")


@pytest.mark.parametrize("method", ["commit_offline", "switch_disk", "remove_image"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_person_who_starts_the_guest_meanwhile_is_no_internal_error(
    method: str, moment: str
) -> None:
    """Its plan is stale, in words, wherever that happens."""
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2", vdb="data ← s1"))
    views = {t: fake.guest_view("web01", t) for t in ("vda", "vdb")}
    wish = desired(wanted("web01", prune=Prune.AUTO))

    def start(_number: int, called: str, when: str) -> None:
        if (called, when) == (method, moment):
            fake.world.fault = None
            Administrator(fake).start("web01")

    fake.world.fault = start

    outcome = applied(fake, wish)

    assert {t: fake.guest_view("web01", t) for t in views} == views
    assert outcome.status in (DomainStatus.STALE, DomainStatus.APPLIED, DomainStatus.FAILED)
    if outcome.error is not None:
        assert outcome.status is DomainStatus.STALE or "lock" in str(outcome.error)
        assert not PYTHON.search(str(outcome.error)), str(outcome.error)
    for _ in range(3):
        last = reconciled(fake, wish, PlanRequest())
    assert not last.domain.drift


def test_what_differs_is_told_in_words() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1", vdb="data ← s1"))
    world = world_of(index_of(fake.observe()), fake.observe().domains[0], ())
    action = StartDomain(state=PowerState.RUNNING)

    said = postcondition.difference(world, action, world)

    assert said is not None
    assert not PYTHON.search(said), said
    assert "expected vda /images/" in said
    assert said.endswith("found nothing")
    assert postcondition.by_people(world, action, world) == "it was shut off"


def test_a_create_that_fails_with_the_guest_frozen_thaws_it() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1", quiesce=Quiesce.REQUIRED))
    plan = planned(fake, wish, PlanRequest())

    def fault(_number: int, method: str, when: str) -> None:
        if (method, when) == ("create_snapshot", "during"):
            raise HypervisorError("cannot take a snapshot: injected", code=1)

    fake.world.fault = fault

    (outcome,) = executor.apply(plan, wish, PlanRequest(), tools(fake, wish))

    assert outcome.status is DomainStatus.FAILED
    assert not fake.domain("web01").agent.is_frozen
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    assert not ledger.entries


@pytest.mark.parametrize("file", ["empty", "an image"])
def test_a_name_that_somebody_takes_right_before_is_not_ours(file: str) -> None:
    fake = host(domain("web01", vda="base", vdb="data"))
    wish = desired(wanted("web01", "s1"))
    theirs = FakeFile(path=overlay("web01", "vdb", "s1"), is_empty=file == "empty")

    def taken(_number: int, method: str, when: str) -> None:
        if (method, when) == ("reserve", "before"):
            fake.world.storage.files[theirs.path] = theirs

    fake.world.fault = taken
    outcome = applied_as_it_is(fake, wish)

    assert [r.code for r in outcome.refusals] == [RefusalCode.IMAGE_NAME_TAKEN]
    assert fake.world.storage.files[theirs.path] is theirs
    assert S1 not in fake.world.storage.files
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    assert not ledger.images
    assert not ledger.entries


@pytest.mark.parametrize("wrote", ["nothing", "a header"])
def test_who_fails_removes_nothing_that_another_made_meanwhile(wrote: str) -> None:
    """libvirt unlinks what it was told to make, and somebody else takes the name at once."""
    fake = host(domain("web01", shut_off, vda="base", vdb="data"))
    wish = desired(wanted("web01", "s1"))
    theirs = FakeFile(path=S1, is_empty=wrote == "nothing", backing=image("base"))

    def failing(_number: int, method: str, when: str) -> None:
        if (method, when) == ("create_snapshot", "before"):
            fake.world.storage.files[S1] = theirs
            raise HypervisorError("cannot create the snapshot: somebody else was first", code=1)

    fake.world.fault = failing
    outcome = applied_as_it_is(fake, wish)

    assert outcome.status is DomainStatus.FAILED
    assert fake.world.storage.files[S1] is theirs
    assert overlay("web01", "vdb", "s1") not in fake.world.storage.files
    assert not fake.world.removed


def test_an_overlay_of_a_revert_is_not_made_over_anything() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)
    wish = desired(wanted("web01", "s1", revert=back))
    path = ImagePath("/images/web01-vda-s1.2.qcow2")
    theirs = FakeFile(path=path, is_empty=True)

    def taken(_number: int, method: str, when: str) -> None:
        if (method, when) == ("reserve", "before"):
            fake.world.storage.files[path] = theirs

    fake.world.fault = taken
    outcome = applied_as_it_is(fake, wish)
    fake.world.fault = None

    assert [r.code for r in outcome.refusals] == [RefusalCode.IMAGE_NAME_TAKEN]
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    assert path not in ledger.image_paths
    again = applied_as_it_is(fake, wish)
    assert again.status is DomainStatus.APPLIED
    assert fake.world.storage.files[path] is theirs


def applied_as_it_is(fake: FakeHost, wish: Desired) -> DomainOutcome:
    request = PlanRequest()
    return executor.apply(planned(fake, wish, request), wish, request, tools(fake, wish))[0]


def test_a_death_right_after_names_were_taken_costs_those_names() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1"))

    def dying(_number: int, method: str, when: str) -> None:
        if (method, when) == ("reserve", "after"):
            raise Crash

    fake.world.fault = dying
    with pytest.raises(Crash):
        applied_as_it_is(fake, wish)
    fake.world.fault = None
    assert fake.world.storage.files[S1].is_empty

    assert applied_as_it_is(fake, wish).status is DomainStatus.APPLIED

    assert fake.domain("web01").disk(DiskTarget("vda")).source == S1.replace("s1.", "s1.2.")
    assert fake.world.storage.files[S1].is_empty


def test_a_death_before_they_are_filled_leaves_nothing() -> None:
    fake = host(domain("web01", vda="base", vdb="data"))
    wish = desired(wanted("web01", "s1"))

    def dying(_number: int, method: str, when: str) -> None:
        if (method, when) == ("create_snapshot", "before"):
            raise Crash

    fake.world.fault = dying
    with pytest.raises(Crash):
        applied_as_it_is(fake, wish)
    fake.world.fault = None

    assert applied_as_it_is(fake, wish).status is DomainStatus.APPLIED
    assert applied_as_it_is(fake, wish).status is DomainStatus.IN_SYNC
    assert not [file for file in fake.world.storage.files.values() if file.is_empty]
