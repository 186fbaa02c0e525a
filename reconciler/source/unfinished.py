"""Whether somebody is still writing a file, as far as the kernel tells."""

import errno
import fcntl
import os
import signal
from functools import cache
from pathlib import Path

#: Where nobody else can write past our kernel.  Others (NFS, CIFS) refuse a lease for reasons of
#: their own with the same word.
_LOCAL = frozenset({"ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})


def why_unfinished(descriptor: int, content: bytes) -> str | None:
    """What tells that a file is not as it is going to be; None where nothing does."""
    if not content:
        return "it is empty, which a file is before it is written"
    return "somebody has it open to write into it" if _is_open_to_write(descriptor) else None


def _is_open_to_write(descriptor: int) -> bool:
    if not _is_local(os.fstat(descriptor).st_dev):
        return False
    try:
        # Who opens it in the instant in which we hold the lease waits that long, and the kernel
        # tells us of it by a signal: one that nobody heeds.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        # Anything else (it is not ours, no leases here) tells nothing.
        return error.errno == errno.EAGAIN
    return False


@cache
def _is_local(device: int) -> bool:
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2:3] == [wanted]:
            return after.split(maxsplit=1)[0] in _LOCAL
    return False
