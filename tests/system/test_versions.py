"""On each libvirt: the main job, and what an administrator's own virsh makes of virtsnap's work.

Native revert is libvirt's from 9.10 on, and native delete is another one from 9.9 on: both trust
records, current pointer and chain to agree, and remove image files by them.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

from tests.lab.guest import Guest, Lab
from tests.lab.versions import each_libvirt
from tests.system import by_hand, storage
from tests.system.site import Site
from tests.system.test_main_job import (
    test_one_disk_is_snapshotted_and_consolidated_with_its_data_whole,
    test_three_snapshots_of_two_disks_come_and_go_while_the_guest_writes,
)

# The stories of the main job once more, on the ``site`` of this module.
__all__ = [
    "test_one_disk_is_snapshotted_and_consolidated_with_its_data_whole",
    "test_three_snapshots_of_two_disks_come_and_go_while_the_guest_writes",
]

pytestmark = [pytest.mark.qemu, pytest.mark.each_version]

#: The first version with a native revert to external snapshots that works.
NATIVE_REVERT = (9, 10)
REVERT_UNSUPPORTED = BRANCH_REFUSED = 67
NOT_IN_THE_CHAIN = 8

both = pytest.mark.parametrize("running", [True, False], ids=["running", "shut off"])


@pytest.fixture
def site(second_lab: Lab, tmp_path: Path) -> Iterator[Site]:
    """An empty site on the second libvirt."""
    yield Site(second_lab, tmp_path)
    second_lab.cleanup()


def first_and_third_of_three(site: Site, *, running: bool) -> Guest:
    """virtsnap took s1, s2 and s3 of two disks, and then removed s2."""
    guest = site.lab.guest("web01", disks=2)
    guest.wait_for_record(3)
    if not running:
        guest.shut_down()
    for number, names in enumerate((["s1", "s2"], ["s1", "s2", "s3"], ["s1", "s3"])):
        site.declare(guest, *names, prune="auto")
        site.apply()
        if running:
            guest.wait_for_record(guest.head() + 2)
        else:
            for target, image in guest.active_images().items():
                by_hand.write(image, 100 + number, 0x11 + number + 0x10 * (target == "vdb"))
    return guest


def assert_kept(guest: Guest, moments: dict[tuple[str, str], str], *names: str) -> None:
    """These and no other snapshots are there, every image they need reads, nothing has changed."""
    assert by_hand.names(guest) == sorted(names)
    kept = {key: what for key, what in moments.items() if key[0] in names}
    assert storage.moments(guest) == kept
    for image in storage.needed(guest):
        assert image.exists(), image


def assert_virtsnap_does_no_harm(
    site: Site, guest: Guest, moments: dict[tuple[str, str], str], *names: str
) -> None:
    """Whatever it does about what it finds, the snapshots hold what they held."""
    said = site.virtsnap("apply", "--auto-approve")
    assert said.code in (0, 5), said.out + said.err
    assert_kept(guest, moments, *names)


def native_revert(guest: Guest, name: str) -> None:
    """``virsh snapshot-revert``; images that it makes are named by the second."""
    time.sleep(1.1)
    running = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING if guest.is_running else 0
    guest.domain.revertToSnapshot(guest.domain.snapshotLookupByName(name), running)


def native_delete(guest: Guest, name: str) -> None:
    """``virsh snapshot-delete``."""
    guest.domain.snapshotLookupByName(name).delete()


def assert_refused(call: Callable[[Guest, str], None], guest: Guest, name: str, code: int) -> None:
    """libvirt's answer to a native call."""
    with pytest.raises(libvirt.libvirtError) as caught:
        call(guest, name)
    assert caught.value.get_error_code() == code


@both
def test_native_deletes_after_virtsnap_keep_what_the_others_need(
    any_site: Site, running: bool
) -> None:
    guest = first_and_third_of_three(any_site, running=running)
    moments = storage.moments(guest)
    is_old = any_site.lab.connection.getLibVersion() < 9_010_000
    if is_old:
        assert_refused(native_revert, guest, "s1", REVERT_UNSUPPORTED)
        assert guest.is_running is running
        assert_kept(guest, moments, "s1", "s3")
    last = "s3"
    if is_old and not running:
        # 9.0 finds a chain only where the definition spells it out (facts §4.2).
        assert_refused(native_delete, guest, "s1", NOT_IN_THE_CHAIN)
        assert_kept(guest, moments, "s1", "s3")
        last = "s1"
    view = {} if running else storage.view(guest)

    native_delete(guest, "s3" if last == "s1" else "s1")
    assert_kept(guest, moments, last)
    any_site.declare(guest, last, prune="auto")
    assert_virtsnap_does_no_harm(any_site, guest, moments, last)
    native_delete(guest, last)

    assert guest.active_images() == guest.disks
    any_site.declare(guest, prune="auto")
    assert_virtsnap_does_no_harm(any_site, guest, moments)
    assert storage.images(guest.folder) == set(guest.disks.values())
    if running:
        guest.verify()
    else:
        assert storage.view(guest) == view


@both
@pytest.mark.parametrize("any_site", each_libvirt(since=NATIVE_REVERT), indirect=True)
def test_native_reverts_after_virtsnap_keep_what_the_snapshots_need(
    any_site: Site, running: bool
) -> None:
    guest = first_and_third_of_three(any_site, running=running)
    moments = storage.moments(guest)
    for name in ("s3", "s1"):
        native_revert(guest, name)
        assert guest.is_running is running
        assert by_hand.current(guest) == name
        assert_kept(guest, moments, "s1", "s3")
        if not running:
            of_name = {target: what for (of, target), what in moments.items() if of == name}
            assert storage.view(guest) == of_name
    assert_virtsnap_does_no_harm(any_site, guest, moments, "s1", "s3")
    assert any_site.is_in_sync()

    # s1 is current and has a child: libvirt deletes the other branch, not the root.
    assert_refused(native_delete, guest, "s1", BRANCH_REFUSED)
    assert_kept(guest, moments, "s1", "s3")
    native_delete(guest, "s3")
    assert_kept(guest, moments, "s1")
    any_site.declare(guest, "s1", prune="auto")
    assert_virtsnap_does_no_harm(any_site, guest, moments, "s1")

    view = {} if running else storage.view(guest)
    any_site.declare(guest, prune="auto")
    any_site.apply()
    assert guest.active_images() == guest.disks
    assert storage.images(guest.folder) == set(guest.disks.values())
    if not running:
        assert storage.view(guest) == view
