"""Removing snapshots: their data stays in the guest's disk, and nobody else's changes."""

import libvirt
import pytest
from lxml import etree

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def with_layers(site: Site, *names: str, disks: int = 1) -> Guest:
    """A shut-off guest with these snapshots, and data of its own in each overlay."""
    guest = site.lab.guest("web01", disks=disks, running=False)
    _write(guest, 1)
    for number in range(1, len(names) + 1):
        site.declare(guest, *names[:number], prune="auto")
        site.apply()
        _write(guest, number + 1)
    return guest


def _write(guest: Guest, number: int) -> None:
    """Into the image that each disk is on now: what is frozen is written to no more."""
    for active in guest.active_images().values():
        by_hand.write(active, number, number)
        by_hand.write(active, 9, number)


def test_lv_34_the_oldest_of_three_goes_and_the_moments_of_the_others_stay(site: Site) -> None:
    guest = site.lab.guest("web01")
    site.declare(guest, "s1", "s2", prune="auto")
    site.apply()
    guest.wait_for_record(guest.head() + 3)
    site.declare(guest, "s1", "s2", "s3", prune="auto")
    site.apply()
    before = storage.moments(guest)

    site.declare(guest, "s2", "s3", prune="auto")
    site.apply()

    after = storage.moments(guest)
    assert site.is_in_sync()
    assert after == {key: total for key, total in before.items() if key[0] != "s1"}
    assert storage.frozen(guest)["s2"]["vda"] == guest.disks["vda"]
    assert by_hand.current(guest) == "s3"
    guest.wait_for_record(guest.head() + 2)
    guest.verify()
    assert storage.images(guest.folder) == storage.needed(guest)
    storage.assert_sound(guest)


@pytest.mark.parametrize("order", [("s1", "s2", "s3"), ("s2", "s3", "s1"), ("s3", "s1", "s2")])
def test_lv_36_shut_off_snapshots_go_in_any_order(site: Site, order: tuple[str, ...]) -> None:
    guest = with_layers(site, "s1", "s2", "s3")
    before, moments = storage.view(guest), storage.moments(guest)
    left = ["s1", "s2", "s3"]
    for name in order:
        left.remove(name)
        site.declare(guest, *left, prune="auto")
        site.apply()
        assert by_hand.names(guest) == left
        assert by_hand.current(guest) == (left[-1] if left else None)
        kept = {key: total for key, total in moments.items() if key[0] in left}
        assert storage.moments(guest) == kept
        assert storage.view(guest) == before
        storage.assert_tidy(guest)
    assert site.is_in_sync()
    assert guest.active_images() == guest.disks


def test_lv_36_snapshots_of_a_running_guest_go_newest_first(site: Site) -> None:
    guest = site.lab.guest("web01")
    site.declare(guest, "s1", "s2", "s3", prune="auto")
    site.apply()
    for left in (["s1", "s3"], ["s1"], []):
        guest.wait_for_record(guest.head() + 2)
        site.declare(guest, *left, prune="auto")
        site.apply()
        assert by_hand.names(guest) == left
        guest.verify()
    assert site.is_in_sync()
    assert guest.active_images() == guest.disks
    assert storage.images(guest.folder) == set(guest.disks.values())
    storage.assert_sound(guest)


def test_lv_38_a_shut_off_domain_is_never_started(site: Site) -> None:
    guest = with_layers(site, "s1", "s2")
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE
    root = etree.fromstring(guest.domain.XMLDesc(flags))
    devices = root.find("devices")
    assert devices is not None
    card = etree.SubElement(devices, "interface", type="bridge")
    etree.SubElement(card, "source", bridge="no-such-bridge")
    by_hand.define(guest, root)
    with pytest.raises(libvirt.libvirtError):
        guest.domain.create()
    before = storage.view(guest)
    seen: list[int] = []
    connection = site.lab.connection
    event = connection.domainEventRegisterAny(
        guest.domain,
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        lambda _connection, _domain, kind, _detail, _opaque: seen.append(kind),
        None,
    )
    site.declare(guest, prune="auto")
    site.apply()
    connection.domainEventDeregisterAny(event)

    power = {libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_RESUMED}
    assert not power & set(seen)
    assert site.is_in_sync()
    assert guest.active_images() == guest.disks
    assert storage.view(guest) == before
    storage.assert_tidy(guest)


