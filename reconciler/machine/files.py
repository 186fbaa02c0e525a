"""Files of our own, replaced whole."""

import os
from contextlib import suppress
from pathlib import Path


def replace(
    path: Path, content: str | bytes, *, mode: int = 0o600, is_lasting: bool = True
) -> None:
    """Put *content* in the place of *path*, with *mode* whatever the umask.

    Whoever reads *path* meanwhile gets the old content or the new, never a part.  No link is followed
    and no file of somebody else written to.  With *is_lasting* a power cut after the return takes
    nothing back; what lies in ``/run`` needs that not.  ``OSError`` where it cannot be done: *path* is
    then as it was, and nothing is left beside it.
    """
    new = path.with_name(f".{path.name}.new")
    data = content.encode("utf-8") if isinstance(content, str) else content
    with suppress(FileNotFoundError):
        new.unlink()  # of one that died in here
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if is_lasting:
                os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    if is_lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in *folder* is so after a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
