"""A revert request means the moment that bore the name when it was asked for, and no later one."""

from collections.abc import Callable

import pytest

from reconciler.model.desired import DesiredRevert, DesiredSnapshot, Prune
from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import RequestState
from reconciler.model.names import SnapshotName
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import codes


def back(request: str, *, discards: bool = True) -> DesiredRevert:
    return DesiredRevert(to=SnapshotName("s1"), request=request, discards=discards)


def deleting() -> FakeHost:
    """The removal of s1 has begun: its moment has gone, and the manifest declares it all the same."""
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    assert Controller(fake).begin_removal("web01", "s1", until="intended")
    return fake


def lost() -> FakeHost:
    """The image of s1 was written over by hand."""
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Person(fake).qemu_img_commit("/images/web01-vda-s1.qcow2")
    Administrator(fake).edit("web01", "vda", "/images/base.qcow2")
    return fake


def new() -> FakeHost:
    """Nobody has ever taken it."""
    return host(domain("web01", shut_off, vda="base"))


def requests(seen: ObservedHost) -> dict[str, RequestState]:
    ledger = seen.domains[0].ledger
    return {r.request: r.state for r in ledger.requests} if ledger else {}


@pytest.mark.parametrize("begin", [deleting, lost, new])
@pytest.mark.parametrize("discards", [True, False])
def test_what_was_taken_under_the_name_since_is_not_gone_back_to(
    begin: Callable[[], FakeHost], discards: bool
) -> None:
    fake = begin()
    s1 = DesiredSnapshot(name=SnapshotName("s1"), is_retaken=True)
    wish = wanted("web01", s1, prune=Prune.AUTO, revert=back("r1", discards=discards))
    taken = False
    for _ in range(4):
        before = fake.guest_view("web01", "vda")
        result = reconciled(fake, desired(wish), PlanRequest())
        assert not result.outcomes[0].error, result.outcomes[0].error
        assert fake.guest_view("web01", "vda") == before, "what was written between is gone"
        taken = taken or fake.observe().domains[0].record("s1") is not None
        assert codes(result.domain) == ["RevertNotPossible s1"]
        fake.guest_goes_on("web01")

    assert taken
    assert requests(fake.observe()) == {"r1": RequestState.VOID}
    assert not result.domain.steps
    (why,) = result.domain.refusals
    assert "means another moment; a new `request` means this one" in why.fact("cause")


def test_a_new_request_means_the_new_moment() -> None:
    fake = deleting()
    wish = wanted("web01", "s1", prune=Prune.AUTO, revert=back("r1"))
    for _ in range(3):
        reconciled(fake, desired(wish), PlanRequest())
    moment = fake.snapshot_view("web01", "s1", "vda")
    fake.guest_goes_on("web01")
    assert fake.guest_view("web01", "vda") != moment

    again = wanted("web01", "s1", prune=Prune.AUTO, revert=back("r2"))
    result = reconciled(fake, desired(again), PlanRequest())

    assert not codes(result.domain)
    assert fake.guest_view("web01", "vda") == moment


def test_a_request_that_waits_for_another_snapshot_still_means_its_own() -> None:
    """s1 is there all the time, and only another one is to be taken first."""
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    moment = fake.snapshot_view("web01", "s1", "vda")
    wish = wanted("web01", "s1", "s2", revert=back("r1"))

    reconciled(fake, desired(wish), PlanRequest())
    reconciled(fake, desired(wish), PlanRequest())

    assert requests(fake.observe()) == {"r1": RequestState.DONE}
    assert fake.guest_view("web01", "vda") == moment
