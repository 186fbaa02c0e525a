"""The locks by which QEMU tells others what it does with an image (its docs, block/file-posix.c)."""

import fcntl
import os
import struct
from collections.abc import Iterable
from pathlib import Path

#: QEMU keeps its image locks on these bytes of the file
_START, _LENGTH = 100, 200
#: locked by who lets nobody else write to the image
_NO_OTHER_WRITER = 201
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
