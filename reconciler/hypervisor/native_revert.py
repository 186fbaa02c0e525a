"""libvirt's own revert, which internal snapshots need; external ones are put back by hand."""

from shlex import quote
from typing import Any

import libvirt

from reconciler.errors import HypervisorError, StepRefused
from reconciler.hypervisor import ledger
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.xml import parse, written
from reconciler.model.action import RevertInternal
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Ledger
from reconciler.model.power import PowerState

_MODES = {
    PowerState.RUNNING: libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING,
    PowerState.PAUSED: libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED,
}


def revert(domain: Any, action: RevertInternal, value: Ledger) -> None:
    """Go back to an internal snapshot of a shut-off domain; *value* is the ledger afterwards.

    libvirt always takes the whole definition of that moment, ``<metadata>`` included (facts §5.1):
    the present one is defined again right after.  Who dies between leaves that to the next plan: it
    lies in the record that ``keep_definition`` made.  With memory the guest has the devices of that
    moment until its next boot.
    """
    what = f"revert {domain.name()} to {action.snapshot}"
    with explaining(what):
        if domain.isActive():
            raise StepRefused(f"cannot {what}: the domain was started")
        # SECURE: without it graphics passwords would be lost from the definition (facts §11).
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        before = domain.XMLDesc(flags)
        snapshot = domain.snapshotLookupByName(action.snapshot, 0)
        resumes = action.memory and action.power is not PowerState.SHUT_OFF
        try:
            domain.revertToSnapshot(snapshot, _mode(action))
        except libvirt.libvirtError:
            # libvirt may keep another definition in its memory (facts §5.5), which says that it is done
            domain.connect().defineXML(before)
            raise
        if action.config is RevertConfig.DISKS:
            present = parse(before)
            ledger.put_into(present, value)
            domain.connect().defineXML(written(present))
        if domain.isActive() and not resumes:
            domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
        if bool(domain.isActive()) is not resumes:
            raise HypervisorError(
                f"cannot {what}: the domain is not as it was asked for",
                hint=f"virsh domstate --reason {quote(domain.name())}",
            )


def _mode(action: RevertInternal) -> int:
    """Where the memory is given up the guest comes up paused, and does not run a single step."""
    if not action.memory:
        return 0
    return int(_MODES.get(action.power, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED))
