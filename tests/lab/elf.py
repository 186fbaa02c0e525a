"""Which shared libraries an ELF file asks for, read without running it."""

import struct
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB = 1, 5


def needed_libraries(path: Path) -> tuple[str, ...]:
    """The DT_NEEDED names of a 64-bit little-endian ELF file; empty for any other file."""
    content = path.read_bytes()
    if content[:6] != b"\x7fELF\x02\x01":
        return ()
    segments = _segments(content)
    dynamic = next(
        ((offset, size) for kind, offset, _, size in segments if kind == _PT_DYNAMIC), None
    )
    if dynamic is None:
        return ()
    entries = [
        struct.unpack_from("<QQ", content, dynamic[0] + at) for at in range(0, dynamic[1], 16)
    ]
    strings_address = next(value for tag, value in entries if tag == _DT_STRTAB)
    strings = next(
        offset + strings_address - address
        for kind, offset, address, size in segments
        if kind == _PT_LOAD and address <= strings_address < address + size
    )
    return tuple(
        content[strings + value : content.index(b"\0", strings + value)].decode()
        for tag, value in entries
        if tag == _DT_NEEDED
    )


def _segments(content: bytes) -> list[tuple[int, int, int, int]]:
    """(type, file offset, address, size in the file) of each program header."""
    (table,) = struct.unpack_from("<Q", content, 32)
    entry_size, count = struct.unpack_from("<HH", content, 54)
    segments = []
    for index in range(count):
        kind, _, offset, address, _, size, _, _ = struct.unpack_from(
            "<IIQQQQQQ", content, table + index * entry_size
        )
        segments.append((kind, offset, address, size))
    return segments
