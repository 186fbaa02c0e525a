"""Domains that wait for others, and such that are left alone, on a real libvirt."""

import pytest

from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def test_a_domain_waits_for_another_and_is_done_after_it(site: Site) -> None:
    database = site.lab.guest("zdb", running=False)
    web = site.lab.guest("web", running=False)
    site.declare(database, {"name": "s1", "power": "running"})  # refused: it is off
    site.declare(web, "s1", dependsOn=["zdb"])

    held = site.virtsnap("apply", "--auto-approve")
    assert held.code == 5, held.out + held.err
    assert "waits for zdb" in held.out
    assert by_hand.names(web) == []

    site.declare(database, "s1")
    site.apply()
    taken = {
        guest.name: int(by_hand.record(guest, "s1").findtext("creationTime", "0"))
        for guest in (database, web)
    }
    assert taken["zdb"] <= taken["web"]
    assert site.is_in_sync()

    site.declare(database, prune="auto", suspend=True)
    left = site.virtsnap("run", "--once")
    assert left.code == 5, left.out + left.err
    assert by_hand.names(database) == ["s1"]
