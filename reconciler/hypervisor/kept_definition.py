"""A definition that libvirt itself keeps for us: in a record that has no disks (E9, E11).

Nothing of ours on the machine could be lost instead, no reader sees its secrets (libvirt gives them
out with SECURE alone), and it is found from wherever the domain is.
"""

from copy import deepcopy
from typing import Any

import libvirt
from lxml import etree

from reconciler.errors import HypervisorError, StepRefused
from reconciler.hypervisor import domain_xml, ledger
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.xml import Element, parse, written
from reconciler.model.ledger import Ledger
from reconciler.model.names import SnapshotName

_WHY = "The definition of before a revert that is under way; no disk was taken."


def keep(domain: Any, name: SnapshotName, *, created: int) -> None:
    """Make the record *name* of the present persistent definition.

    A disk snapshot of no disk: one of a shut-off domain would have to be inside the images.
    """
    with explaining(f"keep the definition of {domain.name()} in {name}"):
        root = etree.Element("domainsnapshot")
        for tag, text in (
            ("name", name),
            ("description", _WHY),
            ("state", "disk-snapshot"),
            ("creationTime", str(created)),
        ):
            etree.SubElement(root, tag).text = text
        definition = _persistent(domain)
        disks = etree.SubElement(root, "disks")
        for target in map(domain_xml.target_of, domain_xml.disk_elements(definition)):
            etree.SubElement(disks, "disk", name=target, snapshot="no")
        root.append(definition)
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        domain.snapshotCreateXML(written(root), flags)


def put_back(domain: Any, name: SnapshotName, value: Ledger) -> None:
    """Define what the record *name* holds, with *value* as the ledger, in one define."""
    what = f"define {domain.name()} as {name} holds it"
    with explaining(what):
        snapshot = domain.snapshotLookupByName(name, 0)
        record = parse(snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))
        kept = record.find("domain")
        if kept is None:
            raise HypervisorError(f"cannot {what}: it holds no definition")
        now = _sources(_persistent(domain))
        for target, source in _sources(kept).items():
            # the guest may have written to another image since: that must not be lost from sight
            if now.get(target, source) != source:
                raise StepRefused(f"cannot {what}: {target} is on another image since")
        definition = deepcopy(kept)
        ledger.put_into(definition, value)
        domain.connect().defineXML(written(definition))


def _persistent(domain: Any) -> Element:
    # SECURE: without it graphics passwords would be lost from the definition (facts §11).
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return parse(domain.XMLDesc(flags))


def _sources(definition: Element) -> dict[str, str | None]:
    """By target, of the disks that a guest can write to."""
    return {
        disk.target: disk.active.path
        for disk in domain_xml.disks(definition)
        if disk.device == "disk" and not disk.is_readonly
    }
