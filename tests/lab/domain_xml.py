"""The domain XML of a tiny guest."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from tests.lab.kernel import GuestFiles

_KERNEL_OPTIONS = (
    "console=ttyS0 quiet loglevel=4 mitigations=off nokaslr random.trust_cpu=on panic=-1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """One disk of a domain; *source* None is an empty drive (only a cdrom can be one).

    *kind* is libvirt's ``type`` of the disk: ``file`` or ``block``.
    """

    source: Path | None
    target: str = "vda"
    image_format: str = "qcow2"
    device: str = "disk"
    bus: str = "virtio"
    readonly: bool = False
    shareable: bool = False
    transient: bool = False
    kind: str = "file"

    def __post_init__(self) -> None:
        if self.source is None and self.device != "cdrom":
            raise ValueError(f"disk {self.target} has no source, which only a cdrom may lack")


def block_device(device: Path, target: str = "vda", *, image_format: str = "raw") -> DiskSpec:
    """A disk on a block device."""
    return DiskSpec(source=device, target=target, image_format=image_format, kind="block")


def cdrom(target: str = "sda", source: Path | None = None) -> DiskSpec:
    """A CD drive, empty unless *source* is given."""
    return DiskSpec(
        source=source, target=target, image_format="raw", device="cdrom", bus="sata", readonly=True
    )


def target_name(index: int) -> str:
    """0 → vda, 1 → vdb, ..."""
    return f"vd{'abcdefghijklmnopqrstuvwxyz'[index]}"


def virtualisation_type() -> str:
    """``kvm`` where the processor really has it, else ``qemu``.

    libvirt's capabilities do not say: a host without vmx or svm may still offer a /dev/kvm, on
    which a guest stops in the middle of its boot.
    """
    flags = re.search(r"^flags.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.M)
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    return "kvm" if flags and usable else "qemu"


def domain_xml(
    name: str,
    disks: Sequence[DiskSpec],
    files: GuestFiles,
    *,
    uuid: str,
    console_log: Path,
    memory_mib: int = 96,
    agent: bool = True,
    kernel_options: str = "",
    extra_devices: str = "",
) -> str:
    """A q35 guest that boots *files* directly; 80 MiB is the least it starts with."""
    options = escape(f"{_KERNEL_OPTIONS} {kernel_options}".strip())
    log = quoteattr(str(console_log))
    channel = (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        if agent
        else ""
    )
    return f"""\
<domain type='{virtualisation_type()}'>
  <name>{escape(name)}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{escape(str(files.kernel))}</kernel>
    <initrd>{escape(str(files.initramfs))}</initrd>
    <cmdline>{options}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    {"".join(disk_xml(disk) for disk in disks)}
    <serial type='file'><source path={log}/><target port='0'/></serial>
    <console type='file'><source path={log}/><target type='serial' port='0'/></console>
    {channel}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {extra_devices}
  </devices>
</domain>
"""


def disk_xml(disk: DiskSpec) -> str:
    """One disk, as libvirt takes it."""
    attribute = "dev" if disk.kind == "block" else "file"
    source = f"<source {attribute}={quoteattr(str(disk.source))}/>" if disk.source else ""
    return (
        f"<disk type={quoteattr(disk.kind)} device={quoteattr(disk.device)}>"
        f"<driver name='qemu' type={quoteattr(disk.image_format)}/>{source}"
        f"<target dev={quoteattr(disk.target)} bus={quoteattr(disk.bus)}/>"
        f"{'<readonly/>' if disk.readonly else ''}{'<shareable/>' if disk.shareable else ''}"
        f"{'<transient/>' if disk.transient else ''}"
        "</disk>"
    )
