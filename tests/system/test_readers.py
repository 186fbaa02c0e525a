"""Nobody else's data changes: other readers of an image, other processes, no room, no proof."""

import os
from pathlib import Path

import libvirt
import pytest

from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def host_manifest(site: Site, **spec: str) -> None:
    """A Host of this libvirt with other settings than the defaults."""
    lines = "".join(f"  {key}: {value}\n" for key, value in spec.items())
    (site.manifests / "host.yaml").write_text(
        f"apiVersion: virtsnap/v1\nkind: Host\nmetadata: {{name: local}}\nspec:\n{lines}"
    )


def with_one_snapshot(site: Site) -> Guest:
    """A shut-off guest, web01, with s1 that is to go; something lies in its overlay."""
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 1, 0x11)
    site.declare(guest, prune="auto")
    return guest


@pytest.mark.parametrize("running", [True, False], ids=["running", "shut off"])
def test_lv_40_a_base_that_another_domain_stands_on_is_not_written_to(
    site: Site, running: bool
) -> None:
    guest = with_one_snapshot(site)
    base = guest.disks["vda"]
    theirs = by_hand.make_overlay(base, site.folder / "db01.qcow2")
    other = site.lab.guest_of((DiskSpec(source=theirs),), "db01")
    if running:
        for domain in (guest.domain, other.domain):
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    before, files = base.read_bytes(), storage.images(guest.folder)

    refused = site.refuses(guest)

    assert refused["code"] == "UnmanagedReader"
    assert "domain db01" in refused["message"]
    assert str(base) in refused["message"]
    if running:
        assert not guest.domain.blockJobInfo("vda")
    assert base.read_bytes() == before
    assert storage.images(guest.folder) == files
    assert by_hand.names(guest) == ["s1"]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same folder", "another folder"])
def test_a_base_that_only_a_file_stands_on_is_not_written_to(site: Site, elsewhere: bool) -> None:
    guest = with_one_snapshot(site)
    base = guest.disks["vda"]
    folder = guest.folder
    if elsewhere:
        folder = site.folder / "clones"
        folder.mkdir()
        host_manifest(site, folders=f"[{folder}]")
    clone = by_hand.make_overlay(base, folder / "clone.qcow2")
    before = base.read_bytes()

    refused = site.refuses(guest)

    assert refused["code"] == "UnmanagedReader"
    assert str(clone) in refused["message"]
    assert base.read_bytes() == before
    assert by_hand.names(guest) == ["s1"]

    clone.unlink()
    site.apply()
    assert site.is_in_sync()
    storage.assert_tidy(guest)


def test_lv_54_while_somebody_has_one_disk_open_no_disk_is_merged(site: Site) -> None:
    guest = site.lab.guest("web01", disks=2, running=False)
    site.declare(guest, "s1", prune="auto")
    site.apply()
    for number, image in enumerate(guest.active_images().values(), start=1):
        by_hand.write(image, number, number)
    before = storage.view(guest)
    site.declare(guest, prune="auto")
    base = guest.disks["vdb"]
    with storage.held_open(base):
        said = site.virtsnap("apply", "--auto-approve")

    assert said.code == 5, said.out + said.err
    assert guest.active_images()["vda"] != guest.disks["vda"]
    assert guest.active_images()["vdb"] != base
    assert by_hand.names(guest) == ["s1"]
    plan = site.planned(guest)
    assert [drift["why"] for drift in plan["drift"] if drift["kind"] == "SnapshotUndeclared"] == [
        "not-in-manifest"
    ]
    commits = [step for step in plan["steps"] if step["action"] == "commit"]
    assert [step["disk"] for step in commits] == ["vda", "vdb"]

    site.apply()
    assert site.is_in_sync()
    assert guest.active_images() == guest.disks
    assert storage.view(guest) == before
    storage.assert_tidy(guest)


def test_lv_56_a_commit_that_does_not_fit_waits_for_room(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "mounting a small file system needs root: run the tests with sudo"
    small = tmp_path / "small"
    small.mkdir()
    by_hand.run("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small))
    try:
        # a daemon of its own: one that runs already does not see the new mount
        with Lab.started() as lab:
            _commit_into(Site(lab, tmp_path), small, tmp_path / "big")
    finally:
        by_hand.run("umount", "-l", str(small))


def _commit_into(site: Site, small: Path, big: Path) -> None:
    big.mkdir()
    guest = site.lab.guest("web01", running=False, folder=small)
    host_manifest(site, folders=f"[{big}]")
    overlay = f"{big}/{{{{ disk.target }}}}-{{{{ snapshot.name }}}}.qcow2"
    site.declare(guest, {"name": "s1", "overlay": overlay}, prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 1, 0x11, mebibytes=20)
    before = storage.view(guest)
    site.declare(guest, prune="auto")

    refused = site.refuses(guest)
    assert refused["code"] == "NoSpace"
    assert str(small) in refused["message"]
    assert by_hand.names(guest) == ["s1"]

    by_hand.run("mount", "-o", "remount,size=100m", str(small))
    site.apply()
    assert site.is_in_sync()
    assert storage.view(guest) == before
    assert storage.images(big) == set()
    storage.assert_clean(small)
