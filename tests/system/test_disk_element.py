"""What a definition says of a disk beside its image: kept by a create, and as before afterwards."""

from pathlib import Path

import pytest
from lxml import etree

from reconciler.hypervisor.xml import parse
from reconciler.model.desired import DesiredDomain, DesiredRevert, DesiredSnapshot, Prune
from reconciler.model.names import SnapshotName
from tests.drawing import wanted
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system.desk import Desk
from tests.system.desk import desk as at_desk
from tests.system.test_create import new_image

pytestmark = pytest.mark.qemu


def element(guest: Guest, target: str = "vda") -> etree._Element:
    """The persistent ``<disk>``."""
    root = parse(guest.domain.XMLDesc(2))
    (found,) = root.xpath(f"devices/disk[target/@dev='{target}']")
    for address in found.findall("address"):
        found.remove(address)
    return found


def text(disk: etree._Element) -> str:
    return etree.canonicalize(etree.tostring(disk, encoding="unicode"), strip_text=True)


def special(lab: Lab, folder: Path) -> Guest:
    """A disk with everything that libvirt leaves behind: it is named by a link, and has labels."""
    (folder / "real").mkdir(parents=True)
    image = new_image(folder / "real" / "disk.qcow2")
    (folder / "by-link").symlink_to("real")
    link = folder / "by-link" / "name.qcow2"
    link.symlink_to(image.name)
    guest = lab.guest_of((DiskSpec(source=image),), "special")
    root = parse(guest.domain.XMLDesc(2))
    (source,) = root.xpath("devices/disk/source")
    source.set("file", str(link))
    source.set("startupPolicy", "optional")
    source.set("fdgroup", "given")
    etree.SubElement(source, "seclabel", model="dac", relabel="no")
    (driver,) = root.xpath("devices/disk/driver")
    driver.set("cache", "none")
    driver.set("io", "native")
    cache = etree.SubElement(driver, "metadata_cache")
    etree.SubElement(cache, "max_size", unit="bytes").text = "1048576"
    lab.define_raw(etree.tostring(root, encoding="unicode"))
    return guest


def wish(*names: str, **more: object) -> DesiredDomain:
    snapshots = (DesiredSnapshot(name=SnapshotName(n)) for n in names)
    return wanted("special", *snapshots, prune=Prune.AUTO, **more)  # type: ignore[arg-type]


def beside_the_place(disk: etree._Element) -> str:
    """All that is said of it but where it lies, and what only that one file can have."""
    source = disk.find("source")
    assert source is not None
    for attribute in ("file", "fdgroup"):
        source.attrib.pop(attribute, None)
    return text(disk)


def test_it_is_kept_above_and_comes_back_whole(place: tuple[Lab, Desk]) -> None:
    lab, desk = place
    guest = special(lab, desk.folder)
    before = text(element(guest))
    said = beside_the_place(element(guest))

    for names in (("s1",), ("s1", "s2"), ("s2",), ("s2", "s3"), ("s3",)):
        outcome = desk.apply(wish(*names))
        assert (outcome.error, outcome.refusals) == (None, ())
        assert beside_the_place(element(guest)) == said
        assert "fdgroup" not in text(element(guest))
    desk.apply(wish())

    assert text(element(guest)) == before


def test_a_revert_keeps_it_and_the_next_removal_brings_it_back(place: tuple[Lab, Desk]) -> None:
    lab, desk = place
    guest = special(lab, desk.folder)
    before = text(element(guest))
    said = beside_the_place(element(guest))
    desk.apply(wish("s1"))
    back = DesiredRevert(to=SnapshotName("s1"), request="r1", discards=True)

    outcome = desk.apply(wish("s1", revert=back))

    assert (outcome.error, outcome.refusals) == (None, ())
    assert beside_the_place(element(guest)) == said
    desk.apply(wish())
    assert text(element(guest)) == before


def test_what_a_person_changed_since_stays(place: tuple[Lab, Desk]) -> None:
    """Of the disk, not of its image."""
    lab, desk = place
    guest = special(lab, desk.folder)
    desk.apply(wish("s1"))
    root = parse(guest.domain.XMLDesc(2))
    (driver,) = root.xpath("devices/disk/driver")
    driver.set("cache", "writeback")
    del driver.attrib["io"]
    lab.define_raw(etree.tostring(root, encoding="unicode"))

    outcome = desk.apply(wish())

    assert (outcome.error, outcome.refusals) == (None, ())
    after = element(guest)
    assert after.find("driver").attrib["cache"] == "writeback"  # type: ignore[union-attr]
    assert "io" not in after.find("driver").attrib  # type: ignore[union-attr]


def test_a_volume_is_named_as_one_again(lab_clean: Lab, tmp_path: Path) -> None:
    with at_desk(lab_clean, tmp_path) as desk:
        a_volume_is_named_as_one_again(lab_clean, desk)


def a_volume_is_named_as_one_again(lab: Lab, desk: Desk) -> None:
    images = desk.folder / "images"
    images.mkdir()
    image = new_image(images / "disk.qcow2")
    pool = lab.connection.storagePoolCreateXML(
        f"<pool type='dir'><name>p</name><target><path>{images}</path></target></pool>"
    )
    try:
        guest = lab.guest_of((DiskSpec(source=image),), "special")
        root = parse(guest.domain.XMLDesc(2))
        (disk,) = root.xpath("devices/disk")
        disk.set("type", "volume")
        source = disk.find("source")
        assert source is not None
        del source.attrib["file"]
        source.set("pool", "p")
        source.set("volume", image.name)
        lab.define_raw(etree.tostring(root, encoding="unicode"))
        before = text(element(guest))

        for names in (("s1",), ()):
            outcome = desk.apply(wish(*names))
            assert outcome.error is None

        assert text(element(guest)) == before
    finally:
        pool.destroy()
