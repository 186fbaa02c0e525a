"""What a ``<disk>`` says of its image beside the format: the name it is called by, labels, caches.

libvirt drops it when a disk gets an overlay, and our names of images are not always those of the
definition (links, volumes).  The records of snapshots still have it: from there it comes back.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import libvirt
from lxml import etree

from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.paths import is_same_file
from reconciler.hypervisor.xml import Element, parse, written
from reconciler.model.domain import DiskKind
from reconciler.model.names import ImagePath

_PLACE = ("file", "dev", "pool", "volume", "mode", "index")
#: of one file alone: another one given by descriptor, or read in part, would be that very file again
_OF_ONE_FILE = ("slices", "encryption", "reservations", "cookies", "privateData")


def point_at(
    disk: Element,
    path: ImagePath,
    image_format: str | None,
    *,
    is_block: bool,
    before: Element | None = None,
) -> None:
    """Another image under a ``<disk>``, and no stale chain: libvirt would obey it (facts §0.10).

    *before* is a ``<disk>`` that named this very image: as there it is called again, and what else
    was said of it comes back.  Else what is said of the present one stays, but for its place.
    """
    source = _source(disk, disk if before is None else before, is_same=before is not None)
    if before is not None and not is_block:
        disk.set("type", before.get("type", "file"))
    else:
        disk.set("type", "block" if is_block else "file")
        for attribute in _PLACE:
            _drop(source, attribute)
        source.set("dev" if is_block else "file", path)
    _put(disk, source)
    if before is not None:
        _take_cache(disk, before)
    if image_format is not None:
        _driver(disk).set("type", image_format)
    for stale in (*disk.findall("backingStore"), *disk.findall("mirror")):
        disk.remove(stale)


def _source(disk: Element, said: Element, *, is_same: bool) -> Element:
    found = said.find("source")
    source = etree.Element("source") if found is None else deepcopy(found)
    source.tail = None
    _drop(source, "index")
    if not is_same:
        _drop(source, "fdgroup")
        for tag in _OF_ONE_FILE:
            for element in source.findall(tag):
                source.remove(element)
    # whether the guest starts without it is said of the disk
    present = disk.find("source")
    policy = None if present is None else present.get("startupPolicy")
    _drop(source, "startupPolicy")
    if policy is not None:
        source.set("startupPolicy", policy)
    return source


def _drop(element: Element, attribute: str) -> None:
    if attribute in element.attrib:
        del element.attrib[attribute]


def _put(disk: Element, source: Element) -> None:
    present = disk.find("source")
    if present is None:
        disk.append(source)
    else:
        disk.replace(present, source)


def _take_cache(disk: Element, before: Element) -> None:
    """``<metadata_cache>`` stands in the driver, and is of the image."""
    driver = _driver(disk)
    for present in driver.findall("metadata_cache"):
        driver.remove(present)
    cache = before.find("driver/metadata_cache")
    if cache is not None:
        driver.append(deepcopy(cache))


def _driver(disk: Element) -> Element:
    driver = disk.find("driver")
    if driver is None:
        driver = etree.SubElement(disk, "driver", name="qemu")
    return driver


def keep(now: Element, before: Element) -> bool:
    """Let *now*, on another image, say again what *before* said; whether that changed anything."""
    was = _plain(now)
    kind, path = domain_xml.source_of(now)
    if path is None or kind is not DiskKind.FILE:
        return False
    source = _source(now, before, is_same=False)
    for attribute in _PLACE:
        _drop(source, attribute)
    source.set("file", path)
    _put(now, source)
    _take_cache(now, before)
    return _plain(now) != was


def _plain(element: Element) -> str:
    return str(etree.canonicalize(written(element), strip_text=True))


# --- where it was said


def remembered(domain: Any, image: ImagePath, *present: Element) -> Element | None:
    """The ``<disk>`` that names *image*: of *present* definitions, else of the newest record."""
    for root in (*present, *_recorded(domain)):
        for disk in domain_xml.disk_elements(root):
            if names(domain.connect(), disk, image):
                return disk
    return None


def names(connection: Any, disk: Element, image: ImagePath) -> bool:
    """Whether the source of *disk* is the file *image*, however it is spelled."""
    path = domain_xml.source_of(disk)[1] or _volume_path(connection, disk)
    return path is not None and (path == image or is_same_file(path, image))


def _recorded(domain: Any) -> Iterable[Element]:
    """The definitions of all moments, the newest first."""
    roots = [parse(snapshot.getXMLDesc(0)) for snapshot in domain.listAllSnapshots(0)]
    roots.sort(key=lambda root: int(root.findtext("creationTime") or 0), reverse=True)
    return [inner for root in roots for inner in _inner(root)]


def _inner(root: Element) -> Iterator[Element]:
    for tag in ("inactiveDomain", "domain"):
        found = root.find(tag)
        if found is not None:
            yield found


def _volume_path(connection: Any, disk: Element) -> str | None:
    source = disk.find("source")
    if source is None or disk.get("type") != "volume":
        return None
    with suppress(libvirt.libvirtError):
        pool = connection.storagePoolLookupByName(source.get("pool", ""))
        return str(pool.storageVolLookupByName(source.get("volume", "")).path())
    return None
