"""A user who may use libvirt and cannot read the images: looking works, changing needs sudo."""

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.nobody import as_nobody
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def with_private_images(site: Site, *, running: bool) -> Guest:
    """web01 with s1, its images for root only."""
    guest = site.lab.guest("web01", running=running)
    site.declare(guest, "s1")
    site.apply()
    for image in storage.images(guest.folder):
        image.chmod(0o600)
    return guest


@pytest.mark.parametrize("running", [True, False], ids=["running", "shut off"])
def test_tree_status_and_plan_work_from_what_libvirt_tells(site: Site, running: bool) -> None:
    guest = with_private_images(site, running=running)
    active = guest.active_images()["vda"]

    tree = as_nobody(site, "tree", "web01")
    assert tree.code == 0, tree.err
    assert "s1" in tree.out
    assert active.name in tree.out
    if running:
        assert guest.disks["vda"].name in tree.out
    status = as_nobody(site, "status")
    assert status.code == 0, status.err
    assert "web01" in status.out
    plan = as_nobody(site, "plan")
    assert plan.code == 0, plan.err
    assert "No changes" in plan.out, plan.out


@pytest.mark.parametrize("running", [True, False], ids=["running", "shut off"])
def test_what_needs_the_files_is_refused_with_the_hint_to_use_sudo(
    site: Site, running: bool
) -> None:
    guest = with_private_images(site, running=running)
    files = storage.images(guest.folder)
    site.declare(guest, prune="auto")

    said = as_nobody(site, "plan", "--detailed-exitcode")
    assert said.code == 5, said.out + said.err
    assert "NeedsLocalAccess" in said.out
    assert "sudo virtsnap plan" in said.out
    assert as_nobody(site, "apply", "--auto-approve").code == 5
    assert by_hand.names(guest) == ["s1"]
    assert storage.images(guest.folder) == files

    site.apply()
    assert site.is_in_sync()
    assert storage.images(guest.folder) == set(guest.disks.values())


def test_steps_that_libvirt_would_do_end_at_the_lock_with_one_line(site: Site) -> None:
    guest = with_private_images(site, running=True)
    site.environment["VIRTSNAP_RUNTIME_DIR"] = str(site.folder / "run")
    site.declare(guest, "s1", "s2")

    said = as_nobody(site, "apply", "--auto-approve")

    assert said.code in (1, 5), said.out + said.err
    assert "sudo" in said.out + said.err
    assert "Traceback" not in said.err
    assert by_hand.names(guest) == ["s1"]
