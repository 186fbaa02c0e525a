"""Files that only their owner may change, or read: what virtsnap runs as root, and secrets."""

import os
import stat
from pathlib import Path
from shlex import quote

from reconciler.errors import VirtsnapError

#: a token or a list of URLs, and no more
_MOST = 65536


def executable_of_ours(path: Path) -> Path:
    """The real path of an executable that nobody but root and this user can change.

    Also none of the folders above it, unless it is sticky: there nobody takes away what is not
    theirs.  ``VirtsnapError`` says what is wrong.
    """
    if not path.is_absolute():
        raise VirtsnapError(f"cannot run {path}: it is not an absolute path")
    try:
        real = path.resolve(strict=True)
        found = real.stat()
        folders = [each.stat() for each in (*path.parents, *real.parents)]
    except (OSError, RuntimeError) as error:
        raise VirtsnapError(
            f"cannot run {path}: {_cause(error)}", hint=f"ls -l {quote(str(path))}"
        ) from error
    if not stat.S_ISREG(found.st_mode) or not os.access(real, os.X_OK):
        raise VirtsnapError(
            f"cannot run {path}: it is no executable file", hint=f"chmod 755 {quote(str(path))}"
        )
    if not _is_ours(found):
        raise VirtsnapError(
            f"cannot run {path}: others can write to it",
            hint=f"chown root: {quote(str(real))} && chmod go-w {quote(str(real))}",
        )
    if not all(_is_ours(each, is_folder=True) for each in folders):
        raise VirtsnapError(
            f"cannot run {path}: others can write to a folder above it",
            hint=f"namei -om {quote(str(real))}; /usr/local/lib/virtsnap is a good place",
        )
    return real


def secret_text(path: Path) -> str:
    """The text of a file that not everybody may read, outer space removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise VirtsnapError(f"cannot use {path}: it is no regular file")
            if found.st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise VirtsnapError(
                    f"cannot use {path}: everybody may read it, and it holds a secret",
                    hint=f"chmod o-rwx {quote(str(path))}",
                )
            text = file.read(_MOST)
    except (OSError, UnicodeDecodeError) as error:
        raise VirtsnapError(
            f"cannot use {path}: {_cause(error)}", hint=f"ls -l {quote(str(path))}"
        ) from error
    if not text.strip():
        raise VirtsnapError(f"cannot use {path}: it is empty")
    return text.strip()


def _is_ours(found: os.stat_result, *, is_folder: bool = False) -> bool:
    if found.st_uid not in (0, os.geteuid()):
        return False
    is_open = bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return not is_open or (is_folder and bool(found.st_mode & stat.S_ISVTX))


def _cause(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "it is not UTF-8").lower()
