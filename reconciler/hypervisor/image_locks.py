"""The locks by which QEMU tells others what it does with an image (its docs, block/file-posix.c)."""

import fcntl
import os
import struct
from collections.abc import Iterable
from pathlib import Path

#: QEMU keeps its image locks on these bytes of the file
_START, _LENGTH = 100, 200
#: locked by who reads the image and needs it as it is
_READER = 100
#: locked by who lets nobody else write to the image
_NO_OTHER_WRITER = 201
_LOCKS = Path("/proc/locks")
_FLOCK = struct.Struct("hhqqi4x")


def has_lock(file: Path, start: int = _START, length: int = _LENGTH) -> bool:
    """Some process holds a lock on those bytes of *file*; nothing is locked by asking."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked)
    finally:
        os.close(descriptor)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def are_held(images: Iterable[str]) -> bool | None:
    """QEMU keeps others from writing to each of *images*; None when that cannot be asked.

    It does so for a whole chain, from the moment it takes the images until it lets go of them:
    after saving the memory of a paused guest the layers below the new overlays are free (QEMU 7.2),
    or all of them (10.0), until the guest goes on (E9, E11).
    """
    try:
        return all(has_lock(Path(image), _NO_OTHER_WRITER, 1) for image in images)
    except OSError:
        return None


def holders(file: Path) -> int:
    """How many QEMUs (qemu-img, qemu-nbd) have *file* open; 0 where the kernel does not list them.

    ``has_lock`` cannot tell the domain's own QEMU from another beside it.
    """
    found = file.stat()
    wanted = (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    try:
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    counts = {_READER: 0, _NO_OTHER_WRITER: 0}
    for words in (line.split() for line in lines):
        # 7: OFDLCK ADVISORY READ -1 08:01:4711 100 101; a process that waits has "->" after the number
        if len(words) != 8 or words[1] != "OFDLCK" or _file_of(words[5]) != wanted:
            continue
        first, last = int(words[6]), _START + _LENGTH if words[7] == "EOF" else int(words[7])
        for byte in counts:
            counts[byte] += first <= byte <= last
    return max(counts.values())


def _file_of(words: str) -> tuple[int, int, int]:
    major, minor, inode = words.split(":")
    return int(major, 16), int(minor, 16), int(inode)
