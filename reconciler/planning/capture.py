"""Whether memory can be kept, and whether disks can be captured inside their images."""

from reconciler.model.chain import Image, may_be_an_id
from reconciler.model.desired import CaptureType, DesiredSnapshot
from reconciler.model.domain import Disk, DiskKind, ObservedDomain
from reconciler.model.names import ImagePath, folder_of
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import MemoryCapture
from reconciler.planning import letting_go, overlay_names
from reconciler.planning.world import World

#: from here on libvirt takes internal snapshots of a shut-off domain that names its flash (facts §13)
INTERNAL_WITH_PFLASH = 9_003_000
#: from here on an internal snapshot holds the NVRAM too, where that is qcow2
INTERNAL_WITH_NVRAM = 10_010_000
#: bytes of a memory image beside the memory itself: devices, the definition
BESIDE_MEMORY = 64 << 20


def memory_of(world: World, snapshot: DesiredSnapshot) -> MemoryCapture | Refusal:
    """Where the memory goes, or why it cannot be kept, or (internal) cannot be left out."""
    domain, is_internal = world.domain, snapshot.type is CaptureType.INTERNAL
    if not snapshot.memory:
        if is_internal and domain.is_active:
            return refusal(
                RefusalCode.INTERNAL_NOT_POSSIBLE,
                snapshot=snapshot.name,
                domain=domain.name,
                cause=f"it is {domain.power}, and its memory is not to be kept",
            )
        return MemoryCapture.NONE
    if not domain.is_active:
        is_owed = world.ledger.owed is not None
        until = " until the end of the plan; apply again after it" if is_owed else ""
        return refusal(
            RefusalCode.MEMORY_NOT_POSSIBLE,
            snapshot=snapshot.name,
            domain=domain.name,
            state=domain.power,
            cause=f"it is {domain.power}, there is none{until}",
        )
    if domain.unsaved_devices:
        devices = ", ".join(domain.unsaved_devices)
        return refusal(
            RefusalCode.MEMORY_NOT_POSSIBLE,
            snapshot=snapshot.name,
            domain=domain.name,
            device=devices,
            cause=f"the state of {devices} cannot be saved",
        )
    still = letting_go.why_not(world, snapshot.name)
    if still is not None:
        return still
    if is_internal:
        return MemoryCapture.INTERNAL
    return MemoryCapture.EXTERNAL


def memory_file(
    world: World, snapshot: DesiredSnapshot, disk: Disk, overlays: tuple[ImagePath, ...]
) -> ImagePath | Refusal:
    """A free path for the memory image beside *disk*, where there is room for it."""
    path = overlay_names.memory_path(
        world, disk, snapshot.name, snapshot.overlay, frozenset(overlays)
    )
    if isinstance(path, Refusal):
        return Refusal(code=path.code, snapshot=snapshot.name, facts=path.facts)
    if not world.is_listed(path):
        # libvirt writes over a file that exists, seen by us or not (facts §1.1)
        return refusal(
            RefusalCode.NEEDS_LOCAL_ACCESS, snapshot=snapshot.name, folder=folder_of(path)
        )
    return room(world, snapshot, folder_of(path)) or path


def room(world: World, snapshot: DesiredSnapshot, folder: str) -> Refusal | None:
    """At most all of the guest's memory is written there."""
    if world.domain.memory_bytes is None:
        return None
    need = world.domain.memory_bytes + BESIDE_MEMORY
    free = next((f.free for f in world.host.folders if f.path == folder), None)
    if free is None or free >= need:
        return None
    return refusal(
        RefusalCode.NO_SPACE,
        snapshot=snapshot.name,
        disk="memory",
        folder=folder,
        need=need,
        free=free,
    )


# --- inside the images


def why_not_internal(world: World, snapshot: DesiredSnapshot) -> Refusal | None:
    """What libvirt would refuse about the domain as a whole."""
    domain = world.domain
    for disk in domain.disks:
        if disk.is_writable and disk.is_excluded:
            why = left_out(disk)
        elif disk.is_beyond_snapshots:
            why = f"a {disk.device}, which the guest can write to"
        elif disk.is_transient and disk.device == "disk" and not disk.is_readonly:
            why = "transient"
        else:
            continue
        return refusal(
            RefusalCode.DISK_NOT_SUPPORTED,
            snapshot=snapshot.name,
            disk=disk.target,
            cause=f"{why}; an internal snapshot takes every disk",
        )
    too_old = domain.has_pflash and world.host.libvirt_version < INTERNAL_WITH_PFLASH
    if domain.firmware == "uefi" and (domain.is_active or too_old):
        return _no_internal_with_uefi(world, snapshot)
    if domain.power is PowerState.PAUSED:
        return letting_go.why_not(world, snapshot.name)
    return None


