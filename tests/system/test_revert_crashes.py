"""virtsnap is killed in the middle of a revert: the next apply ends it, once, with nothing lost."""

import shutil

import pytest

from tests.system import by_hand, storage
from tests.system.dying import dying_at
from tests.system.site import Site
from tests.system.test_revert import back, of, running_with_s1, shut_off_with
from tests.system.test_revert_config import describe, said

pytestmark = pytest.mark.qemu

_HOST = "reconciler.hypervisor.host"
#: libvirt has gone back, definition and all, and the present one is not defined again yet
_BETWEEN = ("libvirt", "virDomain.revertToSnapshot")


@pytest.mark.parametrize(
    "verb",
    ["make_overlays", "define_reverted"],
    ids=["present kept, overlays made", "switched, not started"],
)
def test_sigkill_in_a_revert_of_a_running_guest_and_run_again(site: Site, verb: str) -> None:
    guest = running_with_s1(site)
    guest.mark("after-s1")
    moment = storage.moments(guest)
    site.declare(guest, "s1", prune="auto", revert=back("s1", "r1"))
    dying_at(site, "after", _HOST, f"LibvirtHost.{verb}")
    assert not guest.is_running

    site.apply()

    assert guest.is_running
    guest.wait_for_agent()
    guest.verify()
    assert not guest.has_marker("after-s1")
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


@pytest.mark.parametrize(
    ("where", "present"),
    [
        ((_HOST, "LibvirtHost.mark_record"), "keep"),
        (_BETWEEN, "keep"),
        (_BETWEEN, "discard"),
    ],
    ids=["not gone back", "not defined, present kept", "not defined, present discarded"],
)
def test_sigkill_in_an_internal_revert_and_run_again(
    any_site: Site, where: tuple[str, str], present: str
) -> None:
    site = any_site
    guest = site.lab.guest("web01", running=False)
    declared = {"name": "i1", "type": "internal"}
    describe(guest, "then", 100)
    site.declare(guest, declared, prune="auto")
    site.apply()
    moment = storage.view(guest)
    by_hand.write(guest.active_images()["vda"], 96, 0x61)
    describe(guest, "now", 120)
    now = said(guest)
    site.declare(guest, declared, prune="auto", revert=back("i1", "r1", present=present))
    dying_at(site, "after", *where)
    assert (said(guest) == now) is (where != _BETWEEN)
    assert "definition-before-revert-r1" in by_hand.names(guest)
    if present == "discard":
        shutil.rmtree(site.folder / "state")

    site.apply()

    assert said(guest) == now
    assert storage.view(guest) == moment
    kept = ["before-revert-r1"] if present == "keep" else []
    assert by_hand.names(guest) == [*kept, "i1"]
    assert by_hand.current(guest) == "i1"
    assert site.is_in_sync()
    by_hand.write(guest.active_images()["vda"], 97, 0x62)
    after = storage.view(guest)
    site.apply()
    assert storage.view(guest) == after, "it was done a second time"


def test_sigkill_right_after_the_switch_and_what_was_given_up_is_removed(any_site: Site) -> None:
    site = any_site
    guest = shut_off_with(site, "s1")
    at_s1 = of(storage.moments(guest), "s1")
    given_up = guest.active_images()["vda"]
    site.declare(guest, "s1", revert=back("s1", "r1", present="discard"))
    dying_at(site, "after", _HOST, "LibvirtHost.define_reverted")
    assert given_up.exists()
    assert given_up not in guest.active_images().values()

    site.apply()

    assert storage.view(guest) == at_s1
    assert storage.images(guest.folder) == storage.needed(guest)
    assert not given_up.exists()
    assert site.is_in_sync()


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
