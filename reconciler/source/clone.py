"""Our own copy of a repository elsewhere: made, locked, thrown away; nobody else's folder is."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.source.command import run_git

#: Packs, one a fetch that brought something: with more the clone is made anew.
_MOST_PACKS = 50
_LIMIT = 30.0
#: Seconds between two tries to lock.
_LOOK = 0.1


class Clone:
    """A bare repository in *folder*, which may hold nothing, rubbish, or half of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self, *, seconds: float, stop: threading.Event) -> Iterator[None]:
        """For one fetch at a time, of this process or of another."""
        with self._explaining():
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.folder.with_suffix(".lock"), flags, 0o600)
        try:
            due = time.monotonic() + seconds
            while not _has_lock(descriptor):
                if time.monotonic() > due or stop.is_set():
                    raise SourceError(
                        f"cannot fetch into {self.folder}: another virtsnap is fetching into it",
                        hint=f"fuser {quote(str(self.folder.with_suffix('.lock')))}",
                    )
                stop.wait(_LOOK)
            yield
        finally:
            os.close(descriptor)

    def is_there(self) -> bool:
        """A folder of our own with a repository in it, as far as a look from outside can tell."""
        try:
            found = self.folder.lstat()
        except OSError:
            return False
        is_ours = found.st_uid == os.geteuid() and not self.folder.is_symlink()
        parts = (self.folder / "objects", self.folder / "refs")
        return is_ours and (self.folder / "HEAD").is_file() and all(p.is_dir() for p in parts)

    def make(self) -> None:
        """An empty one, in place of whatever there is."""
        self.discard()
        with self._explaining():
            said = run_git(
                *(self.folder, "init", "-q", "--bare", "--template="),
                seconds=_LIMIT,
                environment={"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
            )
            if said.code:
                raise OSError(said.err.strip().splitlines()[0] if said.err.strip() else "git init")

    def discard(self) -> None:
        """Remove it, and what is left of earlier ones; never what a link leads to."""
        with self._explaining():
            if self.folder.is_symlink() or self.folder.is_file():
                self.folder.unlink()
            elif self.folder.exists():
                # Out of the way at once, whatever an interrupted git may still write into it.
                self.folder.rename(self.folder.with_suffix(f".old-{os.getpid()}-{time.time_ns()}"))
            for old in self.folder.parent.glob(f"{self.folder.name}.old-*"):
                shutil.rmtree(old, ignore_errors=True)

    def is_worn(self) -> bool:
        """So many fetches that a new one is smaller."""
        return sum(1 for _ in (self.folder / "objects" / "pack").glob("*.pack")) > _MOST_PACKS

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceError(
                f"cannot write {self.folder}: {(error.strerror or str(error)).lower()}",
                hint=f"ls -ld {quote(str(self.folder.parent))}",
            ) from None


def _has_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
