"""One disk of a running domain, asked for again and again while a block job works on it."""

from typing import Any

from reconciler.errors import HypervisorError, StepRefused
from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.domain_xml import DiskReading, Layer
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.paths import is_same_file
from reconciler.hypervisor.xml import parse
from reconciler.model.names import DiskTarget, ImagePath


def live_disk(domain: Any, target: DiskTarget) -> DiskReading | None:
    """The disk as QEMU has it now; None when the domain has gone or lost the disk."""
    with explaining(f"read domain {domain.name()}"):
        root = parse(domain.XMLDesc(0))
    if not domain_xml.is_live(root):
        return None
    return next((disk for disk in domain_xml.disks(root) if disk.target == target), None)


def layer_of(disk: DiskReading, image: ImagePath) -> Layer | None:
    """The layer of the live chain that is the file *image*."""
    return next((layer for layer in disk.layers if is_layer(layer, image)), None)


def is_layer(layer: Layer, image: ImagePath) -> bool:
    """Whether *layer* is the file *image*, however libvirt spells it."""
    return layer.path is not None and (layer.path == image or is_same_file(layer.path, image))


def demand_chain(
    disk: DiskReading, *, base: ImagePath, merged: tuple[ImagePath, ...], what: str
) -> tuple[Layer, Layer]:
    """Base and top layer, once the live chain has exactly *merged* above *base*."""
    position = next((i for i, layer in enumerate(disk.layers) if is_layer(layer, base)), None)
    if position is None:
        raise StepRefused(f"cannot {what}: {base} is not in the live chain")
    between = disk.layers[max(position - len(merged), 0) : position]
    is_so = len(between) == len(merged) and all(
        is_layer(layer, image) for layer, image in zip(reversed(between), merged, strict=True)
    )
    if not is_so:
        above = ", ".join(layer.path or "?" for layer in reversed(disk.layers[:position]))
        raise StepRefused(f"cannot {what}: above {base} stand {above or 'no images'}")
    return disk.layers[position], between[0]


def reference(target: DiskTarget, layer: Layer) -> str:
    """``vda[3]``: paths can be spelled in several ways, numbers cannot."""
    if layer.index is None:
        raise HypervisorError(f"cannot name {layer.path} on {target}: libvirt gives it no index")
    return f"{target}[{layer.index}]"
