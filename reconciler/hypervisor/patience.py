"""A libvirt that gives no sign of life is given up on: nothing waits for ever.

Neither libvirt nor its Python binding can end a call that is under way: a QEMU that stands still
(storage that hangs, SIGSTOP) keeps the caller for as long as it does, and keepalive notices only a
dead daemon, once the connection is open (facts §11).  So each call has a thread of its own.  One
that is given up on stays behind, and may still take effect: as after any error, the caller
observes again before it decides.
"""

import contextvars
import functools
import threading
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from reconciler.errors import HypervisorError

#: longer than the 30 s for which libvirt itself waits for a domain that is busy
SECONDS = 60.0


T = TypeVar("T")
P = ParamSpec("P")


class NoAnswer(HypervisorError):
    """libvirt gave no sign of life for as long as it was waited for."""


class _Patient(Protocol):
    @property
    def patience(self) -> float: ...


S = TypeVar("S", bound=_Patient)


class _Pulse:
    """When the call that is waited for was last seen to get on."""

    def __init__(self) -> None:
        self._alive_until = time.monotonic()

    def beat(self, allowance: float) -> None:
        """It lives, and may say nothing for *allowance* seconds on top of what is usual."""
        self._alive_until = max(self._alive_until, time.monotonic() + allowance)

    def left(self, patience: float) -> float:
        """Seconds until it is given up on."""
        return self._alive_until + patience - time.monotonic()


_pulse: contextvars.ContextVar[_Pulse | None] = contextvars.ContextVar("pulse", default=None)


def alive(*, for_seconds: float = 0.0) -> None:
    """Said by what may take long, each time it sees that it gets on.

    *for_seconds*: what comes next is known to take up to so long in silence.
    """
    pulse = _pulse.get()
    if pulse is not None:
        pulse.beat(for_seconds)


def answered(call: Callable[[], T], what: str, *, patience: float) -> T:
    """What *call* returns or raises; ``NoAnswer`` when it is silent for *patience* seconds."""
    pulse = _Pulse()
    returned: list[T] = []
    raised: list[BaseException] = []
    is_over = threading.Event()

    def run() -> None:
        _pulse.set(pulse)
        try:
            returned.append(call())
        except BaseException as error:
            raised.append(error)
        finally:
            is_over.set()

    threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
    while not is_over.wait(max(0.0, pulse.left(patience))):
        if pulse.left(patience) <= 0:
            raise NoAnswer(
                f"cannot {what}: libvirt gave no sign of life for {patience:g} s",
                hint="systemctl status libvirtd; is the storage there? --timeout waits longer",
            )
    if raised:
        raise raised[0]
    return returned[0]


def bounded(
    method: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[S, P], T]:
    """*method*, given up on after ``self.patience`` seconds of silence."""
    what = method.__name__.replace("_", " ")

    @functools.wraps(method)
    def waited_for(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return answered(lambda: method(self, *args, **kwargs), what, patience=self.patience)

    return waited_for
