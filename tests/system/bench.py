"""A shut-off guest with small disks and virtsnap in this process: each pass takes no time."""

from dataclasses import dataclass, field
from typing import Any

import libvirt
from lxml import etree

from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
    Shutdown,
)
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.outcome import DomainOutcome
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.lab.journal import sha256_of_guest_view
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk
from tests.system.test_revert import of
from tests.system.test_versions import assert_kept
from tests.system.test_walks import small_disk


@dataclass
class Bench:
    """A shut-off guest with small disks, and what virtsnap does about it."""

    desk: Desk
    guest: Guest
    moments: dict[tuple[str, str], str] = field(default_factory=dict)
    kind: CaptureType = CaptureType.EXTERNAL
    written: int = 0

    def outcome(self, *names: str, skip: str = "", **revert: Any) -> DomainOutcome:
        """One pass for these snapshots and, with *to* and *request*, a revert."""
        skipped = frozenset({DiskTarget(skip)} if skip else ())
        wish = DesiredDomain(
            host=LOCAL,
            domain=self.guest.name,
            snapshots=tuple(
                DesiredSnapshot(name=SnapshotName(n), type=self.kind, skip=skipped) for n in names
            ),
            origin=Origin(manifest="bench"),
            prune=Prune.AUTO,
            revert=DesiredRevert(**revert) if revert else None,
            shutdown=Shutdown(timeout=1, then_destroy=True),
        )
        return self.desk.apply(wish)

    def apply(self, *names: str, skip: str = "", **revert: Any) -> None:
        """A pass that does all that is asked for; another one finds nothing to do."""
        for _ in range(2):
            outcome = self.outcome(*names, skip=skip, **revert)
            assert outcome.error is None, outcome.error
            assert not outcome.refusals
        assert not outcome.plan.steps

    def write(self) -> None:
        """Every disk gets data of its own."""
        for target in self.guest.disks:
            self.written += 1
            image = self.guest.active_images()[target]
            by_hand.write(image, self.written % 6, self.written)

    def take(self, *names: str) -> None:
        """One after the other, each overlay with data of its own."""
        for number, _ in enumerate(names):
            self.apply(*names[: number + 1])
            self.write()
        self.moments = storage.moments(self.guest)

    def view(self) -> dict[str, str]:
        """What the guest reads from its disks."""
        return {
            target: sha256_of_guest_view(path)
            for target, path in self.guest.active_images().items()
            if target in self.guest.disks
        }

    def demand(self, *names: str, at: str) -> None:
        """These hold what they held, and the disks read as *at*; no chain is spelled out."""
        assert_kept(self.guest, self.moments, *names)
        assert definition(self.guest).find(".//backingStore/source") is None
        assert self.view() == of(self.moments, at)
        assert by_hand.current(self.guest) == at

    def demand_tidy(self) -> None:
        """Sound images, and none that nothing reads."""
        folder = self.desk.folder / "images"
        assert storage.images(folder) == storage.needed(self.guest)
        storage.assert_clean(folder)


def bench(lab: Lab, at: Desk, *more: DiskSpec, disks: int = 2) -> Bench:
    """An empty bench."""
    targets = ("vda", "vdb")[:disks]
    specs = (*(small_disk(at.folder, target) for target in targets), *more)
    return Bench(at, lab.guest_of(specs, "web01"))


def definition(guest: Guest) -> etree._Element:
    """What the guest starts with next."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return etree.fromstring(guest.domain.XMLDesc(flags))


def spell_the_chain(guest: Guest) -> None:
    """The definition states the backing chain of its disk, as some tools write it."""
    root = definition(guest)
    disk = root.find("./devices/disk")
    assert disk is not None
    for stated in disk.findall("backingStore"):
        disk.remove(stated)
    place = disk
    for path in storage.chain(guest.active_images()["vda"])[1:]:
        place = etree.SubElement(place, "backingStore", type="file")
        etree.SubElement(place, "format", type="qcow2")
        etree.SubElement(place, "source", file=str(path))
    etree.SubElement(place, "backingStore")
    by_hand.define(guest, root)


def discard(to: str, request: str) -> dict[str, Any]:
    """A revert without a safety snapshot."""
    return {"to": SnapshotName(to), "request": request, "discards": True}


def keep(to: str, request: str) -> dict[str, Any]:
    """A revert with one."""
    return {**discard(to, request), "discards": False}
