"""The domain XML of a machine with UEFI firmware, and maybe a TPM, that boots no system.

Its firmware finds nothing to boot and waits; for libvirt that is a running domain.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.lab.domain_xml import DiskSpec, disk_xml, virtualisation_type

_TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"


def uefi_xml(name: str, disks: Sequence[DiskSpec], *, uuid: str, tpm: bool) -> str:
    """libvirt chooses the firmware among those installed, and makes NVRAM and TPM state."""
    return f"""\
<domain type='{virtualisation_type()}'>
  <name>{escape(name)}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    {"".join(disk_xml(disk) for disk in disks)}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {_TPM if tpm else ""}
  </devices>
</domain>
"""
