"""A ``<domainsnapshot>``: read as a record, rewritten where an image has moved, or made anew."""

from collections.abc import Callable
from copy import deepcopy

from lxml import etree

from reconciler.hypervisor import disk_sources, domain_xml, ledger
from reconciler.hypervisor.domain_xml import DiskReading, PlaceOf
from reconciler.hypervisor.xml import Element, parse, text_of, written
from reconciler.model.action import CreateSnapshot, SourceChange
from reconciler.model.domain import DiskKind
from reconciler.model.ledger import Ledger
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotDisk, SnapshotRecord

_INNER = ("domain", "inactiveDomain")
Canonical = Callable[[str], ImagePath]


def record(
    root: Element, *, uuid: DomainUuid, is_current: bool, canonical: Canonical, place: PlaceOf
) -> SnapshotRecord:
    """The record that *root* is; its paths made canonical, its volumes found by *place*."""
    name = SnapshotName(text_of(root, "name"))
    memory = root.find("memory")
    memory_file = None if memory is None else memory.get("file")
    intent = _provenance(root, name, uuid)
    seen, inactive = (_readings(root.find(tag), place) for tag in _INNER)
    return SnapshotRecord(
        name=name,
        created=int(text_of(root, "creationTime", "0")),
        state=text_of(root, "state"),
        description=text_of(root, "description"),
        parent=SnapshotName(text_of(root, "parent/name")) or None,
        is_current=is_current,
        memory=_memory(memory),
        memory_file=canonical(memory_file) if memory_file else None,
        disks=_disks(root, seen, canonical),
        inactive_sources=_inactive_sources(seen, inactive, canonical),
        unresolved=tuple(sorted({d.unresolved for d in (*seen, *inactive) if d.unresolved})),
        uid=intent.uid,
        is_held=intent.is_held,
        intent_images=tuple(canonical(path) for path in intent.images),
        requests=intent.requests,
        ledger_serial=intent.serial,
        is_delete_unfinished=root.find("disks/disk/snapshotDeleteInProgress") is not None,
    )


def _memory(element: Element | None) -> MemoryCapture:
    # 11.3 leaves <memory> out of a shut-off external snapshot (facts §1.1).
    return MemoryCapture.NONE if element is None else MemoryCapture(element.get("snapshot", "no"))


def _readings(inner: Element | None, place: PlaceOf) -> tuple[DiskReading, ...]:
    return () if inner is None else domain_xml.disks(inner, place)


def _disks(
    root: Element, readings: tuple[DiskReading, ...], canonical: Canonical
) -> tuple[SnapshotDisk, ...]:
    """Captured disks in the order of ``<disks>``, then those that only the inner domain knows."""
    seen = {disk.target: disk for disk in readings}
    reverted = _overlays(root.find("revertDisks"), canonical)
    found: dict[DiskTarget, SnapshotDisk] = {}
    for element in root.iterfind("disks/disk"):
        target = DiskTarget(element.get("name", ""))
        capture = DiskCapture(element.get("snapshot", "no"))
        overlay = domain_xml.source_of(element)[1]
        found[target] = _disk(
            target,
            capture,
            seen.get(target),
            canonical,
            overlay=canonical(overlay) if overlay and capture is DiskCapture.EXTERNAL else None,
            revert_overlay=reverted.get(target),
        )
    for target, reading in seen.items():
        if target not in found:
            found[target] = _disk(target, DiskCapture.SKIPPED, reading, canonical)
    return tuple(found.values())


def _disk(
    target: DiskTarget,
    capture: DiskCapture,
    reading: DiskReading | None,
    canonical: Canonical,
    *,
    overlay: ImagePath | None = None,
    revert_overlay: ImagePath | None = None,
) -> SnapshotDisk:
    source = None if reading is None else reading.active.path
    return SnapshotDisk(
        target=target,
        capture=capture,
        source=canonical(source) if source else None,
        source_format=reading.active.format if reading is not None and source else None,
        overlay=overlay,
        revert_overlay=revert_overlay,
        is_writable=reading is not None and is_writable(reading),
        oddity=None if reading is None else _oddity(reading),
    )


def _oddity(reading: DiskReading) -> str | None:
    return "encrypted" if reading.is_encrypted else reading.oddity


def is_writable(reading: DiskReading) -> bool:
    """The same rule as ``Disk.is_writable``."""
    return (
        reading.device == "disk"
        and (reading.active.kind is not DiskKind.EMPTY or reading.volume is not None)
        and not reading.is_readonly
        and not reading.is_transient
    )


def _overlays(element: Element | None, canonical: Canonical) -> dict[DiskTarget, ImagePath]:
    found = {}
    for disk in () if element is None else element.iterchildren("disk"):
        path = domain_xml.source_of(disk)[1]
        if path:
            found[DiskTarget(disk.get("name", ""))] = canonical(path)
    return found


