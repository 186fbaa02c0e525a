"""Images are made where they may be, under the names that the plan showed, or not at all."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import StepRefused, VirtsnapError
from reconciler.hypervisor import create
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.image_files import make
from reconciler.model.action import CreateSnapshot, NewOverlay
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import PowerState
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.site import Site
from tests.system.test_create import new_image
from tests.system.test_readers import host_manifest

pytestmark = pytest.mark.qemu
NAME = "{{ disk.target }}-{{ snapshot.name }}.qcow2"


@pytest.fixture
def guest(site: Site) -> Guest:
    """web01, off, with one small disk in ``images``."""
    return site.lab.guest_of((DiskSpec(source=new_image(site.folder / "images/a.qcow2")),), "web01")


def test_a_declared_folder_that_is_a_link_is_where_it_leads(site: Site, guest: Guest) -> None:
    (site.folder / "real").mkdir()
    (site.folder / "link").symlink_to("real")
    host_manifest(site, folders=f"[{site.folder}/link]")
    site.declare(guest, {"name": "s1", "overlay": f"{site.folder}/link/{NAME}"})
    site.apply()
    assert guest.active_images()["vda"] == site.folder / "real" / "vda-s1.qcow2"
    assert site.is_in_sync()


@pytest.mark.parametrize(
    "folder", ["/etc", "{site}", "{site}/images/sub", "{site}/escape", "/dev", "/proc/self"]
)
def test_another_folder_is_refused_by_name(site: Site, guest: Guest, folder: str) -> None:
    (site.folder / "images" / "sub").mkdir()
    (site.folder / "escape").symlink_to("images")
    site.declare(guest, {"name": "s1", "overlay": f"{folder.format(site=site.folder)}/{NAME}"})

    refused = site.refuses(guest)

    assert refused["code"] == "OutsideFolders"
    assert by_hand.names(guest) == []


def _file(path: Path) -> None:
    path.write_bytes(b"precious")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))


def _link(path: Path) -> None:
    path.symlink_to("/dev/null")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _folder(path: Path) -> None:
    path.mkdir()


KINDS = pytest.mark.parametrize(
    "obstacle",
    [_file, _fifo, _device, _link, _dangling, _folder],
    ids=lambda make: make.__name__[1:],
)


@KINDS
def test_what_stands_at_the_path_is_neither_opened_nor_replaced(
    site: Site, guest: Guest, obstacle: Callable[[Path], None]
) -> None:
    """Both when it is planned (another name is taken) and when it comes between (refused)."""
    path = site.folder / "images" / "web01-vda-s1.qcow2"
    obstacle(path)
    before = path.lstat()
    site.declare(guest, "s1")

    with pytest.raises(StepRefused, match="exists already"):
        taken_at(site, guest, path)
    with pytest.raises(StepRefused, match="exists already"):
        make(guest.domain, (overlay_at(guest, path),))
    assert by_hand.names(guest) == []
    planned = site.planned(guest)["steps"][0]["disks"]["vda"]["overlay"]
    assert planned == str(path.with_name("web01-vda-s1.2.qcow2"))
    now = path.lstat()
    assert (now.st_ino, now.st_mode, now.st_size) == (before.st_ino, before.st_mode, before.st_size)


def test_a_folder_that_became_a_link_after_the_plan_is_not_followed(
    site: Site, guest: Guest
) -> None:
    overlays = site.folder / "overlays"
    overlays.mkdir()
    path = overlays / "vda-s1.qcow2"
    overlays.rmdir()
    (site.folder / "elsewhere").mkdir()
    overlays.symlink_to("elsewhere")

    with pytest.raises(VirtsnapError, match="is not where"):
        taken_at(site, guest, path)
    with pytest.raises(VirtsnapError, match="is not where"):
        make(guest.domain, (overlay_at(guest, path),))

    assert by_hand.names(guest) == []
    assert list((site.folder / "elsewhere").iterdir()) == []


def overlay_at(guest: Guest, path: Path) -> NewOverlay:
    return NewOverlay(
        target=DiskTarget("vda"),
        frozen=ImagePath(str(guest.disks["vda"])),
        frozen_format="qcow2",
        overlay=ImagePath(str(path)),
    )


def taken_at(site: Site, guest: Guest, path: Path) -> None:
    """The step itself, as the plan had it before somebody came between."""
    action = CreateSnapshot(
        snapshot=SnapshotName("s1"),
        description="",
        overlays=(overlay_at(guest, path),),
        skipped=(),
        parent=None,
        quiesce=False,
        may_degrade=False,
        consistency=Consistency.OFFLINE,
        power=PowerState.SHUT_OFF,
        manifest=None,
    )
    with Connection(site.lab.daemon.uri, is_readonly=False) as connection:
        create.create(
            connection,
            DomainUuid(guest.domain.UUIDString()),
            action,
            quiesce=False,
            agent_timeout=5,
            thaw_seconds=1,
        )


def test_an_image_that_we_make_is_for_its_owner_alone(site: Site, guest: Guest) -> None:
    """Owner and group of the image below, 0600 whatever the umask and the base say."""
    base = guest.disks["vda"]
    os.chown(base, 65534, 65534)
    base.chmod(0o664)
    old = os.umask(0)
    try:
        site.declare(guest, "s1")
        site.apply()
        revert = {"to": "s1", "request": "r1", "present": "discard"}
        site.declare(guest, "s1", revert=revert, prune="auto")
        site.apply()
    finally:
        os.umask(old)

    made = storage.images(base.parent) - {base}
    assert made
    for image in made:
        status = image.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o600, 65534, 65534)
    assert base.stat().st_mode & 0o777 == 0o664
    for folder in ("state", "run"):
        for file in (site.folder / folder).iterdir():
            assert file.stat().st_mode & 0o077 == 0
