"""What a running controller knows, in a file that everybody may read."""

import threading
from contextlib import suppress
from pathlib import Path

import structlog

from reconciler.machine import files
from reconciler.model.controller import ControllerState, DomainState
from reconciler.report.controller_document import write_controller
from reconciler.report.controller_reading import read_controller
from reconciler.service.sole import is_running

FILE = "controller.json"
#: seconds between two writings, so that progress of block jobs costs nothing
PAUSE = 1.0
#: what a reader takes at most
_MAX_BYTES = 64 * 1024 * 1024


class StateFile:
    """Writes the newest state to *runtime*, and to *kept* what a restart needs.

    ``write`` never waits for a disk and never raises: a thread of its own does the work, at once
    and then once every *pause* seconds.  A disk that is full is logged once.
    """

    def __init__(self, runtime: Path, kept: Path, *, pause: float = PAUSE) -> None:
        self._runtime = runtime
        self._kept = kept
        self._pause = pause
        self._changed = threading.Condition()
        self._next: ControllerState | None = None
        self._is_closed = False
        self._memory: object = None
        self._trouble: dict[Path, str] = {}
        self._thread = threading.Thread(target=self._work, name="state-file", daemon=True)
        self._thread.start()

    def write(self, state: ControllerState) -> None:
        """*state* is true now; one that was not yet written is skipped."""
        with self._changed:
            self._next = state
            self._changed.notify()

    def close(self) -> None:
        """Write what is not yet written, and end."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next is not None or self._is_closed)
                state, self._next = self._next, None
            if state is None:
                return
            self._put(state)
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, self._pause)

    def _put(self, state: ControllerState) -> None:
        try:
            text = write_controller(state)
        except Exception as error:  # a defect here must not end the thread
            self._told(self._runtime, f"internal error: {error!r}")
            return
        self._replace(self._runtime / FILE, text, folder_mode=0o755, mode=0o644, is_lasting=False)
        memory = (state.passes, state.is_stopping, *map(_remembered, state.domains))
        if memory != self._memory and self._replace(
            self._kept / FILE, text, folder_mode=0o700, mode=0o600, is_lasting=True
        ):
            self._memory = memory

    def _replace(
        self, path: Path, text: str, *, folder_mode: int, mode: int, is_lasting: bool
    ) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode)
            files.replace(path, text, mode=mode, is_lasting=is_lasting)
        except OSError as error:
            self._told(path, error.strerror or str(error))
            return False
        self._told(path, "")
        return True

    def _told(self, path: Path, trouble: str) -> None:
        """Once for each change."""
        if self._trouble.get(path, "") == trouble:
            return
        self._trouble[path] = trouble
        log = structlog.get_logger("virtsnap")
        with suppress(OSError, ValueError):  # nobody reads the log any more
            if trouble:
                log.error("state not written", path=str(path), error=trouble)
            else:
                log.info("state written again", path=str(path))


def read_state(runtime: Path) -> tuple[ControllerState | None, bool]:
    """What the controller of this runtime directory wrote last, and whether it runs."""
    state = _read(runtime / FILE)
    return state, is_running(runtime, state)


def read_last(kept: Path) -> ControllerState | None:
    """What the controller of this state directory knew at its last pass; survives a reboot."""
    return _read(kept / FILE)


def _remembered(domain: DomainState) -> object:
    """What a restarted controller needs to know of it."""
    return (
        domain.host,
        domain.domain,
        domain.readiness,
        domain.reason,
        domain.failures,
        domain.retry_at,
        domain.plan_id,
    )


def _read(path: Path) -> ControllerState | None:
    """None also for what is damaged or of another version: it decides nothing."""
    try:
        with path.open("rb") as file:
            return read_controller(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
