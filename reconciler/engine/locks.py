"""One writer a domain on this machine: an flock on a file in the runtime directory."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reconciler.engine.ports import StopAsked
from reconciler.errors import Interrupted, LockedError, NotPermittedError
from reconciler.model.names import DomainUuid

_POLL_SECONDS = 0.1


class FileLocks:
    """Files ``<uuid>.lock`` in *folder*; they stay, the lock on them goes with the process."""

    def __init__(self, folder: Path, *, holder: str) -> None:
        self._folder = folder
        self._holder = holder

    @contextmanager
    def hold(
        self, domain: DomainUuid, *, plan_id: str, patience: float, stop_asked: StopAsked
    ) -> Iterator[None]:
        """Hold the lock; ``LockedError`` says who has it, and since when."""
        descriptor = self._open(domain)
        try:
            give_up_at = time.monotonic() + patience
            while not _is_locked(descriptor):
                if stop_asked():
                    raise Interrupted(f"interrupted while waiting for the lock of {domain}")
                if time.monotonic() >= give_up_at:
                    raise _held(descriptor, domain)
                # flock(2) can wait, but neither until a time nor until Ctrl-C
                time.sleep(_POLL_SECONDS)
            since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{self._holder} since {since} ({plan_id[:19]})\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _open(self, domain: DomainUuid) -> int:
        path = self._folder / f"{domain}.lock"
        try:
            # the state of a controller lies here too, for everybody to read; locks are 0600
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise NotPermittedError(
                f"cannot lock domain {domain}: {path}: {error.strerror}", hint="run it with sudo"
            ) from error


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(descriptor: int, domain: DomainUuid) -> LockedError:
    who = os.pread(descriptor, 400, 0).decode("utf-8", "replace").strip()
    return LockedError(
        f"cannot change domain {domain}: it is locked by {who or 'another process'}",
        hint="wait for it to end (--lock-timeout 10m), then try again",
    )
