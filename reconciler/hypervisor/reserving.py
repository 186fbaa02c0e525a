"""New files are ours before libvirt hears of them: made empty, where nobody has one of that name.

libvirt takes an empty file over, and writes a memory image over any (facts §1.1, §1.4); when a
snapshot fails it unlinks what it was told to make, whoever made it.  So two who are told the same
path must never both ask it.
"""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from shlex import quote
from types import TracebackType
from typing import Self

from reconciler.errors import HypervisorError, PathTaken
from reconciler.hypervisor.paths import demand_own_place
from reconciler.model.names import ImagePath

_EXCLUSIVE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Reservation:
    """Files that nobody had, each kept open: no other file can get its inode meanwhile."""

    def __init__(self) -> None:
        self._held: dict[ImagePath, int] = {}

    def add(self, path: ImagePath, what: str) -> None:
        """Make *path*, empty and private; ``PathTaken`` where there is something of that name."""
        demand_own_place(path, what)
        try:
            self._held[path] = os.open(path, _EXCLUSIVE, 0o600)
        except FileExistsError as error:
            raise PathTaken(
                f"cannot {what}: {path} exists already", path=path, hint=f"ls -l {quote(path)}"
            ) from error
        except OSError as error:
            folder = quote(os.path.dirname(path))  # noqa: PTH120
            unit = f"; under systemd, a drop-in with ReadWritePaths={folder} (docs/hypervisor.md)"
            is_readonly = error.errno == errno.EROFS
            raise HypervisorError(
                f"cannot {what}: {path}: {error.strerror}",
                hint=f"findmnt -T {folder}{unit}" if is_readonly else f"ls -ld {folder}",
            ) from error

    def keeps(self, path: ImagePath) -> bool:
        """What lies at *path* is the file that was made here, whatever is in it by now."""
        held = self._held.get(path)
        if held is None:
            return False
        try:
            there = os.lstat(path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(held))

    def is_empty(self, path: ImagePath) -> bool:
        """It is there as it was made."""
        return self.keeps(path) and not os.fstat(self._held[path]).st_size

    def give_back(self) -> None:
        """Unlink those that are there still as they were made; what holds something stays."""
        for path in self._held:
            if self.is_empty(path):
                with suppress(OSError):
                    os.unlink(path)  # noqa: PTH108

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._held:
            os.close(self._held.popitem()[1])


def reserve(paths: Iterable[ImagePath], what: str) -> Reservation:
    """All of *paths*, or none."""
    made = Reservation()
    try:
        for path in paths:
            made.add(path, what)
    except BaseException:
        with made:
            made.give_back()
        raise
    return made