def test_lv_25_a_disk_that_was_detached_keeps_its_files(site: Site) -> None:
    guest = with_layers(site, "s1", disks=2)
    detached = guest.active_images()["vdb"]
    files = set(storage.chain(detached))
    before = storage.view(guest)
    root = etree.fromstring(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    devices = root.find("devices")
    assert devices is not None
    devices.remove(root.xpath("./devices/disk[target/@dev='vdb']")[0])
    by_hand.define(guest, root)

    site.declare(guest, prune="auto")
    said = site.virtsnap("apply", "--auto-approve")

    assert said.code in (0, 5), said.out + said.err
    assert by_hand.names(guest) == []
    assert guest.active_images() == {"vda": guest.disks["vda"]}
    assert storage.view(guest)["vda"] == before["vda"]
    assert storage.images(guest.folder) == {guest.disks["vda"], *files}
    assert str(detached) in site.virtsnap("plan", "-v").out
    storage.assert_clean(guest.folder)


def test_lv_42_an_internal_snapshot_in_an_overlay_is_not_merged_away(site: Site) -> None:
    guest = with_layers(site, "s1")
    overlay = guest.active_images()["vda"]
    by_hand.run("qemu-img", "snapshot", "-c", "i1", str(overlay))
    files = storage.images(guest.folder)
    site.declare(guest, prune="auto")

    refused = site.refuses(guest)

    assert refused["code"] == "InternalSnapshots"
    assert str(overlay) in refused["message"]
    assert "i1" in by_hand.run("qemu-img", "snapshot", "-l", str(overlay))
    assert by_hand.names(guest) == ["s1"]
    assert storage.images(guest.folder) == files

    by_hand.run("qemu-img", "snapshot", "-d", "i1", str(overlay))
    site.apply()
    assert guest.active_images() == guest.disks
    storage.assert_tidy(guest)


def test_lv_46_an_overlay_of_a_backup_tool_holds_everything_back(site: Site) -> None:
    guest = with_layers(site, "s1")
    flags = by_hand.DISK_ONLY | by_hand.NO_METADATA
    by_hand.snapshot(guest, "backup", flags=flags)
    active, files = guest.active_images(), storage.images(guest.folder)
    for wanted in ([], ["s1", "s2"]):
        site.declare(guest, *wanted, prune="auto")
        refused = site.refuses(guest)
        assert refused["code"] == "ForeignOverlay"
        assert str(active["vda"]) in refused["message"]
        assert guest.active_images() == active
        assert storage.images(guest.folder) == files
        assert by_hand.names(guest) == ["s1"]

    # the backup ends, and merges its overlay as such tools do
    below = storage.chain(active["vda"])[1]
    by_hand.run("qemu-img", "commit", "-q", str(active["vda"]))
    by_hand.redirect(guest, {"vda": below})
    active["vda"].unlink()
    before = storage.view(guest)
    site.declare(guest, prune="auto")
    site.apply()
    assert site.is_in_sync()
    assert storage.view(guest) == before
    storage.assert_tidy(guest)


def test_lv_50_a_snapshot_that_two_branches_stand_on_waits_for_one_of_them(site: Site) -> None:
    guest = with_layers(site, "s1", "s2", "s3")
    by_hand.revert(guest, "s1")
    site.declare(guest, "s1", "s2", "s3", "s4", prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 5, 0x55)
    before, moments = storage.view(guest), storage.moments(guest)
    assert set(moments) == {(name, "vda") for name in ("s1", "s2", "s3", "s4")}

    site.declare(guest, "s2", "s3", "s4", prune="auto")
    refused = site.refuses(guest)
    assert refused["code"] == "SnapshotHasBranches"
    for name in ("s2", "s3", "s4"):
        assert name in refused["message"]
    assert storage.moments(guest) == moments

    site.declare(guest, "s4", prune="auto")
    site.apply()
    assert site.is_in_sync()
    assert storage.view(guest) == before
    assert storage.moments(guest) == {("s4", "vda"): moments["s4", "vda"]}
    storage.assert_tidy(guest)


def test_lv_52_the_current_snapshot_with_a_child_waits_until_the_child_goes_too(site: Site) -> None:
    guest = with_layers(site, "s1", "s2", "s3")
    by_hand.revert(guest, "s2")
    by_hand.write(guest.active_images()["vda"], 5, 0x55)
    before, moments = storage.view(guest), storage.moments(guest)
    site.declare(guest, "s1", "s3", prune="auto")

    assert site.refuses(guest)["code"] == "SnapshotHasBranches"
    assert storage.moments(guest) == moments

    site.declare(guest, "s1", prune="auto")
    plan = site.planned(guest)
    risky = [step for step in plan["steps"] if step["risk"] == "destructive"]
    assert {step["action"] for step in risky} == {"remove-image"}
    site.apply()
    assert site.is_in_sync()
    assert by_hand.names(guest) == ["s1"]
    assert by_hand.current(guest) == "s1"
    assert storage.view(guest) == before
    assert storage.moments(guest) == {("s1", "vda"): moments["s1", "vda"]}
    storage.assert_tidy(guest)
