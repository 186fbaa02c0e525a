"""One name for each file, however it is spelled (facts §3.7)."""

import os
import stat
from shlex import quote

from reconciler.errors import StepRefused
from reconciler.hypervisor.devices import DeviceNames, number_of
from reconciler.model.names import ImagePath


class PathBook:
    """Canonical paths: symlinks resolved, and of two hard links the one that was asked for first.

    A block device is called by its lasting name instead; see ``devices``.
    """

    def __init__(self, *, is_local: bool, devices: DeviceNames | None = None) -> None:
        self._is_local = is_local
        self.devices = devices or DeviceNames()
        self._known: dict[str, ImagePath] = {}
        self._by_inode: dict[tuple[int, int], ImagePath] = {}
        self._folders: dict[str, str] = {}

    def canonical(self, path: str) -> ImagePath:
        """The one name of the file *path*; remote paths are only normalised."""
        known = self._known.get(path)
        if known is None:
            known = self._resolved(path) if self._is_local else ImagePath(os.path.normpath(path))
            self._known[path] = known
        return known

    def is_passing(self, path: str) -> bool:
        """*path* is a kernel's name of a device that has a lasting one."""
        if not self._is_local or self.canonical(path) == path:
            return False
        number = number_of(path)
        return number is not None and self.devices.is_kernels(path, number)

    def _resolved(self, path: str) -> ImagePath:
        real = self._in_real_folder(path)
        try:
            status = os.lstat(real)
            if stat.S_ISLNK(status.st_mode):
                real = ImagePath(os.path.realpath(path))
                status = os.stat(real)  # noqa: PTH116 - hot
        except (OSError, ValueError):
            return real
        if stat.S_ISBLK(status.st_mode):
            return ImagePath(self.devices.name(status.st_rdev, self._in_real_folder(path)))
        inode = status.st_dev, status.st_ino
        known = self._by_inode.setdefault(inode, real)
        if known != real and not _is_at(known, inode):
            # It has gone since, and its number went to a new file (or it was renamed).
            known = self._by_inode[inode] = real
        return known

    def _in_real_folder(self, path: str) -> ImagePath:
        """``realpath``, but for a symlink at the end; each folder is resolved once."""
        if _names_nothing(path):
            return ImagePath(os.path.normpath(path))
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return ImagePath(os.path.realpath(path))
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        return ImagePath(os.path.join(real, name))  # noqa: PTH118 - hot


def demand_own_place(path: ImagePath, what: str) -> None:
    """*path* leads over no link: a folder that has become one leads out of those that are allowed."""
    folder = os.path.dirname(path)  # noqa: PTH120
    real = os.path.realpath(folder)
    if real != folder:
        raise StepRefused(
            f"cannot {what}: {folder} is not where it was planned, it leads to {real}",
            hint=f"ls -ld {quote(folder)}",
        )


def _is_at(path: ImagePath, inode: tuple[int, int]) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == inode


def _names_nothing(path: str) -> bool:
    """No file can have this name: a header or a definition that somebody forged says it."""
    try:
        return b"\0" in os.fsencode(path)
    except UnicodeEncodeError:
        return True


def is_same_file(one: str, other: str) -> bool:
    """Whether two spellings name one file or device here; equal text where neither exists."""
    if _names_nothing(one) or _names_nothing(other):
        return one == other
    try:
        if os.path.samefile(one, other):  # noqa: PTH121
            return True
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)
    number = number_of(one)
    return number is not None and number == number_of(other)