def left_out(disk: Disk) -> str:
    """The definition keeps *disk* out of snapshots."""
    return f"left out by the definition (snapshot='{'manual' if disk.is_manual else 'no'}')"


def _no_internal_with_uefi(world: World, snapshot: DesiredSnapshot) -> Refusal:
    """Shut off it would do where libvirt is new enough; of a running one virtsnap takes none, though
    libvirt 10.10 and newer can where the NVRAM is qcow2."""
    domain = world.domain
    off = " or `power: off`" if world.host.libvirt_version >= INTERNAL_WITH_PFLASH else ""
    cause = (
        "of a running domain with UEFI firmware virtsnap takes none, with its memory or without"
        if domain.is_active
        else "this libvirt takes none with UEFI firmware"
    )
    return refusal(
        RefusalCode.INTERNAL_NOT_POSSIBLE,
        snapshot=snapshot.name,
        domain=domain.name,
        cause=cause,
        way=f"set `type: external`{off if domain.is_active else ''}",
    )


def holds_nvram(world: World, *, is_internal: bool) -> bool:
    """A snapshot of the shut-off domain has the variables of its UEFI in it, and brings them back."""
    is_qcow2 = world.domain.nvram_format == "qcow2"
    return is_internal and is_qcow2 and world.host.libvirt_version >= INTERNAL_WITH_NVRAM


def without_snapshots(domain: ObservedDomain) -> str | None:
    """What QEMU can write to and keep no snapshot of: the flash of UEFI, disks that are not qcow2."""
    if domain.firmware == "uefi":
        return "its UEFI flash image"
    for disk in domain.disks:
        is_written = disk.device not in ("cdrom", "lun") and disk.kind is not DiskKind.EMPTY
        if is_written and not disk.is_readonly and disk.format != "qcow2":
            return f"{disk.target} in format {disk.format}"
    return None


def why_not_inside(world: World, snapshot: DesiredSnapshot, disk: Disk) -> Refusal | None:
    """What keeps a snapshot out of the image of *disk*, which could be captured otherwise."""
    if disk.format != "qcow2":
        return refusal(
            RefusalCode.DISK_NOT_SUPPORTED,
            snapshot=snapshot.name,
            disk=disk.target,
            cause=f"in format {disk.format}, which holds no internal snapshots",
        )
    assert disk.source is not None
    image = world.image(disk.source)
    if image.is_device:
        return refusal(
            RefusalCode.DISK_NOT_SUPPORTED,
            snapshot=snapshot.name,
            disk=disk.target,
            cause="qcow2 on a block device, which cannot grow by what a snapshot inside keeps",
        )
    if not image.is_examined:
        return refusal(
            RefusalCode.NEEDS_LOCAL_ACCESS,
            snapshot=snapshot.name,
            disk=disk.target,
            image=disk.source,
            folder=folder_of(disk.source),
        )
    if snapshot.name in image.internal_snapshots:
        # libvirt does not look: the image would hold two of one name (facts §5.2)
        return refusal(
            RefusalCode.NAME_TAKEN,
            snapshot=snapshot.name,
            name=snapshot.name,
            domain=world.domain.name,
            image=disk.source,
        )
    mistaken = _why_mistaken(image, snapshot)
    if mistaken is not None:
        return refusal(
            RefusalCode.INTERNAL_NOT_POSSIBLE,
            snapshot=snapshot.name,
            domain=world.domain.name,
            disk=disk.target,
            image=disk.source,
            cause=mistaken,
            way=f"give {snapshot.name} another name, or set `type: external`",
        )
    readers = world.readers_elsewhere(disk.source)
    if readers:
        return refusal(
            RefusalCode.UNMANAGED_READER,
            snapshot=snapshot.name,
            disk=disk.target,
            image=disk.source,
            kind="domain",
            readers=", ".join(readers),
        )
    return room(world, snapshot, folder_of(disk.source)) if snapshot.memory else None


def _why_mistaken(image: Image, snapshot: DesiredSnapshot) -> str | None:
    """QEMU numbers what it keeps inside an image, and looks for a number before a name."""
    other = image.mistaken_for(snapshot.name)
    if other is not None:
        return why_mistaken(image.path, snapshot.name, other)
    if may_be_an_id(snapshot.name):
        return (
            f"{snapshot.name} may be the number of another snapshot in {image.path} one day, and"
            " QEMU looks for a number before a name"
        )
    if image.next_id in image.internal_snapshots:
        return (
            f"QEMU would number it {image.next_id} in {image.path}, which holds another snapshot of"
            " that name, and would take this one for it"
        )
    return None


def why_mistaken(path: ImagePath, name: str, other: str) -> str:
    """Why *name* inside *path* cannot be told from *other*."""
    who = f"{other}, whose number is {name}" if other else "others, whose numbers are not known"
    return f"{path} also holds {who}, and QEMU looks for a number before a name"
