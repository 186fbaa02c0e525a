"""Writing libvirt's snapshot records: put right, or dropped alone (facts §4.4)."""

from typing import Any

import libvirt

from reconciler.hypervisor import disk_sources, snapshot_xml
from reconciler.hypervisor.devices import is_device
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.xml import Element, parse, written
from reconciler.model.action import RedefineSnapshot
from reconciler.model.ledger import Ledger
from reconciler.model.names import SnapshotName


def redefine(domain: Any, action: RedefineSnapshot, *, is_local: bool) -> None:
    """Write one record anew."""
    what = f"redefine snapshot {action.snapshot} of {domain.name()}"
    with explaining(what):
        root = _read(domain.snapshotLookupByName(action.snapshot, 0))
        if action.description is not None:
            snapshot_xml.describe(root, action.description)
        for change in action.sources:
            is_block = is_local and change.source is not None and is_device(change.source)
            source = change.source if is_local else None
            before = None if source is None else disk_sources.remembered(domain, source)
            snapshot_xml.change(root, change, is_block=is_block, before=before)
        _write(domain, root, make_current=action.make_current)


def mark(domain: Any, name: SnapshotName, value: Ledger) -> None:
    """Replace the ledger copy in one record; the snapshot, and who is current, stay."""
    with explaining(f"mark snapshot {name} of {domain.name()}"):
        root = _read(domain.snapshotLookupByName(name, 0))
        snapshot_xml.mark(root, value)
        _write(domain, root, make_current=False)


def forget(domain: Any, name: SnapshotName) -> None:
    """Drop one record; what is there no more is forgotten already."""
    what = f"forget snapshot {name} of {domain.name()}"
    with explaining(what):
        snapshot = _lookup(domain, name)
        if snapshot is None:
            return
        below = libvirt.VIR_DOMAIN_SNAPSHOT_LIST_DESCENDANTS
        before = {child.getName(): _read(child) for child in snapshot.listAllChildren(below)}
        snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        # 9.0 rewrites the frozen layers that descendants record, merged or not (facts §4.4).
        for child, said in before.items():
            root = _read(domain.snapshotLookupByName(child, 0))
            if snapshot_xml.put_back(root, said):
                _write(domain, root, make_current=False)


def _lookup(domain: Any, name: SnapshotName) -> Any | None:
    try:
        return domain.snapshotLookupByName(name, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
            return None
        raise


def _read(snapshot: Any) -> Element:
    """With SECURE: what is written back without passwords has lost them (facts §11)."""
    return parse(snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))


def _write(domain: Any, root: Element, *, make_current: bool) -> None:
    # Without CURRENT wherever it can be: CURRENT clears <revertDisks> (facts §1.2).
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    if make_current:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
    domain.snapshotCreateXML(written(root), flags)
