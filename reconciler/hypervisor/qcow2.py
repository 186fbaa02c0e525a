"""The header of an image file, read without starting a process (QEMU's docs/interop/qcow2.txt)."""

import os
import struct
from collections import Counter
from dataclasses import dataclass, replace

#: The header, its extensions and the backing name lie in the first cluster, mostly in its first page.
_FIRST_READ = 4096
_FIXED = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_EXTENSION = struct.Struct(">II")
_BACKING_FORMAT = 0xE2792ACA
_DATA_FILE = 0x44415441
_INCOMPATIBLE_CORRUPT = 1 << 1
_INCOMPATIBLE_DATA_FILE = 1 << 2
_MAX_NAME = 1023
#: QEMU's own bounds (block/qcow2.h)
_MAX_SNAPSHOTS, _MAX_EXTRA, _MAX_TABLE = 65536, 1024, 64 << 20
#: L1 table at, its size, id and name sizes, seconds, nanoseconds, guest clock, RAM size, extra size
_SNAPSHOT = struct.Struct(">QIHHIIQII")
#: of its extra data: size of the guest's memory in it, size of the disk
_SNAPSHOT_EXTRA = struct.Struct(">QQ")
#: bytes of a first-level table, by QEMU's own limit
_MAX_L1 = 32 << 20
#: the part of its entries that says where a second-level table lies
_L1_OFFSET = 0x00FFFFFFFFFFFE00
_INCOMPATIBLE_EXTENDED_L2 = 1 << 4
#: dirty, corrupt, an external data file, another compression, extended entries
_KNOWN_INCOMPATIBLE = (1 << 5) - 1
#: bytes of all first-level tables of one image that are compared
_MOST_COMPARED = 8 << 20
#: the last byte that a file can have
_LAST = (1 << 63) - 1

