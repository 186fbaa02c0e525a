"""Going back to external snapshots, with the same result on every libvirt."""

import libvirt
import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


@pytest.fixture
def site(any_site: Site) -> Site:
    """An empty site on each libvirt."""
    return any_site


def back(to: str, request: str, **rest: str) -> dict[str, str]:
    return {"to": to, "request": request, **rest}


def of(moments: dict[tuple[str, str], str], name: str) -> dict[str, str]:
    """What the snapshot *name* holds of each disk."""
    return {target: what for (of_name, target), what in moments.items() if of_name == name}


def shut_off_with(site: Site, *names: str, disks: int = 1) -> Guest:
    """A shut-off guest; each overlay has data of its own."""
    guest = site.lab.guest("web01", disks=disks, running=False)
    for number, _ in enumerate(names):
        site.declare(guest, *names[: number + 1], prune="auto")
        site.apply()
        for target, image in guest.active_images().items():
            by_hand.write(image, 90 + number, 0x21 + number + 0x10 * (target == "vdb"))
    return guest


def test_a_shut_off_guest_goes_back_and_forth_between_branches(site: Site) -> None:
    names = ("s1", "s2")
    guest = shut_off_with(site, *names)
    moments = storage.moments(guest)
    for number, name in enumerate(("s1", "s2")):
        present = storage.view(guest)
        site.declare(guest, *names, prune="auto", revert=back(name, f"INC-{number}"))

        site.apply()

        assert storage.view(guest) == of(moments, name)
        assert of(storage.moments(guest), f"before-revert-INC-{number}") == present
        kept = {key: what for key, what in storage.moments(guest).items() if key[0] in names}
        assert kept == moments
        assert by_hand.current(guest) == name
        assert storage.images(guest.folder) == storage.needed(guest)
        storage.assert_clean(guest.folder)
        assert site.is_in_sync()
        by_hand.write(guest.active_images()["vda"], 97, 0x51 + number)
        after = storage.view(guest)
        site.apply()
        assert storage.view(guest) == after, "the request was done a second time"


def test_what_is_discarded_leaves_no_image_behind(site: Site) -> None:
    guest = shut_off_with(site, "s1", "s2", disks=2)
    moments = storage.moments(guest)
    site.declare(guest, "s1", "s2", prune="auto", revert=back("s1", "r1", present="discard"))

    site.apply()

    assert storage.view(guest) == of(moments, "s1")
    assert storage.moments(guest) == moments
    assert storage.images(guest.folder) == storage.needed(guest)
    assert site.is_in_sync()
    site.declare(guest, prune="auto", revert=back("s1", "r1", present="discard"))
    site.apply()
    assert by_hand.names(guest) == []
    assert storage.view(guest) == of(moments, "s1")
    assert storage.images(guest.folder) == set(guest.disks.values())


def running_with_s1(site: Site, **spec: object) -> Guest:
    """A running guest, its writer at work before and after s1."""
    guest = site.lab.guest("web01", disks=2)
    guest.wait_for_record(3)
    site.declare(guest, {"name": "s1", **spec}, prune="auto")
    site.apply()
    guest.wait_for_record(guest.head() + 3)
    return guest


def test_a_running_guest_boots_from_the_moment_and_its_present_resumes(site: Site) -> None:
    guest = running_with_s1(site)
    moments, head = storage.moments(guest), guest.head()
    site.declare(guest, "s1", prune="auto", revert=back("s1", "r1"))

    site.apply()

    assert guest.is_running
    assert by_hand.names(guest) == ["before-revert-r1", "s1"]
    assert of(storage.moments(guest), "s1") == of(moments, "s1")
    guest.wait_for_agent()
    guest.verify()
    assert site.is_in_sync()
    site.declare(guest, "s1", prune="auto", revert=back("before-revert-r1", "r2"))
    site.apply()
    guest.verify()
    assert guest.head() >= head, "it went on from the memory of the present that was kept"
    assert site.is_in_sync()
    site.virtsnap("release", "web01/before-revert-r1")
    site.virtsnap("release", "web01/before-revert-r2")
    site.declare(guest, prune="auto")
    site.apply()
    guest.verify()
    assert guest.active_images() == guest.disks
    assert storage.images(guest.folder) == set(guest.disks.values())
    assert not list(guest.folder.glob("*.save"))


def test_memory_goes_on_where_it_was_paused_or_running(site: Site) -> None:
    guest = running_with_s1(site, memory=True)
    wanted = {"name": "s1", "memory": True}
    site.declare(
        guest, wanted, prune="auto", revert=back("s1", "r1", power="paused", present="discard")
    )

    site.apply()

    assert guest.domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    guest.domain.resume()
    guest.wait_for_agent()
    guest.verify()
    assert site.is_in_sync()
    assert storage.images(guest.folder) == storage.needed(guest)


@pytest.mark.parametrize("running", [True, False], ids=["running", "shut off"])
def test_an_internal_snapshot_comes_back_with_the_present_kept(site: Site, running: bool) -> None:
    guest = site.lab.guest("web01", disks=2, running=running)
    wanted = {"name": "i1", "type": "internal", "memory": running}
    if running:
        guest.wait_for_record(3)
    site.declare(guest, wanted, prune="auto")
    site.apply()
    present = storage.view(guest)
    if running:
        guest.wait_for_record(guest.head() + 3)
    else:
        by_hand.write(guest.active_images()["vda"], 96, 0x61)
    site.declare(guest, wanted, prune="auto", revert=back("i1", "r1"))

    site.apply()

    assert guest.is_running is running
    assert by_hand.names(guest) == ["before-revert-r1", "i1"]
    assert by_hand.current(guest) == "i1"
    if running:
        guest.verify()
        guest.wait_for_record(guest.head() + 2)
    else:
        assert storage.view(guest) == present
    assert site.is_in_sync()
    assert guest.active_images() == guest.disks
