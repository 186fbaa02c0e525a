"""Snapshots taken with virsh become managed, held and released, and go like any other."""

import pytest
import yaml
from lxml import etree

from reconciler.hypervisor import ledger
from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def without_mark(guest: Guest, name: str) -> bytes:
    """A record as it is but for our element."""
    root = by_hand.record(guest, name)
    for element in root.findall(f".//{ledger.TAG}"):
        metadata = element.getparent()
        assert metadata is not None
        metadata.remove(element)
    for metadata in root.findall(".//metadata"):
        if not len(metadata) and (parent := metadata.getparent()) is not None:
            parent.remove(metadata)
    text = etree.tostring(root, method="c14n")
    return b"".join(line.strip() for line in text.splitlines())


def test_what_virsh_took_of_a_running_guest_is_adopted_held_and_removed(any_site: Site) -> None:
    adopted_held_and_removed(any_site, running=True)


def test_what_virsh_took_of_a_shut_off_domain_is_adopted_held_and_removed(site: Site) -> None:
    adopted_held_and_removed(site, running=False)


def adopted_held_and_removed(site: Site, *, running: bool) -> None:
    """Three snapshots taken by virsh; two are adopted and go, one of them after its release."""
    guest = site.lab.guest("web01", disks=1 if running else 2, running=running)
    names = ["theirs", "first", "second"]
    for number, name in enumerate(names, start=1):
        by_hand.snapshot(guest, name, disks=["vda"] if name == "second" else None)
        if running:
            guest.fill("vda", 1, seed=number)
        else:
            by_hand.write(guest.active_images()["vda"], number, number)
    before = {name: without_mark(guest, name) for name in names}
    moments, record = storage.moments(guest), by_hand.record(guest, "theirs")

    imported = site.virtsnap("import", "web01", "--adopt")
    assert imported.code == 0, imported.err
    spec = yaml.safe_load(imported.out)["spec"]
    assert spec["unmanaged"] == "adopt"
    assert [snapshot["name"] for snapshot in spec["snapshots"]] == names
    first, second = spec["snapshots"][1:]
    site.declare(guest, first, {**second, "protect": True}, unmanaged="adopt", prune="auto")
    site.apply()

    assert {name: without_mark(guest, name) for name in names} == before
    assert etree.tostring(by_hand.record(guest, "theirs")) == etree.tostring(record)
    assert by_hand.current(guest) == "second"

    site.declare(guest, prune="auto")
    site.apply()
    assert by_hand.names(guest) == ["second", "theirs"]
    assert site.is_in_sync()
    kept = storage.moments(guest)
    assert kept == {key: moment for key, moment in moments.items() if key in kept}

    said = site.virtsnap("release", "web01/second")
    assert said.code == 0, said.err
    site.apply()
    assert by_hand.names(guest) == ["theirs"]
    assert all(len(storage.chain(path)) == 2 for path in guest.active_images().values())
    if running:
        guest.verify()
        storage.assert_sound(guest)
    storage.assert_tidy(guest)


def test_what_virsh_took_with_memory_is_adopted_reverted_to_and_removed(any_site: Site) -> None:
    site, guest = any_site, any_site.lab.guest("web01")
    memory = guest.folder / "theirs.save"
    by_hand.snapshot(guest, "before", memory=memory, flags=0)
    then = guest.head()
    guest.fill("vda", 1, seed=1)
    before = without_mark(guest, "before")

    spec = yaml.safe_load(site.virtsnap("import", "web01", "--adopt").out)["spec"]
    assert spec["snapshots"] == [{"name": "before", "memory": True}]
    site.declare(guest, *spec["snapshots"], unmanaged="adopt")
    site.apply()
    assert without_mark(guest, "before") == before
    assert site.is_in_sync()

    back = {"to": "before", "request": "r1", "present": "discard"}
    site.declare(guest, *spec["snapshots"], unmanaged="adopt", revert=back)
    site.apply()
    guest.wait_for_agent()
    guest.verify()
    assert guest.head() >= then

    # what virsh put above is not virtsnap's: given up, it stays, and is in the way
    left = guest.folder / "by-hand-vda-before.qcow2"
    site.declare(guest, prune="auto")
    assert str(left) in site.refuses(guest)["message"]
    left.unlink()
    site.apply()
    assert not by_hand.names(guest)
    assert not memory.exists()
    storage.assert_sound(guest)
    storage.assert_tidy(guest)


def test_what_virsh_took_inside_is_adopted_reverted_to_and_deleted(site: Site) -> None:
    guest = site.lab.guest("web01")
    by_hand.internal(guest, "inside")
    guest.fill("vda", 1, seed=1)

    spec = yaml.safe_load(site.virtsnap("import", "web01", "--adopt").out)["spec"]
    assert spec["snapshots"] == [{"name": "inside", "type": "internal", "memory": True}]
    site.declare(guest, *spec["snapshots"], unmanaged="adopt")
    site.apply()
    assert site.is_in_sync()

    back = {"to": "inside", "request": "r1", "present": "discard"}
    site.declare(guest, *spec["snapshots"], unmanaged="adopt", revert=back)
    site.apply()
    guest.wait_for_agent()
    guest.verify()

    site.declare(guest, prune="auto")
    site.apply()
    assert not by_hand.names(guest)
    storage.assert_sound(guest)
    listed = by_hand.run("qemu-img", "snapshot", "-l", str(guest.active_images()["vda"]))
    assert "inside" not in listed
    storage.assert_tidy(guest)