#: Format by what the file begins with; qcow2 is told from its forefather by the version.
_MAGICS = (
    (0, b"QED\0", "qed"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
)


class NotQcow2Error(ValueError):
    """The header makes no sense as qcow2: QEMU does not open the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Qcow2Header:
    """What matters of a qcow2 header; *backing* as the file spells it."""

    virtual_size: int
    backing: str | None = None
    backing_format: str | None = None
    #: by name, in the order of the file; two may have one name
    internal_snapshots: tuple[str, ...] = ()
    internal_ids: tuple[str, ...] = ()
    is_encrypted: bool = False
    has_data_file: bool = False
    #: what the file itself calls that
    data_file: str | None = None
    #: QEMU found it to be corrupt, and opens it no more for writing
    is_corrupt: bool = False
    #: why no QEMU opens it as it is, though it says what it stands on
    flaw: str | None = None
    #: no cluster is mapped: nothing was ever written to it
    is_blank: bool = False
    #: internal snapshots that map the very clusters that the image maps now
    unwritten_since: tuple[str, ...] = ()


def format_by_magic(start: bytes) -> str | None:
    """The format of a file that begins with *start*; None for none that is known."""
    if start.startswith(b"QFI\xfb") and len(start) >= 8:
        return "qcow" if start[4:8] == b"\0\0\0\1" else "qcow2"
    for offset, magic, name in _MAGICS:
        if start[offset : offset + len(magic)] == magic:
            return name
    return None


def read_start(descriptor: int) -> bytes:
    """The part of an open file that tells its format."""
    return os.pread(descriptor, _FIRST_READ, 0)


def read_header(descriptor: int, start: bytes) -> Qcow2Header:
    """The qcow2 header of an open file whose first bytes are *start*."""
    if len(start) < _FIXED.size:
        raise NotQcow2Error("the file is too short")
    magic, version, name_at, name_size, cluster_bits, size, crypt, l1_size, l1_at, *rest = (
        _FIXED.unpack(start[: _FIXED.size])
    )
    snapshots, table_at = rest[2:]
    if magic != b"QFI\xfb":
        raise NotQcow2Error("it is no qcow2 image")
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise NotQcow2Error(f"qcow2 version {version} with clusters of 2^{cluster_bits} bytes")
    incompatible, extensions_at = 0, _FIXED.size
    if version == 3:
        if len(start) < _FIXED.size + _V3.size:
            raise NotQcow2Error("the file is too short")
        incompatible, _, _, _, extensions_at = _V3.unpack_from(start, _FIXED.size)
    if name_at > 1 << cluster_bits:
        raise NotQcow2Error("the backing file name lies behind the first cluster")
    end = name_at or 1 << cluster_bits
    header = Qcow2Header(
        virtual_size=size,
        backing=_backing_name(descriptor, start, name_at, name_size),
        backing_format=_text(_extension(descriptor, start, extensions_at, end, _BACKING_FORMAT)),
        is_encrypted=crypt != 0,
        has_data_file=bool(incompatible & _INCOMPATIBLE_DATA_FILE),
        data_file=_text(_extension(descriptor, start, extensions_at, end, _DATA_FILE)),
        is_corrupt=bool(incompatible & _INCOMPATIBLE_CORRUPT),
    )
    if incompatible & ~_KNOWN_INCOMPATIBLE:
        return replace(header, flaw="it has features that are not known")
    try:
        inside = _snapshots(descriptor, table_at, snapshots)
        is_extended = bool(incompatible & _INCOMPATIBLE_EXTENDED_L2)
        entries = _guest_entries(size, cluster_bits, is_extended=is_extended)
        return replace(
            header,
            internal_snapshots=tuple(each.name for each in inside),
            internal_ids=tuple(each.id for each in inside),
            is_blank=name_at != 0 and not snapshots and _is_unmapped(descriptor, l1_at, l1_size),
            unwritten_since=_unwritten_since(descriptor, l1_at, entries, size, inside),
        )
    except NotQcow2Error as error:
        return replace(header, flaw=str(error))


def _is_unmapped(descriptor: int, table_at: int, entries: int) -> bool:
    """The first-level table of clusters is empty; one that is not read whole counts as used."""
    length = entries * 8
    return length <= _MAX_L1 and _read(descriptor, length, table_at) == bytes(length)


def _backing_name(descriptor: int, start: bytes, offset: int, size: int) -> str | None:
    if offset == 0 or size == 0:
        return None
    if size > _MAX_NAME:
        raise NotQcow2Error(f"a backing file name of {size} bytes")
    name = _piece(descriptor, start, offset, size)
    if len(name) < size:
        raise NotQcow2Error("the file ends within its backing file name")
    return os.fsdecode(name)


def _guest_entries(size: int, cluster_bits: int, *, is_extended: bool) -> int:
    """How many entries of a first-level table map what the guest sees; behind them lies memory."""
    bits = cluster_bits + cluster_bits - (4 if is_extended else 3)
    return (size + (1 << bits) - 1) >> bits


def _unwritten_since(
    descriptor: int, table_at: int, entries: int, size: int, inside: "tuple[_Inside, ...]"
) -> tuple[str, ...]:
    """Snapshots with the same second-level tables as the image itself.

    A snapshot shares these tables, and all that they map, with the image: whoever writes has to copy
    the table first, so that its place in the first-level table changes (QEMU's copy-on-write).
    """
    names = Counter(each.name for each in inside)
    # Of more there is no telling: what is not proven counts as written.
    is_little = entries * 8 * (len(inside) + 1) <= _MOST_COMPARED
    now = _tables(descriptor, table_at, entries) if inside and is_little else None
    return tuple(
        each.name
        for each in inside
        if now is not None
        and names[each.name] == 1
        and each.size in (None, size)
        and _tables(descriptor, each.table_at, entries) == now
    )


def _tables(descriptor: int, table_at: int, entries: int) -> list[int] | None:
    """Where the second-level tables lie; None where the first cannot be read whole."""
    length = entries * 8
    table = _read(descriptor, length, table_at)
    if len(table) < length:
        return None
    return [entry & _L1_OFFSET for entry in struct.unpack(f">{entries}Q", table)]


@dataclass(frozen=True, slots=True)
class _Inside:
    """An internal snapshot: its ID and name, its first-level table, the size of the disk then."""

    id: str
    name: str
    table_at: int
    size: int | None


def _snapshots(descriptor: int, offset: int, count: int) -> tuple[_Inside, ...]:
    """The snapshot table: entries of their own length, each padded to 8 bytes."""
    if count > _MAX_SNAPSHOTS:
        raise NotQcow2Error(f"{count} internal snapshots")
    found = []
    end = offset + _MAX_TABLE
    for _ in range(count):
        if offset > end:
            raise NotQcow2Error(f"a snapshot table of more than {_MAX_TABLE >> 20} MiB")
        fixed = _read(descriptor, _SNAPSHOT.size, offset)
        if len(fixed) < _SNAPSHOT.size:
            raise NotQcow2Error("the file ends within its snapshot table")
        table_at, _, id_size, name_size, _, _, _, _, extra_size = _SNAPSHOT.unpack(fixed)
        if extra_size > _MAX_EXTRA:
            raise NotQcow2Error(f"an internal snapshot with {extra_size} bytes of extra data")
        id_at = offset + _SNAPSHOT.size + extra_size
        id_ = _read(descriptor, id_size, id_at)
        name = _read(descriptor, name_size, id_at + id_size)
        if len(id_) < id_size or len(name) < name_size:
            raise NotQcow2Error("the file ends within its snapshot table")
        size = None
        if extra_size >= _SNAPSHOT_EXTRA.size:
            extra = _read(descriptor, _SNAPSHOT_EXTRA.size, offset + _SNAPSHOT.size)
            if len(extra) < _SNAPSHOT_EXTRA.size:
                raise NotQcow2Error("the file ends within its snapshot table")
            size = _SNAPSHOT_EXTRA.unpack(extra)[1]
        found.append(
            _Inside(id_.decode("utf-8", "replace"), name.decode("utf-8", "replace"), table_at, size)
        )
        length = _SNAPSHOT.size + extra_size + id_size + name_size
        offset += (length + 7) & ~7
    return tuple(found)


def _extension(descriptor: int, start: bytes, offset: int, end: int, wanted: int) -> bytes | None:
    """What the header extension *wanted* holds."""
    while offset + _EXTENSION.size <= end:
        head = _piece(descriptor, start, offset, _EXTENSION.size)
        if len(head) < _EXTENSION.size:
            return None
        kind, length = _EXTENSION.unpack(head)
        offset += _EXTENSION.size
        if kind == 0:
            return None
        if kind == wanted:
            return _piece(descriptor, start, offset, min(length, _MAX_NAME))
        offset += (length + 7) & ~7
    return None


def _text(data: bytes | None) -> str | None:
    return None if data is None else os.fsdecode(data)


def _piece(descriptor: int, start: bytes, offset: int, size: int) -> bytes:
    if offset + size <= len(start):
        return start[offset : offset + size]
    return _read(descriptor, size, offset)


def _read(descriptor: int, size: int, offset: int) -> bytes:
    if offset + size > _LAST:
        raise NotQcow2Error("an offset beyond the end of all files")
    return os.pread(descriptor, size, offset)
