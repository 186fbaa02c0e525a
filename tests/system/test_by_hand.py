"""What somebody did by hand with virsh is seen for what it is, and put right where it is asked."""

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def kinds(site: Site, guest: Guest) -> list[str]:
    """The kinds of drift in the plan."""
    return [drift["kind"] for drift in site.planned(guest)["drift"]]


def merged_by_hand(site: Site, **spec: str) -> Guest:
    """The seed case: a plain active commit of the newest overlay, behind libvirt's records."""
    guest = site.lab.guest("web01")
    site.declare(guest, "s1", **spec)
    site.apply()
    guest.wait_for_record(guest.head() + 2)
    by_hand.merge_live(guest)
    assert guest.active_images() == guest.disks
    assert by_hand.names(guest) == ["s1"]
    return guest


def test_the_seed_case_is_named_and_put_right_with_prune_auto(site: Site) -> None:
    guest = merged_by_hand(site, prune="auto")
    orphan = next(iter(storage.images(guest.folder) - storage.read_by(guest)))

    said = site.virtsnap("plan")
    assert "- forget  s1" in said.out
    assert f"remove-image  {orphan.name}" not in said.out
    assert {"RecordDangling", "ImageOrphaned"} <= set(kinds(site, guest))

    # still declared: the record goes, the loss is told until the manifest drops it
    assert site.virtsnap("apply", "--auto-approve").code == 5
    assert by_hand.names(guest) == []
    assert site.refuses(guest)["code"] == "SnapshotLost"
    site.declare(guest, prune="auto")
    site.apply()
    assert site.is_in_sync()
    # nobody can prove that all of it was merged: it goes when a person names what it was made for
    assert orphan in storage.images(guest.folder)
    assert site.virtsnap("apply", "--auto-approve", "--target", "web01/s1").code == 0
    assert storage.images(guest.folder) == set(guest.disks.values())
    guest.wait_for_record(guest.head() + 2)
    guest.verify()
    storage.assert_sound(guest)


def test_the_seed_case_is_put_right_at_once_when_nobody_declares_it(site: Site) -> None:
    guest = merged_by_hand(site, prune="auto")
    site.declare(guest, prune="auto")
    site.apply("--target", "web01/s1")
    assert site.is_in_sync()
    assert by_hand.names(guest) == []
    assert storage.images(guest.folder) == set(guest.disks.values())
    guest.verify()
    storage.assert_sound(guest)


def test_the_seed_case_is_only_reported_with_prune_never(site: Site) -> None:
    guest = merged_by_hand(site)
    files = storage.images(guest.folder)
    assert {"RecordDangling", "ImageOrphaned"} <= set(kinds(site, guest))
    assert site.refuses(guest)["code"] == "SnapshotLost"

    site.declare(guest)
    assert {"RecordDangling", "ImageOrphaned"} <= set(kinds(site, guest))
    assert "No changes" in site.apply().out
    assert site.is_in_sync()
    assert by_hand.names(guest) == ["s1"]
    assert storage.images(guest.folder) == files
    storage.assert_sound(guest)


def test_the_seed_case_of_an_unmanaged_snapshot_is_nobodys_to_clean_up(site: Site) -> None:
    guest = site.lab.guest("web01")
    by_hand.snapshot(guest, "theirs")
    by_hand.merge_live(guest)
    files = storage.images(guest.folder)
    site.declare(guest, prune="auto")

    assert "RecordDangling" in kinds(site, guest)
    assert "No changes" in site.apply().out
    assert by_hand.names(guest) == ["theirs"]
    assert storage.images(guest.folder) == files


def test_lv_48_a_layer_merged_by_hand_is_lost_and_the_next_one_is_repaired(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    names = ("s1", "s2", "s3")
    for number in range(1, 4):
        site.declare(guest, *names[:number], prune="auto")
        site.apply()
        by_hand.write(guest.active_images()["vda"], number, 0x11 * number)
    active, second, first, _ = storage.chain(guest.active_images()["vda"])
    before, moments = storage.view(guest), storage.moments(guest)
    # the operator merges the image above s2 into the one below it, with no word to the records
    by_hand.run("qemu-img", "commit", "-q", "-d", str(second))
    by_hand.run(
        *("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2"), "-b", str(first), str(active)
    )

    plan = site.planned(guest)
    dangling = [d["snapshot"] for d in plan["drift"] if d["kind"] == "RecordDangling"]
    assert dangling == ["s2"]
    assert [r["code"] for r in plan["refusals"]] == ["SnapshotLost"]

    said = site.virtsnap("apply", "--auto-approve")
    assert said.code == 5, said.out + said.err
    assert by_hand.names(guest) == ["s1", "s3"]
    assert storage.frozen(guest)["s3"]["vda"] == first
    assert storage.moments(guest) == {key: moments[key] for key in moments if key[0] != "s2"}
    assert storage.view(guest) == before

    site.declare(guest, "s1", "s3", prune="auto")
    site.apply()
    assert site.is_in_sync()
    assert storage.view(guest) == before
    # only a person can know that all of it was merged, and says so by its name
    assert storage.images(guest.folder) == storage.needed(guest) | {second}
    site.apply("--target", f"{guest.name}/s2")
    storage.assert_tidy(guest)
