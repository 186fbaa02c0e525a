"""An older definition is put back while the guest is off: a person's apply puts it right, nothing is lost."""

import hashlib
from pathlib import Path

import libvirt
import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.bench import definition
from tests.system.site import Site
from tests.system.test_disk_element import element, text

pytestmark = pytest.mark.qemu


def worked(site: Site) -> tuple[Guest, str]:
    """``s1`` was taken and the guest has written since; and the definition from before ``s1``."""
    guest = site.lab.guest("web01", running=False)
    root = definition(guest)
    for disk in root.iterfind("./devices/disk"):
        disk.find("driver").set("cache", "none")
    by_hand.define(guest, root)
    before = guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    site.declare(guest, "s1", prune="auto")
    site.apply()
    for number, path in enumerate(guest.active_images().values(), start=1):
        by_hand.write(path, 1, 0x10 + number)
    return guest, before


def steps(site: Site, guest: Guest) -> list[str]:
    return [step["action"] for step in site.planned(guest)["steps"]]


def sums(guest: Guest) -> dict[Path, str]:
    """Every byte of every image."""
    files = storage.images(guest.folder)
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_definition_from_before_a_snapshot_is_put_right_by_a_person(any_site: Site) -> None:
    guest, before = worked(any_site)
    view, moments, files = storage.view(guest), storage.moments(guest), sums(guest)
    active = guest.active_images()

    guest.domain.connect().defineXML(before)
    assert guest.active_images() == guest.disks
    # its ledger is that of before, too: the first pass writes that anew, and nothing else
    assert set(steps(any_site, guest)) <= {"adopt", "renew-ledger"}
    any_site.apply()
    assert steps(any_site, guest) == ["switch-disk"] * len(active)
    assert "run holds it back until a person agrees" in any_site.virtsnap("plan").out
    any_site.apply()

    assert guest.active_images() == active
    assert storage.view(guest) == view
    assert storage.moments(guest) == moments
    assert sums(guest) == files
    assert any_site.is_in_sync()
    assert not any_site.planned(guest)["drift"]


def test_all_else_that_the_definition_says_of_a_disk_stays(any_site: Site) -> None:
    guest, _ = worked(any_site)
    active = guest.active_images()
    said = {target: text(element(guest, target)) for target in active}

    by_hand.redirect(guest, guest.disks)
    assert steps(any_site, guest) == ["switch-disk"] * len(active)
    any_site.apply()

    assert {target: text(element(guest, target)) for target in active} == said
    assert any_site.is_in_sync()
    guest.domain.create()
    guest.domain.destroy()


def test_what_another_process_has_open_is_left_to_it(any_site: Site) -> None:
    guest, _ = worked(any_site)
    active = guest.active_images()
    by_hand.redirect(guest, guest.disks)

    with storage.held_open(next(iter(active.values()))):
        said = any_site.virtsnap("apply", "--auto-approve")
    assert said.code == 5, said.out + said.err
    assert "DomainBusy" in said.out
    assert guest.active_images() == guest.disks

    any_site.apply()
    assert guest.active_images() == active


def test_a_guest_that_wrote_to_the_older_image_is_not_taken_away_from_it(any_site: Site) -> None:
    guest, before = worked(any_site)
    guest.domain.connect().defineXML(before)
    for path in guest.disks.values():
        by_hand.write(path, 2, 0x77)
    files = sums(guest)

    for _ in range(3):
        any_site.virtsnap("apply", "--auto-approve")

    assert guest.active_images() == guest.disks
    assert sums(guest) == files


def test_without_records_and_ledger_nothing_is_lost(any_site: Site) -> None:
    """Nobody knows of the snapshot any more, but that it was declared: its images stay."""
    guest, before = worked(any_site)
    files = sums(guest)
    guest.domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    guest.domain.connect().defineXML(before)
    guest.domain = guest.domain.connect().lookupByName(guest.name)

    for _ in range(3):
        any_site.virtsnap("apply", "--auto-approve")

    assert any_site.refuses(guest)["code"] == "SnapshotLost"
    assert sums(guest) == files
