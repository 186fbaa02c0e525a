"""One controller a runtime directory, and whether there is one."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import LockedError, NotPermittedError, VirtsnapError
from reconciler.model.controller import ControllerState

FILE = "controller.lock"
#: who asks whether a controller runs holds the lock for a moment
_PATIENCE = 0.5
_POLL_SECONDS = 0.02
#: seconds by which the clock may have been set since the process began
_CLOCK_SLACK = 5.0


@contextmanager
def sole_controller(folder: Path, holder: str) -> Iterator[None]:
    """Be the only controller of the runtime directory *folder*; ``LockedError`` says who is.

    For ``run`` as long as it runs.  ``run --once`` does without: the locks of domains guard it.
    """
    descriptor = _open(folder)
    try:
        _lock(descriptor)
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder} since {since}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_running(folder: Path, state: ControllerState | None) -> bool:
    """A controller holds the lock; for who may not open it: the process of *state* is there."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return state is not None and _is_alive(state)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(folder: Path) -> int:
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise NotPermittedError(
            f"cannot run: {path}: {error.strerror}", hint="run it with sudo"
        ) from error
    except OSError as error:
        raise VirtsnapError(f"cannot run: {path}: {error.strerror}") from error


def _lock(descriptor: int) -> None:
    give_up_at = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise _held(descriptor) from None
            time.sleep(_POLL_SECONDS)


def _held(descriptor: int) -> LockedError:
    who = os.pread(descriptor, 400, 0).decode("utf-8", "replace").strip()
    return LockedError(
        f"cannot run: a controller runs on this machine already: {who or 'another process'}",
        hint="virtsnap status; a second one needs VIRTSNAP_STATE_DIR and VIRTSNAP_RUNTIME_DIR",
    )


def _is_alive(state: ControllerState) -> bool:
    """The process that wrote *state* has not ended: its number was not given to a younger one."""
    try:
        # the name of the command, in parentheses, may hold anything
        after_name = Path(f"/proc/{state.pid}/stat").read_text("utf-8").rpartition(")")[2]
        ticks = int(after_name.split()[19])
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text("utf-8").splitlines()
            if line.startswith("btime ")
        )
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    begun = boot + ticks / os.sysconf("SC_CLK_TCK")
    return begun <= state.started.timestamp() + _CLOCK_SLACK
