"""Guests that exist only while they run."""

from pathlib import Path

import pytest

from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def test_a_transient_guest_has_snapshots_while_it_runs_and_loses_no_data_after_it(
    any_site: Site,
) -> None:
    site, guest = any_site, any_site.lab.guest("web01")
    older = guest.dumped()
    guest.undefine()
    site.declare(guest, "s1", {"name": "s2", "memory": True})
    assert "web01 is transient: when it stops" in site.apply().out
    guest.fill("vda", 1, seed=1)

    site.declare(guest, "s1", "s2", {"name": "n1", "power": "off"}, prune="auto")
    assert site.refuses(guest)["code"] == "DomainTransient"
    site.declare(guest, "s1", revert={"to": "s1", "request": "r1"})
    refused = site.refuses(guest)
    assert refused["code"] == "DomainTransient"
    assert "virsh define" in refused["hint"]
    site.declare(guest, "s1", prune="auto")
    site.apply()
    assert by_hand.names(guest) == ["s1"]
    assert len(storage.images(guest.folder)) == 2
    head = guest.verify()["vda"]

    # created anew from what it was: the snapshot is lost, its overlay goes on
    guest.create_anew(guest.dumped())
    guest.wait_for_agent()
    refused = site.refuses(guest)
    assert refused["code"] == "SnapshotLost"
    assert guest.verify()["vda"] >= head
    assert len(storage.read_by(guest)) == 2

    # created anew from an older file: what it wrote since lies in an overlay that stays
    left = Path(guest.active_images()["vda"])
    guest.create_anew(older)
    guest.wait_for_agent()
    site.virtsnap("apply", "--auto-approve")
    assert site.refuses(guest)["code"] == "SnapshotLost"
    assert left.exists()
    site.declare(guest, {"name": "s1", "ifLost": "retake"}, prune="auto")
    site.apply()
    site.declare(guest, prune="auto")
    assert str(left) in site.refuses(guest)["message"]
    assert left.exists()
    guest.verify()
