"""Snapshots that virtsnap did not take survive whatever is declared and removed around them."""

import pytest
from lxml import etree

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def theirs(guest: Guest) -> dict[str, bytes]:
    """The records of all snapshots that were made by hand, but for whose child each is."""
    found = {}
    for name in by_hand.names(guest):
        if name.startswith("theirs"):
            root = by_hand.record(guest, name)
            for parent in root.findall("parent"):
                root.remove(parent)
            found[name] = etree.tostring(root, method="c14n")
    return found


def rounds(site: Site, guest: Guest) -> list[int]:
    """Snapshots are declared, some removed, all removed; the exit codes of the applies."""
    codes = []
    for wanted in (["s1", "s2"], ["s2"], []):
        site.declare(guest, *wanted, prune="auto")
        assert site.virtsnap("plan").code == 0
        codes.append(site.virtsnap("apply", "--auto-approve").code)
    return codes


@pytest.mark.parametrize("disks", [None, ("vda",)], ids=["all disks", "one disk"])
def test_external_ones_below_ours_survive(site: Site, disks: tuple[str, ...] | None) -> None:
    guest = site.lab.guest("web01", disks=2, running=False)
    by_hand.snapshot(guest, "theirs-1", disks=disks)
    for number, image in enumerate(guest.active_images().values(), start=1):
        by_hand.write(image, number, number)
    records, moments, active = theirs(guest), storage.moments(guest), guest.active_images()
    before = storage.view(guest)

    assert rounds(site, guest) == [0, 0, 0]

    assert site.is_in_sync()
    assert theirs(guest) == records
    assert storage.moments(guest) == moments
    assert guest.active_images() == active
    assert storage.view(guest) == before
    storage.assert_tidy(guest)


def test_one_above_ours_holds_its_removal_back_and_nothing_else(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 1, 0x11)
    by_hand.snapshot(guest, "theirs-1")
    by_hand.write(guest.active_images()["vda"], 2, 0x22)
    records, moments = theirs(guest), storage.moments(guest)
    before = storage.view(guest)

    site.declare(guest, "s2", prune="auto")
    said = site.virtsnap("apply", "--auto-approve")
    assert said.code == 5, said.out + said.err
    assert "UnmanagedReader" in said.out
    assert by_hand.names(guest) == ["s1", "s2", "theirs-1"]
    site.declare(guest, prune="auto")
    refused = site.virtsnap("apply", "--auto-approve")
    assert refused.code == 5, refused.out + refused.err

    assert by_hand.names(guest) == ["s1", "theirs-1"]
    assert theirs(guest) == records
    assert storage.moments(guest) == moments
    assert storage.view(guest) == before
    storage.assert_tidy(guest)


def test_internal_ones_of_a_shut_off_domain_survive(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    by_hand.internal(guest, "theirs-inside")
    base = guest.disks["vda"]
    records = theirs(guest)

    assert rounds(site, guest)[0] == 0

    assert theirs(guest) == records
    assert "theirs-inside" in by_hand.run("qemu-img", "snapshot", "-l", "-U", str(base))
    by_hand.run("qemu-img", "snapshot", "-a", "theirs-inside", str(base))
    storage.assert_clean(guest.folder)


def test_ones_with_memory_survive(site: Site) -> None:
    guest = site.lab.guest("web01")
    memory = guest.folder / "theirs.save"
    by_hand.snapshot(guest, "theirs-memory", flags=0, memory=memory)
    state = memory.stat()
    records, moments, active = theirs(guest), storage.moments(guest), guest.active_images()

    assert rounds(site, guest) == [0, 0, 0]

    assert site.is_in_sync()
    assert theirs(guest) == records
    assert storage.moments(guest) == moments
    assert guest.active_images() == active
    assert (memory.stat().st_mtime_ns, memory.stat().st_size) == (state.st_mtime_ns, state.st_size)
    guest.verify()
    storage.assert_sound(guest)


def test_branches_of_a_hand_made_revert_survive(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    for number in (1, 2):
        by_hand.snapshot(guest, f"theirs-{number}")
        by_hand.write(guest.active_images()["vda"], number, number)
    left = guest.active_images()["vda"]
    new = by_hand.revert(guest, "theirs-1")
    by_hand.write(new, 5, 0x55)
    records, moments = theirs(guest), storage.moments(guest)
    before, abandoned = storage.view(guest), left.read_bytes()

    assert rounds(site, guest) == [0, 0, 0]

    assert site.is_in_sync()
    assert theirs(guest) == records
    assert storage.moments(guest) == moments
    assert storage.view(guest) == before
    assert guest.active_images() == {"vda": new}
    assert left.read_bytes() == abandoned
    storage.assert_clean(guest.folder)