def _inactive_sources(
    seen: tuple[DiskReading, ...], inactive: tuple[DiskReading, ...], canonical: Canonical
) -> tuple[ImagePath, ...]:
    """Images that only ``<inactiveDomain>`` names: a revert would install them too."""
    return tuple(sorted(_sources(inactive, canonical) - _sources(seen, canonical)))


def _sources(readings: tuple[DiskReading, ...], canonical: Canonical) -> set[ImagePath]:
    return {canonical(disk.active.path) for disk in readings if disk.active.path}


def _provenance(root: Element, name: SnapshotName, uuid: DomainUuid) -> ledger.Intent:
    """The intent that names this very snapshot, in the ledger copy it was born with."""
    created = int(text_of(root, "creationTime", "0"))
    return ledger.intent(_inner(root), uuid, name, created)


def _inner(root: Element) -> tuple[Element, ...]:
    return tuple(e for tag in _INNER if (e := root.find(tag)) is not None)


# Making and rewriting


def created(action: CreateSnapshot) -> str:
    """The XML that takes the snapshot: a named file for each disk or inside it, ``no`` for others."""
    root = etree.Element("domainsnapshot")
    etree.SubElement(root, "name").text = action.snapshot
    if action.description:
        etree.SubElement(root, "description").text = action.description
    memory = etree.SubElement(root, "memory", snapshot=str(action.memory))
    if action.memory_file is not None:
        memory.set("file", action.memory_file)
    disks = etree.SubElement(root, "disks")
    for inside in action.internal:
        etree.SubElement(disks, "disk", name=inside, snapshot="internal")
    for new in action.overlays:
        disk = etree.SubElement(disks, "disk", name=new.target, snapshot="external", type="file")
        etree.SubElement(disk, "driver", type="qcow2")
        etree.SubElement(disk, "source", file=new.overlay)
    for target in action.skipped:
        etree.SubElement(disks, "disk", name=target, snapshot="no")
    return written(root)


def describe(root: Element, description: str) -> None:
    """Put another description in."""
    element = root.find("description")
    if element is None:
        element = etree.Element("description")
        name = root.find("name")
        root.insert(0 if name is None else root.index(name) + 1, element)
    element.text = description


def mark(root: Element, value: Ledger) -> None:
    """Put *value* in as the ledger copy of both inner definitions; other metadata stays."""
    for inner in _inner(root):
        metadata = inner.find("metadata")
        if metadata is None:
            metadata = etree.SubElement(inner, "metadata")
        for present in metadata.findall(ledger.TAG):
            _remove(present)
        metadata.append(parse(ledger.encoded(value)))


def change(
    root: Element, change: SourceChange, *, is_block: bool, before: Element | None = None
) -> None:
    """Put right what the record says of one disk, in both inner definitions and in ``<disks>``.

    *before*: a ``<disk>`` that names the new source as people do.
    """
    if change.source is not None:
        _change_inner(root, change, before, is_block=is_block)
    if change.overlay is None:
        return
    for element in root.iterfind("disks/disk"):
        if element.get("name") == change.target:
            set_source(element, change.overlay, is_block=False)
    # Where <revertDisks> has the disk it hides <disks> (facts §2).
    for element in root.findall("revertDisks/disk"):
        if element.get("name") == change.target:
            _remove(element)
    reverted = root.find("revertDisks")
    if reverted is not None and not len(reverted):
        _remove(reverted)


def _change_inner(
    root: Element, change: SourceChange, said: Element | None, *, is_block: bool
) -> None:
    assert change.source is not None
    before: str | None = None
    for tag in _INNER:
        inner = root.find(tag)
        for element in () if inner is None else domain_xml.disk_elements(inner):
            if domain_xml.target_of(element) != change.target:
                continue
            present = domain_xml.source_of(element)[1]
            if tag == "domain":
                before = present
            elif before is not None and present != before:
                continue  # the persistent definition stood on another image: not ours to move
            disk_sources.point_at(
                element, change.source, change.source_format, is_block=is_block, before=said
            )


def set_source(element: Element, path: str, *, is_block: bool) -> None:
    """Name a file or block device in the ``<source>`` of *element*."""
    element.set("type", "block" if is_block else "file")
    source = element.find("source")
    if source is None:
        source = etree.SubElement(element, "source")
    for attribute in ("file", "dev", "index", "pool", "volume"):
        if attribute in source.attrib:
            del source.attrib[attribute]
    source.set("dev" if is_block else "file", path)


def put_back(now: Element, before: Element) -> bool:
    """Let *now* say of its disks what *before* said; whether that changed anything."""
    changed = False
    for tag in (*_INNER, "disks"):
        old, new = before.find(tag), now.find(tag)
        if old is None or new is None or written(old) == written(new):
            continue
        now.replace(new, deepcopy(old))
        changed = True
    return changed


def _remove(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
