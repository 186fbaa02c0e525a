"""Writing domain definitions: the ledger in them, and the image of a disk."""

from collections.abc import Iterable
from copy import deepcopy
from shlex import quote
from typing import Any

import libvirt

from reconciler.errors import HypervisorError, StepRefused
from reconciler.hypervisor import disk_sources, domain_xml, ledger
from reconciler.hypervisor.devices import is_device
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.live_disk import is_layer
from reconciler.hypervisor.xml import Element, parse, written
from reconciler.model.action import RevertSnapshot
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Ledger, LedgerProblem
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath


def write_ledger(domain: Any, value: Ledger) -> None:
    """Put *value* into the live and the persistent definition, whichever there are."""
    with explaining(f"write the ledger of {domain.name()}"):
        flags = 0
        if domain.isActive():
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        if domain.isPersistent():
            flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
        domain.setMetadata(
            libvirt.VIR_DOMAIN_METADATA_ELEMENT,
            ledger.encoded(value),
            ledger.PREFIX,
            ledger.NAMESPACE,
            flags,
        )


def read_ledger(domain: Any, uuid: DomainUuid) -> Ledger | None:
    """The ledger as it is now; one that cannot be used is an error, another domain's is none."""
    what = f"read the ledger of {domain.name()}"
    with explaining(what):
        definitions = [parse(domain.XMLDesc(0))]
        if domain_xml.is_live(definitions[0]) and domain.isPersistent():
            definitions.append(parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)))
    reading = ledger.decided(tuple(definitions), uuid)
    if reading.problem is not None and reading.problem is not LedgerProblem.FOREIGN:
        raise HypervisorError(
            f"cannot {what}: it is {reading.problem}",
            hint=f"virsh metadata {quote(domain.name())} {ledger.NAMESPACE}",
        )
    return reading.ledger


def switch_disk(domain: Any, target: DiskTarget, *, to: ImagePath, image_format: str) -> None:
    """Point the persistent definition of a shut-off domain at *to*."""
    what = f"switch {domain.name()}/{target} to {to}"
    with explaining(what):
        if domain.isActive():
            raise StepRefused(f"cannot {what}: the domain was started")
        # SECURE: without it graphics passwords would be lost from the definition (facts §11).
        root = _persistent(domain, libvirt.VIR_DOMAIN_XML_SECURE)
        element = _disk_element(root, target, what)
        reading = domain_xml.disk(element)
        is_there = is_layer(reading.active, to) and reading.active.format == image_format
        if is_there and not reading.is_spelled:
            return
        before = disk_sources.remembered(domain, to, root)
        disk_sources.point_at(element, to, image_format, is_block=is_device(to), before=before)
        domain.connect().defineXML(written(root))
        element = _disk_element(_persistent(domain, 0), target, what)
        is_there = disk_sources.names(domain.connect(), element, to)
    now = domain_xml.disk(element)
    if now.is_spelled or not is_there or now.active.format != image_format:
        raise HypervisorError(
            f"cannot {what}: libvirt kept {now.active.path} ({now.active.format})",
            hint=f"virsh dumpxml --inactive {quote(domain.name())}",
        )


def say_again(domain: Any, before: Element, targets: Iterable[DiskTarget]) -> None:
    """What the definition *before* said of the images of *targets*, of their overlays too.

    libvirt left it out when it switched the disks of a shut-off domain.
    """
    with explaining(f"define the disks of {domain.name()} as they were"):
        root = _persistent(domain, libvirt.VIR_DOMAIN_XML_SECURE)
        was = {domain_xml.target_of(disk): disk for disk in domain_xml.disk_elements(before)}
        now = {domain_xml.target_of(disk): disk for disk in domain_xml.disk_elements(root)}
        both = [target for target in targets if target in was and target in now]
        changed = [disk_sources.keep(now[target], was[target]) for target in both]
        if any(changed) and not domain.isActive():
            domain.connect().defineXML(written(root))


def put_back(domain: Any, action: RevertSnapshot, value: Ledger) -> None:
    """The disks of *action* on their new overlays, and *value* as the ledger, in one define."""
    what = f"revert {domain.name()} to {action.snapshot}"
    with explaining(what):
        if domain.isActive():
            raise StepRefused(f"cannot {what}: the domain was started")
        root = _definition_after(domain, action)
        for new in action.disks:
            element = _disk_element(root, new.target, what)
            before = disk_sources.remembered(domain, new.frozen, root)
            if before is not None:
                disk_sources.point_at(element, new.frozen, None, is_block=False, before=before)
            disk_sources.point_at(element, new.overlay, "qcow2", is_block=False)
        ledger.put_into(root, value)
        domain.connect().defineXML(written(root))
        now = _persistent(domain, 0)
    for new in action.disks:
        reading = domain_xml.disk(_disk_element(now, new.target, what))
        if reading.is_spelled or not is_layer(reading.active, new.overlay):
            raise HypervisorError(
                f"cannot {what}: libvirt kept {reading.active.path} on {new.target}",
                hint=f"virsh dumpxml --inactive {quote(domain.name())}",
            )


def _definition_after(domain: Any, action: RevertSnapshot) -> Element:
    """The present definition, or that of the moment with the present images of other disks."""
    # SECURE: without it graphics passwords would be lost from the definition (facts §11).
    present = _persistent(domain, libvirt.VIR_DOMAIN_XML_SECURE)
    if action.config is RevertConfig.DISKS:
        return present
    snapshot = domain.snapshotLookupByName(action.snapshot, 0)
    record = parse(snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))
    then = record.find("inactiveDomain")
    then = record.find("domain") if then is None else then
    if then is None:
        raise HypervisorError(f"the record of {action.snapshot} holds no definition")
    then = deepcopy(then)
    then.tag = "domain"
    for name in ("name", "uuid"):
        _take_over(then, present, name)
    theirs = {domain_xml.target_of(disk): disk for disk in domain_xml.disk_elements(present)}
    going_back = {new.target for new in action.disks}
    for disk in tuple(domain_xml.disk_elements(then)):
        target, parent = domain_xml.target_of(disk), disk.getparent()
        if target in theirs and target not in going_back and parent is not None:
            parent.replace(disk, deepcopy(theirs[target]))
    return then


def _take_over(then: Element, present: Element, tag: str) -> None:
    """The name and UUID of today."""
    now, old = present.find(tag), then.find(tag)
    if now is not None and old is not None:
        old.text = now.text


def _persistent(domain: Any, flags: int) -> Element:
    return parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | flags))


def _disk_element(root: Element, target: DiskTarget, what: str) -> Element:
    for element in domain_xml.disk_elements(root):
        if domain_xml.target_of(element) == target:
            return element
    raise StepRefused(f"cannot {what}: the domain has no disk {target}")
