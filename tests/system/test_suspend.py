"""Suspending by hand on a real libvirt."""

import pytest

from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def test_a_domain_suspended_by_hand_drifts_and_is_left_alone_until_it_is_resumed(
    site: Site,
) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1")
    assert "did you mean 'web01'?" in site.virtsnap("suspend", "web1").err

    said = site.virtsnap("suspend", "web01", "--reason", "a backup")
    left = site.virtsnap("apply", "--auto-approve")
    plan = site.planned(guest)

    assert said.code == 0, said.err
    assert left.code == 5, left.out + left.err
    assert "held: suspended by hand by " in left.out
    assert "(a backup): virtsnap resume web01" in left.out
    assert by_hand.names(guest) == []
    assert [drift["kind"] for drift in plan["drift"]] == ["SnapshotMissing"]
    assert [held["why"] for held in plan["held"]] == ["Suspended"]
    assert "web01 on local  suspended" in site.virtsnap("status").out

    assert site.virtsnap("resume").out == "resumed web01\n"
    site.apply()
    assert by_hand.names(guest) == ["s1"]
