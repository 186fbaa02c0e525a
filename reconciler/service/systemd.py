"""What systemd is told: ready, working, reloading, stopping, alive (sd_notify(3), ``Type=notify``).

A datagram of lines to the socket that ``NOTIFY_SOCKET`` names; without it, nothing.  There are packages
for this on PyPI: one has not been kept for years, the others need systemd's C library.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

#: How long systemd is asked to wait for the next word while we end a step, and how often it gets one.
PATIENCE_SECONDS = 30.0
_WORD_SECONDS = PATIENCE_SECONDS / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """The service manager, if there is one; telling it never fails."""

    address: str | None = None
    #: seconds within which it must hear that we are alive
    watchdog: float | None = None

    @classmethod
    def of(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """The one that started us.  Its variables are taken out: they are not for our children."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        is_for_us = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(microseconds) / 1e6 if microseconds.isdecimal() and is_for_us else 0
        return cls(
            # other kinds (vsock of a virtual machine's manager) are not for services
            address=address if address.startswith(("/", "@")) else None,
            watchdog=seconds or None,
        )

    def ready(self, status: str = "") -> None:
        """The first pass can begin; after ``reloading``: what was read anew is in force."""
        self._tell("READY=1", *_status(status))

    def status(self, status: str) -> None:
        """One line for ``systemctl status``."""
        self._tell(*_status(status))

    def reloading(self) -> None:
        """SIGHUP is being answered; ``ready`` must follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str = "") -> None:
        """No new step is begun."""
        self._tell("STOPPING=1", *_status(status))

    def more_time(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Do not end us before so long from now, whatever the unit says."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def watched(self, is_alive: Callable[[], bool]) -> "Repeating":
        """While it is open, the watchdog is fed at half its time if *is_alive* says so."""
        return Repeating(self.alive, is_alive, self.watchdog / 2 if self.watchdog else None)

    def finishing(self, is_finishing: Callable[[], bool]) -> "Repeating":
        """While it is open, more time is asked for as long as *is_finishing* says so."""
        return Repeating(self.more_time, is_finishing, _WORD_SECONDS if self.address else None)

    def _tell(self, *lines: str) -> None:
        if self.address is None or not lines:
            return
        # of the abstract namespace, where a zero byte stands for the @
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door,
        ):
            # a manager that does not read must not hold us
            door.settimeout(1)
            door.sendto("\n".join(lines).encode(errors="replace"), name)


class Repeating:
    """Says something at once and every *seconds*, from a thread of its own, while a condition holds."""

    def __init__(
        self, say: Callable[[], None], holds: Callable[[], bool], seconds: float | None
    ) -> None:
        self._say = say
        self._holds = holds
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="systemd", daemon=True)

    def __enter__(self) -> Self:
        if self._seconds is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _repeat(self) -> None:
        while not self._ended.is_set():
            # who cannot say that it is alive is not
            with suppress(Exception):
                if self._holds():
                    self._say()
            self._ended.wait(self._seconds)


def _status(text: str) -> tuple[str, ...]:
    """One line, or none; a newline in it would be a variable of its own."""
    return (f"STATUS={' '.join(text.split())}",) if text else ()
