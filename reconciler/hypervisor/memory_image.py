"""Going on from a memory image, on the disks that the definition names now (facts §6 step 6)."""

from copy import deepcopy
from shlex import quote
from typing import Any

import libvirt

from reconciler.errors import MemoryNotLoadedError, StepRefused
from reconciler.hypervisor import domain_xml, ledger
from reconciler.hypervisor.explaining import cause, explaining
from reconciler.hypervisor.xml import Element, parse, written
from reconciler.model.names import ImagePath

#: the connection broke, or somebody holds the domain: of the memory that says nothing
_UNKNOWN = frozenset(
    {libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_OPERATION_TIMEOUT}
)


def go_on(domain: Any, memory: ImagePath, *, is_paused: bool) -> None:
    """Start *domain* from *memory*; the image stays, and so does the persistent definition.

    A domain that is active is left alone.  ``StepRefused`` with a managed save image,
    ``MemoryNotLoadedError`` where that memory does not load: the domain is off then.
    """
    what = f"go on from {memory} with {domain.name()}"
    with explaining(what):
        if domain.isActive():
            return
        if domain.hasManagedSaveImage(0):
            raise StepRefused(
                f"cannot {what}: it has a managed save image",
                hint=f"virsh start {quote(domain.name())}, or virsh managedsave-remove {quote(domain.name())}",
            )
        connection = domain.connect()
        # SECURE: without it graphics passwords would be lost (facts §11).
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        present = parse(domain.XMLDesc(flags))
        try:
            saved = parse(
                connection.saveImageGetXMLDesc(memory, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)
            )
            _fit(saved, present, what)
            mode = libvirt.VIR_DOMAIN_SAVE_PAUSED if is_paused else libvirt.VIR_DOMAIN_SAVE_RUNNING
            connection.restoreFlags(memory, written(saved), mode)
        except libvirt.libvirtError as error:
            if error.get_error_code() in _UNKNOWN or domain.isActive():
                raise
            raise _not_loaded(domain, what, cause(error)) from error


def _not_loaded(domain: Any, what: str, why: str) -> MemoryNotLoadedError:
    return MemoryNotLoadedError(
        f"cannot {what}: {why}",
        hint=f"virsh start {quote(domain.name())} boots it without that memory",
    )


def _fit(saved: Element, present: Element, what: str) -> None:
    """The present images under the saved devices, and the present ledger: the saved one is old."""
    now = {domain_xml.target_of(disk): disk for disk in domain_xml.disk_elements(present)}
    for disk in domain_xml.disk_elements(saved):
        target = domain_xml.target_of(disk)
        if target not in now:
            raise MemoryNotLoadedError(
                f"cannot {what}: the domain has no disk {target} any more",
                hint="virsh start boots it without that memory",
            )
        disk.set("type", now[target].get("type", "file"))
        for tag in ("source", "driver", "backingStore", "mirror"):
            for old in disk.findall(tag):
                disk.remove(old)
        # Without <backingStore>: one kept here would hide what lies below (facts §0.10).
        for tag in ("source", "driver"):
            for new in now[target].findall(tag):
                disk.insert(0, deepcopy(new))
    ledger.copy_into(saved, present)
