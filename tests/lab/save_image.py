"""Copies of a libvirt save image under another domain's name: a booted guest without booting.

The image is a 92-byte header, the domain's XML, perhaps a cookie, zeros, then QEMU's migration
stream. ``restoreFlags`` with XML of its own may change paths but neither name nor uuid; writing
the XML anew in the room the zeros give changes those too.
"""

import re
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

_MAGIC = b"LibvirtQemudSave"
_HEADER_BYTES = 92
_COOKIE_FIELD = 32


def copy_for_another_domain(
    source: Path, copy: Path, *, name: str, uuid: str, paths: Mapping[Path, Path]
) -> None:
    """Write *copy*, the state of *source* as a domain called *name* whose files are renamed."""
    with open(source, "rb") as original, open(copy, "wb") as written:
        header = bytearray(original.read(_HEADER_BYTES))
        if header[:16] != _MAGIC:
            raise ValueError(f"not a finished save image: {source}")
        length, cookie_at = struct.unpack_from("<4xI8xI", header, 16)
        described = original.read(length)
        xml = described[: cookie_at or length].rstrip(b"\0").decode()
        cookie = described[cookie_at:].rstrip(b"\0") if cookie_at else b""
        xml_bytes = _renamed(xml, name, uuid, paths).encode() + b"\0"
        content = xml_bytes + (cookie + b"\0" if cookie else b"")
        if len(content) > length:
            raise ValueError(f"cannot rename in {source}: {len(content)} bytes, {length} fit")
        struct.pack_into("<I", header, _COOKIE_FIELD, len(xml_bytes) if cookie else 0)
        written.write(header + content.ljust(length, b"\0"))
        shutil.copyfileobj(original, written, 1 << 20)


def _renamed(xml: str, name: str, uuid: str, paths: Mapping[Path, Path]) -> str:
    old_uuid = re.search(r"<uuid>([^<]+)</uuid>", xml)
    if old_uuid is None:
        raise ValueError("the XML of a save image has no uuid")
    xml = re.sub(r"<name>[^<]+</name>", f"<name>{name}</name>", xml, count=1)
    xml = xml.replace(old_uuid[1], uuid)
    for old, new in paths.items():
        xml = xml.replace(str(old), str(new))
    # The agent's socket lies in the old domain's folder; without a path libvirt makes a new one.
    xml = re.sub(r"<source mode='bind' path='[^']*'/>", "", xml)
    # Live XML says <backingStore/>, "no backing file". Kept, QEMU would read zeros below any
    # overlay, without a word.
    return re.sub(r"<backingStore\s*/>", "", xml)
