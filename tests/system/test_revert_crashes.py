"""virtsnap is killed in the middle of a revert: the next apply ends it, once, with nothing lost."""

import shutil

import pytest

from tests.system import by_hand, storage
from tests.system.dying import dying_at
from tests.system.site import Site
from tests.system.test_revert import back, of, running_with_s1

pytestmark = pytest.mark.qemu

_HOST = "reconciler.hypervisor.host"


@pytest.mark.parametrize(
    "verb",
    ["make_overlays", "define_reverted"],
    ids=["present kept, overlays made", "switched, not started"],
)
def test_sigkill_in_a_revert_of_a_running_guest_and_run_again(site: Site, verb: str) -> None:
    guest = running_with_s1(site)
    moment, head = storage.moments(guest), guest.head()
    site.declare(guest, "s1", prune="auto", revert=back("s1", "r1"))
    dying_at(site, "after", _HOST, f"LibvirtHost.{verb}")
    assert not guest.is_running

    site.apply()

    assert guest.is_running
    guest.wait_for_agent()
    guest.verify()
    assert guest.head() < head, "it is the data of s1 and what was written since the boot"
    assert by_hand.names(guest) == ["before-revert-r1", "s1"]
    now = storage.moments(guest)
    assert of(now, "s1") == of(moment, "s1")
    assert of(now, "before-revert-r1").keys() == guest.disks.keys()
    assert storage.images(guest.folder) == storage.needed(guest)
    assert by_hand.current(guest) == "s1"
    boots = guest.log.read_text(errors="replace").count("LAB up")
    assert site.is_in_sync()
    site.apply()
    assert guest.log.read_text(errors="replace").count("LAB up") == boots


@pytest.mark.parametrize("verb", ["mark_record", "revert_internal"])
def test_sigkill_in_an_internal_revert_and_run_again(site: Site, verb: str) -> None:
    guest = site.lab.guest("web01", running=False)
    declared = {"name": "i1", "type": "internal"}
    site.declare(guest, declared, prune="auto")
    site.apply()
    moment = storage.view(guest)
    by_hand.write(guest.active_images()["vda"], 96, 0x61)
    site.declare(guest, declared, prune="auto", revert=back("i1", "r1"))
    dying_at(site, "after", _HOST, f"LibvirtHost.{verb}")

    site.apply()

    assert storage.view(guest) == moment
    # who died before libvirt went back keeps the present once more: it may have changed since
    assert {"before-revert-r1", "i1"} <= set(by_hand.names(guest))
    assert by_hand.current(guest) == "i1"
    assert site.is_in_sync()
    by_hand.write(guest.active_images()["vda"], 97, 0x62)
    after = storage.view(guest)
    site.apply()
    assert storage.view(guest) == after, "it was done a second time"


def test_old_manifests_in_any_order_revert_once_for_each_request(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 90, 0x21)
    requests = {name: back("s1", name, present="discard") for name in ("r1", "r2")}
    for request in requests.values():
        site.declare(guest, "s1", prune="auto", revert=request)
        site.apply()
    by_hand.write(guest.active_images()["vda"], 91, 0x22)
    written = storage.view(guest)
    for lost in ("state", None):
        for name in ("r1", "r2", "r1"):
            site.declare(guest, "s1", prune="auto", revert=requests[name])
            site.apply()
            site.declare(guest, "s1", prune="auto")
            site.apply()
            assert storage.view(guest) == written, name
        if lost is not None:
            shutil.rmtree(site.folder / lost)
