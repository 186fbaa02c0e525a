"""``doctor`` on a real guest with something wrong that was made by hand."""

import re

import libvirt
import pytest

from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def test_doctor_finds_what_was_made_wrong_by_hand_and_changes_nothing(site: Site) -> None:
    guest = site.lab.guest("web01", agent=False)
    by_hand.snapshot(guest, "u1")
    before = site.virtsnap("doctor", "-o", "json", "web01")
    assert before.code == 0, before.out + before.err
    codes = {finding["code"] for finding in before.document["findings"]}
    assert "AgentAbsent" in codes | {"AgentAbsent" if "AgentNotConnected" in codes else ""}
    by_hand.merge_live(guest)
    files = storage.images(guest.folder)

    said = site.virtsnap("doctor", "web01")

    assert said.code == 5, said.out + said.err
    assert "problem RecordDangling: the snapshot u1 no longer holds vda" in said.out
    assert "hint: virsh snapshot-delete --metadata web01 u1, once you are sure" in said.out
    assert by_hand.names(guest) == ["u1"]
    assert storage.images(guest.folder) == files
    assert not (site.folder / "state").exists()

    by_hand.drop_record(guest, "u1")
    after = site.virtsnap("doctor", "-o", "json", "web01")
    assert after.code == 0, after.out
    assert {f["code"] for f in after.document["findings"]} == codes


def test_the_hint_at_an_overlay_of_somebody_else_obeyed_harms_no_snapshot(any_site: Site) -> None:
    """It lies on the image that a snapshot froze: merged into it, the snapshot would be gone."""
    guest = any_site.lab.guest("web01", running=False)
    any_site.declare(guest, "s1")
    any_site.apply()
    foreign = by_hand.make_overlay(guest.disks["vda"], guest.folder / "backup.qcow2")
    by_hand.write(foreign, 5, 7)
    by_hand.redirect(guest, {"vda": foreign})
    before, view = storage.moments(guest), storage.view(guest)
    guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

    said = any_site.virtsnap("doctor", "-o", "json").document
    (found,) = [f for f in said["findings"] if f["code"] == "ForeignOverlay"]
    assert "destroy s1" in found["hint"]
    command = re.search(r"virsh (blockpull \S+ \w+)", found["hint"])
    assert command is not None
    by_hand.run("virsh", "-c", any_site.lab.daemon.uri, *command[1].split(), "--wait")
    guest.domain.destroy()

    assert storage.moments(guest) == before
    assert storage.view(guest) == view
    after = any_site.virtsnap("doctor", "-o", "json").document
    assert "ForeignOverlay" not in {f["code"] for f in after["findings"]}
