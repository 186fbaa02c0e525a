"""One name for each file, however it is spelled (facts §3.7)."""

import os

from reconciler.model.names import ImagePath


class PathBook:
    """Canonical paths: symlinks resolved, and of two hard links the one that was asked for first."""

    def __init__(self, *, is_local: bool) -> None:
        self._is_local = is_local
        self._known: dict[str, ImagePath] = {}
        self._by_inode: dict[tuple[int, int], ImagePath] = {}

    def canonical(self, path: str) -> ImagePath:
        """The one name of the file *path*; remote paths are only normalised."""
        known = self._known.get(path)
        if known is None:
            known = self._resolved(path) if self._is_local else ImagePath(os.path.normpath(path))
            self._known[path] = known
        return known

    def _resolved(self, path: str) -> ImagePath:
        real = ImagePath(os.path.realpath(path))
        try:
            status = os.stat(real)  # noqa: PTH116 - hot
        except (OSError, ValueError):
            return real
        return self._by_inode.setdefault((status.st_dev, status.st_ino), real)


def is_same_file(one: str, other: str) -> bool:
    """Whether two spellings name one file here; equal text where neither exists."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)
