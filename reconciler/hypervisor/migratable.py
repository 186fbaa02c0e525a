"""Whether QEMU can save the state of a guest's devices; asked before the guest is paused for it."""

import json
from shlex import quote
from typing import Any

import libvirt
import libvirt_qemu

from reconciler.errors import StepRefused
from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.xml import Element

_QUESTION = json.dumps({"execute": "query-migrate"})


def demand(domain: Any, definition: Element, what: str) -> None:
    """``StepRefused`` with QEMU's reasons (6.0 and newer) where it cannot.

    Only of a guest with devices in doubt: libvirt marks a domain whose QEMU was spoken to directly.
    Where QEMU does not say, libvirt tries, and goes on with the guest when that fails.
    """
    if not domain_xml.definition(definition).doubtful_devices:
        return
    try:
        answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, _QUESTION, 0))
        reasons = answer["return"].get("blocked-reasons", ())
    except (libvirt.libvirtError, ValueError, KeyError, AttributeError, TypeError):
        return
    if reasons:
        raise StepRefused(
            f"cannot {what}: its memory cannot be saved ({'; '.join(map(str, reasons))})",
            hint=f"set `memory: false`, or shut it down first: virsh shutdown {quote(domain.name())}",
        )
