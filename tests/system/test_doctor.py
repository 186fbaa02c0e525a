"""``doctor`` on a real guest with something wrong that was made by hand."""

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
