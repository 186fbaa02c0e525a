"""Two domains whose disks lie in one folder, at the same time."""

import threading
from pathlib import Path

import pytest

from reconciler.model.desired import DesiredDomain, DesiredSnapshot
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainOutcome
from tests.drawing import wanted
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system import storage
from tests.system.desk import Desk
from tests.system.test_create import new_image

pytestmark = pytest.mark.qemu

SAME_NAME = "{{ image.folder }}/{{ disk.target }}-{{ snapshot.name }}.qcow2"


def test_one_overlay_is_never_that_of_two(place: tuple[Lab, Desk]) -> None:
    """Each plans by itself, as two processes do; libvirt unlinks what a loser was told to make."""
    lab, desk = place
    guests = two(lab, desk.folder / "images")

    for number in range(5):
        name = f"s{number}"
        before = storage.images(desk.folder / "images")
        outcomes = both_at_once(desk, [same_name(guest, name) for guest in guests])

        active = [guest.active_images()["vda"] for guest in guests]
        made = storage.images(desk.folder / "images") - before
        assert made == {image for image in active if image not in before}
        refused = [r.code for outcome in outcomes for r in outcome.refusals]
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert len(made) + len(refused) == len(guests)
        assert set(refused) <= {"ImageNameTaken"}
        for guest in guests:
            outcome = desk.apply(same_name(guest, name))
            assert not outcome.refusals
            assert outcome.error is None
        active = [guest.active_images()["vda"] for guest in guests]
        assert sorted(image.name for image in active) == [
            f"vda-{name}.2.qcow2",
            f"vda-{name}.qcow2",
        ]
        for image in active:
            assert storage.chain(image)[0] == image


def two(lab: Lab, folder: Path) -> list[Guest]:
    folder.mkdir()
    names = ("müller", "möller")
    specs = [DiskSpec(source=new_image(folder / f"{n}.qcow2")) for n in ("a", "b")]
    return [lab.guest_of((spec,), name) for spec, name in zip(specs, names, strict=True)]


def same_name(guest: Guest, *names: str) -> DesiredDomain:
    return wanted(
        guest.name, *(DesiredSnapshot(name=SnapshotName(n), overlay=SAME_NAME) for n in names)
    )


def both_at_once(desk: Desk, wishes: list[DesiredDomain]) -> list[DomainOutcome]:
    start, ends = threading.Barrier(len(wishes)), {}

    def work(wish: DesiredDomain) -> None:
        ends[wish.domain] = desk.apply(wish, meanwhile=start.wait)

    threads = [threading.Thread(target=work, args=(wish,)) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [ends[wish.domain] for wish in wishes]
