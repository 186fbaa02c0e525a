"""A refusal speaks of the act that was refused, and its hint leads out."""

import pytest

from reconciler.model.action import RemovalCause, RemoveImage
from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Power
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.planning import powering, safety
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of
from reconciler.report.refusals import explained
from tests.drawing import domain, host, image, paused, shut_off, wanted
from tests.fakes.administrator import Administrator
from tests.fakes.host import FakeHost
from tests.planning.reading import plan_of

S1 = SnapshotName("s1")


def said(fake: FakeHost, wish: DesiredDomain) -> tuple[str, str]:
    """The one refusal of the plan: message and hint."""
    plan = plan_of(fake, wish)
    assert not plan.steps
    (refusal,) = plan.refusals
    words = explained(refusal, domain="web01", manifest="web01.yaml")
    return words.message, words.hint


def of(fake: FakeHost) -> World:
    return world_of(index_of(fake.observe()), fake.observe().domains[0])


def test_a_create_is_refused_as_a_create_where_another_domain_writes_the_image() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    Administrator(fake).define("web02", {"vda": image("base")}, running=False)

    message, _ = said(fake, wanted("web01", "s1"))

    assert message.startswith("cannot take s1 of web01")
    assert "is written to by domain web02" in message


def test_a_paused_guest_is_not_told_to_shut_down() -> None:
    fake = host(domain("web01", paused, vda="base"))

    message, hint = said(fake, wanted("web01", DesiredSnapshot(name=S1, power=Power.OFF)))

    assert message == (
        "cannot shut down web01: it is paused and cannot react to a shutdown request"
    )
    assert hint.startswith("virsh resume web01, or set shutdown.then to destroy in web01.yaml")


def test_what_an_unfinished_revert_keeps_back_is_finished_by_an_apply() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))

    words = explained(powering.unfinished(of(fake), S1), domain="web01")

    assert words.message == "cannot change web01: web01 is busy with an unfinished revert to s1"
    assert words.hint == "virtsnap apply finishes it first; to look: virtsnap plan web01"


def test_an_image_that_virtsnap_did_not_make_is_not_read_by_itself() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    remove = RemoveImage(
        disk=DiskTarget("vda"), path=image("other"), cause=RemovalCause.ORPHANED, snapshots=()
    )

    why = safety.why_not_remove(of(fake), remove)

    assert why is not None
    message = explained(why, domain="web01").message
    assert message.endswith("/images/other.qcow2 is made by somebody else, not by virtsnap")


@pytest.mark.parametrize("act", ["take", "start", "revert to", "adopt"])
def test_the_act_that_was_tried_is_named(act: str) -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))

    words = explained(powering.unfinished(of(fake), S1).doing(act), domain="web01")

    assert words.message.startswith(f"cannot {act} web01")
