"""What a memory image says of itself: libvirt's header, the definition in it, where its stream ends.

Read without libvirt, which shows a saved definition only to who may change things.  Whether QEMU
loads the stream is known when it has; what can be seen before is looked at before the guest stops.
"""

import os
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from reconciler.errors import HypervisorError
from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.xml import Element, parse
from reconciler.model.chain import SavedMemory
from reconciler.model.names import DomainName, DomainUuid, ImagePath

_MAGIC, _PARTIAL = b"LibvirtQemudSave", b"LibvirtQemudPart"
#: magic, version, bytes of XML, was running, format, offset of the cookie, reserved (S9 S11)
_HEADER = struct.Struct("16s5I56s")
_SWAPPED = struct.Struct(">16s5I56s")
#: a version above it is one that was written by a machine of the other byte order
_LAST_VERSION = 255
_MOST_XML = 16 << 20
_RAW = 0
#: format → what its stream begins with; of others nothing is known
_STREAMS = {
    _RAW: b"QEVM",
    1: b"\x1f\x8b",
    2: b"BZh",
    3: b"\xfd7zXZ",
    4: b"\x89LZO",
    5: b"\x28\xb5\x2f\xfd",
}
#: QEMU ends a stream with a description of it: a byte 6, its length, JSON (migration/savevm.c)
_TAILS = (1 << 18, 1 << 23)
_DESCRIPTION = b"\x00\x06"
#: machines before 2.3 do without
_MACHINE = re.compile(r"-(\d+)\.(\d+)$")
_DESCRIBED_SINCE = (2, 3)


def read(
    path: str, status: os.stat_result, canonical: Callable[[str], ImagePath]
) -> SavedMemory | None:
    """What the image at *path* says; None where it cannot be looked into."""
    try:
        identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        found = _read(path, *identity)
    except OSError:
        return None
    disks = tuple((t, None if p is None else canonical(p)) for t, p in found.disks)
    return replace(found, disks=disks)


@lru_cache(maxsize=1024)
def _read(path: str, _device: int, _inode: int, size: int, _changed: int) -> SavedMemory:
    """Of the very file: whoever writes to it changes its time."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _examined(descriptor, size)
    finally:
        os.close(descriptor)


def _examined(descriptor: int, size: int) -> SavedMemory:
    start = os.pread(descriptor, _HEADER.size, 0)
    if start.startswith(_PARTIAL):
        return SavedMemory(fault="it was not written to its end")
    if len(start) < _HEADER.size or not start.startswith(_MAGIC):
        return SavedMemory(fault="it is no memory image")
    _, version, length, _, image_format, *_ = _HEADER.unpack(start)
    if version > _LAST_VERSION:
        _, version, length, _, image_format, *_ = _SWAPPED.unpack(start)
    if not 0 < version <= _LAST_VERSION or not 0 < length <= _MOST_XML:
        return SavedMemory(fault="its header is damaged")
    text = os.pread(descriptor, length, _HEADER.size).partition(b"\0")[0]
    try:
        definition = parse(text.decode("utf-8"))
    except (ValueError, HypervisorError):
        return SavedMemory(fault="the definition in it is damaged")
    said = _said(definition)
    if said is None:
        return SavedMemory(fault="the definition in it is damaged")
    fault = _fault_of_stream(descriptor, _HEADER.size + length, size, image_format, definition)
    return replace(said, fault=fault)


def _said(definition: Element) -> SavedMemory | None:
    name, uuid = definition.findtext("name"), definition.findtext("uuid")
    if not name or not uuid:
        return None
    return SavedMemory(
        name=DomainName(name),
        uuid=DomainUuid(uuid),
        disks=tuple(
            (disk.target, None if disk.active.path is None else ImagePath(disk.active.path))
            for disk in domain_xml.disks(definition)
        ),
    )


def _fault_of_stream(
    descriptor: int, at: int, size: int, image_format: int, definition: Element
) -> str:
    magic = _STREAMS.get(image_format)
    if magic is None:
        return ""
    if os.pread(descriptor, len(magic), at) != magic:
        return "its stream is damaged"
    if image_format == _RAW and _is_described(definition) and not _has_end(descriptor, at, size):
        return "it is cut off"
    return ""


def _is_described(definition: Element) -> bool:
    kind = definition.find("os/type")
    found = _MACHINE.search("" if kind is None else kind.get("machine", ""))
    return found is not None and (int(found[1]), int(found[2])) >= _DESCRIBED_SINCE


def _has_end(descriptor: int, at: int, size: int) -> bool:
    if os.pread(descriptor, 1, size - 1) != b"}":
        return False
    for most in _TAILS:
        length = min(most, size - at)
        tail = os.pread(descriptor, length, size - length)
        place = tail.rfind(_DESCRIPTION)
        while place >= 0:
            said = tail[place + 2 : place + 6]
            if int.from_bytes(said, "big") == len(tail) - place - 6:
                return True
            place = tail.rfind(_DESCRIPTION, 0, place)
    return False
