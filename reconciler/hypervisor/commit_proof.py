"""Round a commit: whether somebody else has the images open, and whether a failed one wrote at all.

A commit that was under way has changed the base, whatever became of it (facts §7.4); one that could
not begin has not, and its snapshots are as whole as before.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import CommitNotBegun, HypervisorError, StepRefused
from reconciler.hypervisor import image_locks
from reconciler.model.action import CommitMethod, CommitOverlays, SwitchDisk
from reconciler.model.names import ImagePath

_SECONDS_TO_LET_GO = 3.0
_LOOKS_EVERY = 0.1
#: The kernel's clock for files turns at least so often: what is older changes with the next write.
_ONE_TURN = 0.05


def image_in_use(action: CommitOverlays | SwitchDisk) -> ImagePath | None:
    """The first image of *action* that a QEMU has open which is not the domain's own, after the
    moment that letting go may take; None also where that cannot be asked."""
    if isinstance(action, SwitchDisk):
        return action.image if _is_held(action.image, is_open) else None
    if action.method is CommitMethod.OFFLINE:
        images = (action.base, *action.merged, *action.rebased)
        return next((image for image in images if _is_held(image, is_open)), None)
    return action.base if _is_held(action.base, _is_open_elsewhere) else None


def is_open(file: Path) -> bool:
    """A QEMU process has the file open still, after the moment that letting go may take."""
    return _lasts(lambda: image_locks.has_lock(file))


def _is_open_elsewhere(file: Path) -> bool:
    return _lasts(lambda: image_locks.holders(file) > 1)


def _is_held(image: ImagePath, is_used: Callable[[Path], bool]) -> bool:
    try:
        return is_used(Path(os.path.realpath(image)))
    except OSError:
        return False


def _lasts(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _SECONDS_TO_LET_GO
    while holds():
        if time.monotonic() > deadline:
            return True
        time.sleep(_LOOKS_EVERY)
    return False


class Unwritten:
    """The base as it was before a call that is to write into it; on another machine (not
    *is_here*) nothing is ever proven."""

    def __init__(self, base: ImagePath, *, is_here: bool = True) -> None:
        self._base = base
        self._before = _settled_mark(base) if is_here else None

    def is_proven(self) -> bool:
        """Not a byte was written since; False where that cannot be told."""
        return self._before is not None and _mark(self._base) == self._before

    @contextmanager
    def told(self) -> Iterator[None]:
        """``CommitNotBegun`` in place of an error after which that is proven."""
        try:
            yield
        except (HypervisorError, StepRefused) as error:
            if not self.is_proven():
                raise
            code = error.code if isinstance(error, HypervisorError) else None
            raise CommitNotBegun(error.message, hint=error.hint, code=code) from error


def _settled_mark(base: ImagePath) -> tuple[int, int, int, int] | None:
    deadline = time.monotonic() + 2 * _ONE_TURN
    while (mark := _mark(base)) is not None and abs(time.time() - mark[3] / 1e9) < _ONE_TURN:
        if time.monotonic() > deadline:
            return None
        time.sleep(_ONE_TURN / 5)
    return mark


def _mark(base: ImagePath) -> tuple[int, int, int, int] | None:
    """None of a device: writing to one leaves no time in its node."""
    try:
        found = os.stat(base)  # noqa: PTH116
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
