"""The main job: manifests in, an honest plan out, applied to a guest that writes all the time."""

import pytest

from tests.lab.journal import check_image
from tests.system import storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu

QUIESCED = {"quiesce": "required"}


def test_one_disk_is_snapshotted_and_consolidated_with_its_data_whole(site: Site) -> None:
    guest = site.lab.guest("web01")
    base = guest.disks["vda"]
    site.declare(guest, {"name": "s1", **QUIESCED})

    said = site.virtsnap("plan")
    assert said.code == 0, said.err
    assert "+ create" in said.out
    site.apply()

    frozen = check_image(base)
    assert frozen.is_whole, frozen.problems
    assert frozen.head
    assert site.is_in_sync()
    guest.wait_for_record(guest.head() + 3)

    site.declare(guest, prune="auto")
    site.apply()

    assert site.is_in_sync()
    assert guest.active_images() == {"vda": base}
    assert storage.images(guest.folder) == {base}
    head = guest.head()
    storage.assert_sound(guest)
    assert check_image(base).head >= head > frozen.head


@pytest.mark.parametrize("running", [True, False], ids=["running", "shut off"])
def test_three_snapshots_of_two_disks_come_and_go_while_the_guest_writes(
    site: Site, running: bool
) -> None:
    guest = site.lab.guest("web01", disks=2)
    guest.wait_for_record(5)
    if not running:
        guest.shut_down()
    names = ("s1", "s2", "s3")
    heads = []
    for count in (1, 2, 3):
        site.declare(guest, *({"name": name, **QUIESCED} for name in names[:count]), prune="auto")
        site.apply()
        assert site.is_in_sync()
        if running:
            heads.append(guest.head())
            guest.wait_for_record(guest.head() + 3)
            guest.wait_for_record(guest.head("vdb") + 3, "vdb")

    site.declare(guest, {"name": "s3", **QUIESCED}, prune="auto")
    plan = site.virtsnap("plan", "-o", "json").document
    commits = [s for s in plan["domains"][0]["steps"] if s["action"] == "commit"]
    assert [step["snapshots"] for step in commits] == [["s1", "s2"], ["s1", "s2"]]
    site.apply()
    assert site.is_in_sync()
    assert storage.images(guest.folder) == storage.read_by(guest)
    assert [s.getName() for s in guest.domain.listAllSnapshots()] == ["s3"]

    site.declare(guest, prune="auto")
    site.apply()
    assert site.is_in_sync()
    second = site.apply()
    assert "No changes" in second.out
    assert guest.active_images() == guest.disks
    assert storage.images(guest.folder) == set(guest.disks.values())
    assert guest.is_running is running
    if running:
        guest.verify()
    storage.assert_sound(guest)
