"""One image file as its own header tells, read in the format that somebody says it has."""

import os
import stat
from dataclasses import dataclass, replace
from typing import Any

from reconciler.errors import HypervisorError
from reconciler.hypervisor import qcow2, qemu_img, save_image
from reconciler.hypervisor.backing_names import BackingName, parsed_name
from reconciler.model.chain import MEMORY_FORMAT, FileIdentity, Image, Presence, Unread
from reconciler.model.names import ImagePath

RAW = "raw"
_BLOCK_SIZE = 512
_BEGINNING, _END = 16 << 20, 1 << 20
#: beside qcow2, the formats of QEMU that can have an image below
_BACKED = frozenset({"qcow", "qed", "vmdk"})
#: what keeps qemu-img from a file that may be a sound image all the same
_NOT_ITS_FAULT = (
    "No such file",
    "Permission denied",
    "not permitted",
    "Unknown driver",
    "lock",
    "Stale file handle",
    "Connection",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """*image* without what stands below it: that is *name*, and *also* are files it has beside that."""

    image: Image
    name: BackingName | None = None
    also: tuple[str, ...] = ()


def examined(path: ImagePath, image_format: str | None) -> Looked:
    """*path* read as *image_format*; None reads it as its magic says."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return _unread(path, image_format, Presence.MISSING)
    except (OSError, ValueError) as error:
        return _refused(path, image_format, error)
    if stat.S_ISBLK(status.st_mode):
        if image_format == RAW:  # of a raw one nothing is read, not even by us
            return Looked(image=Image(path=path, format=RAW))
        return _read(path, image_format, None)
    if not stat.S_ISREG(status.st_mode):
        why = Unread.UNTOLD if stat.S_ISCHR(status.st_mode) else Unread.NO_IMAGE
        return _unread(path, image_format, Presence.UNKNOWN, why=why, cause="it is no file")
    looked = _file(path, status, image_format)
    file = FileIdentity(device=status.st_dev, inode=status.st_ino, modified=status.st_mtime_ns)
    return replace(looked, image=replace(looked.image, file=file))


def _file(path: ImagePath, status: os.stat_result, image_format: str | None) -> Looked:
    allocated = status.st_blocks * _BLOCK_SIZE
    if image_format == MEMORY_FORMAT:
        saved = save_image.read(path, status, ImagePath)
        image = Image(path=path, format=MEMORY_FORMAT, allocated=allocated, saved=saved)
        return Looked(image=image)
    if image_format == RAW:
        size = status.st_size
        return Looked(image=Image(path=path, format=RAW, virtual_size=size, allocated=allocated))
    return _read(path, image_format, allocated)


def _read(path: ImagePath, image_format: str | None, allocated: int | None) -> Looked:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return _unread(path, image_format, Presence.MISSING)
    except OSError as error:
        return _refused(path, image_format, error)
    try:
        start = qcow2.read_start(descriptor)
        found = image_format or qcow2.format_by_magic(start) or RAW
        if found == RAW:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            return Looked(
                image=Image(path=path, format=RAW, virtual_size=size, allocated=allocated)
            )
        if found != "qcow2":
            return _read_by_qemu(path, found, allocated)
        header = qcow2.read_header(descriptor, start)
    except OSError as error:
        return _refused(path, image_format, error)
    except qcow2.NotQcow2Error as error:
        return _spoilt(path, "qcow2", allocated, str(error))
    finally:
        os.close(descriptor)
    return _of_header(path, header, allocated)


def _of_header(path: ImagePath, header: qcow2.Qcow2Header, allocated: int | None) -> Looked:
    name = None if header.backing is None else parsed_name(header.backing)
    image = Image(
        path=path,
        format="qcow2",
        backing_format=None if name is None else header.backing_format or name.format,
        virtual_size=header.virtual_size,
        allocated=allocated,
        internal_snapshots=header.internal_snapshots,
        internal_ids=header.internal_ids,
        is_blank=header.is_blank,
        unwritten_since=header.unwritten_since,
        has_data_file=header.has_data_file,
        is_encrypted=header.is_encrypted,
        is_corrupt=header.is_corrupt,
    )
    if header.flaw is not None:
        image = replace(image, is_examined=False, unread=Unread.NO_IMAGE, cause=header.flaw)
    also = (header.data_file,) if header.has_data_file and header.data_file else ()
    return _on(image, name, header.backing, also)


def _on(image: Image, name: BackingName | None, said: str | None, also: tuple[str, ...]) -> Looked:
    """A backing that is no file, or not all of one, would read as none at all, or as all of it."""
    if name is None:
        return Looked(image=image, also=also)
    if name.oddity is not None:
        image = replace(image, oddity=name.oddity)
    if name.path is None:
        cause = f"it stands on {said}, which is no file of this host"
        image = replace(image, is_examined=False, unread=Unread.UNTOLD, cause=cause)
    elif name.oddity is not None:
        image = replace(image, backing_format=name.format)
    return Looked(image=image, name=name, also=(*also, *name.also))


def _read_by_qemu(path: ImagePath, image_format: str, allocated: int | None) -> Looked:
    try:
        document = qemu_img.info(path, image_format)
    except qemu_img.QemuImgSays as error:
        is_its_fault = not any(word in error.said for word in _NOT_ITS_FAULT)
        # qemu-img calls the end of a file, too, an input/output error
        is_its_fault &= "Input/output error" not in error.said or _is_readable(path)
        if image_format in _BACKED and not is_its_fault:
            return _unread(
                path,
                image_format,
                Presence.PRESENT,
                allocated,
                why=Unread.UNTOLD,
                cause=f"qemu-img says: {error.said}",
            )
        return _spoilt(path, image_format, allocated, f"qemu-img says: {error.said}")
    except (HypervisorError, ValueError) as error:
        return _unread(
            path, image_format, Presence.PRESENT, allocated, why=Unread.UNTOLD, cause=str(error)
        )
    said = document.get("backing-filename")
    name = None if said is None else parsed_name(str(said))
    image = Image(
        path=path,
        format=image_format,
        backing_format=document.get("backing-filename-format"),
        virtual_size=document.get("virtual-size"),
        allocated=allocated,
        internal_snapshots=tuple(str(s.get("name")) for s in document.get("snapshots", ())),
        internal_ids=tuple(str(s.get("id")) for s in document.get("snapshots", ())),
        is_encrypted=bool(document.get("encrypted")),
    )
    also = tuple(extent for extent in _extents(document) if extent != path)
    return _on(image, name, None if said is None else str(said), also)


def _is_readable(path: ImagePath) -> bool:
    """Its storage gives what metadata mostly lie in: the beginning and the end."""
    try:
        with open(path, "rb") as file:
            file.read(_BEGINNING)
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END))
            file.read(_END)
    except OSError:
        return False
    return True


def _extents(document: dict[str, Any]) -> tuple[str, ...]:
    """The files that a VMDK descriptor is made of."""
    data = document.get("format-specific", {}).get("data", {})
    extents = data.get("extents", ()) if isinstance(data, dict) else ()
    return tuple(str(each["filename"]) for each in extents if "filename" in each)


def _spoilt(path: ImagePath, image_format: str, allocated: int | None, cause: str) -> Looked:
    return _unread(
        path, image_format, Presence.PRESENT, allocated, why=Unread.NO_IMAGE, cause=cause
    )


def _refused(path: ImagePath, image_format: str | None, error: OSError | ValueError) -> Looked:
    """Not for us to look at, or storage that fails: then the user who asks changes nothing."""
    if isinstance(error, PermissionError):
        return _unread(path, image_format, Presence.UNKNOWN)
    cause = error.strerror if isinstance(error, OSError) else str(error)
    return _unread(path, image_format, Presence.UNKNOWN, why=Unread.UNTOLD, cause=cause)


def _unread(
    path: ImagePath,
    image_format: str | None,
    presence: Presence,
    allocated: int | None = None,
    *,
    why: Unread | None = None,
    cause: str | None = None,
) -> Looked:
    """Without a format that somebody says it has, nobody knows whether anything stands below."""
    image = Image(
        path=path,
        format=image_format or "",
        presence=presence,
        allocated=allocated,
        is_examined=False,
        unread=why,
        cause=cause,
    )
    return Looked(image=image)
