"""The per-user folder where what is slow to make is kept, whole or not at all."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """The folder, made where it is missing."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "virtsnap-lab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time; the others wait, and find the work done."""
    with open(cache_folder() / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_atomically(folder: Path, make: Callable[[Path, Path], None]) -> None:
    """Have ``make(result, scratch)`` fill *result*, then rename: a *folder* there is always whole."""
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder.parent) as temporary:
        result, scratch = Path(temporary) / "result", Path(temporary) / "scratch"
        result.mkdir()
        scratch.mkdir()
        make(result, scratch)
        result.rename(folder)
