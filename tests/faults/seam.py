"""The seam: a port around any other one, fake or real, in which one call meets a fault."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar, cast

from reconciler.errors import HypervisorError, NotPermittedError, VirtsnapError
from tests.fakes.world import Crash
from tests.faults.boundaries import Boundary, Fault, methods_of

Port = TypeVar("Port")


@dataclass
class Seam:
    """Counts the calls of one pass, and lets the *number*-th (from 1) meet *fault*.

    Only calls of *only* are counted, if that is given.
    """

    number: int = 0
    fault: Fault | None = None
    #: called before each call, to see what the one before it has changed
    watch: Callable[[], None] = lambda: None
    #: calls the function, and raises the error in the middle of it
    inside: Callable[[BaseException, Callable[[], Any]], Any] = lambda _error, call: call()
    only: Boundary | None = None
    calls: list[Boundary] = field(default_factory=list)
    met: Boundary | None = None
    _is_dead: bool = False
    _is_cut_off: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def around(self, port: type[Port], real: Any) -> Port:
        """*real* behind this seam, as that port."""
        return cast(Port, _Seamed(self, port, real))

    def call(self, at: Boundary, function: Callable[[], Any]) -> Any:
        """Call *function*, or what becomes of it."""
        with self._lock:
            self._demand_alive(at)
            self.watch()
            self.calls.append(at)
            number = len(self.calls) if self.only is None else self.calls.count(self.only)
            is_it = number == self.number and self.only in (None, at) and self.met is None
        if self.fault is None or not is_it:
            return function()
        fault, self.met = self.fault, at
        if fault.is_inside:
            self._is_dead = fault.is_death
            return self.inside(Crash(f"inside {at}") if fault.is_death else _failure(at), function)
        if not fault.is_before:
            function()
        self._is_dead = fault.is_death
        self._is_cut_off = not fault.is_death and not fault.is_failure
        self._demand_alive(at)
        raise _failure(at)

    def _demand_alive(self, at: Boundary) -> None:
        if self._is_dead:
            raise Crash(f"at {at}, call {self.number}")
        if self._is_cut_off and at.port == "Hypervisor":
            raise _cut_off(at)


class _Seamed:
    """Any port; its methods are looked up by name, so that a new one is behind the seam too."""

    def __init__(self, seam: Seam, port: type, real: Any) -> None:
        self._seam = seam
        self._port = port.__name__
        self._methods = frozenset(methods_of(port))
        self._real = real

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in self._methods:
            return real
        at = Boundary(self._port, name)

        def called(*arguments: Any, **named: Any) -> Any:
            if at.port == "Locks":
                return _Entering(self._seam, at, real(*arguments, **named))
            return self._seam.call(at, lambda: real(*arguments, **named))

        return called


class _Entering:
    """A lock is taken when it is entered; whoever dies or fails after that gives it back."""

    def __init__(self, seam: Seam, at: Boundary, real: AbstractContextManager[None]) -> None:
        self._seam, self._at, self._real = seam, at, real

    def __enter__(self) -> None:
        entered: list[bool] = []

        def enter() -> None:
            self._real.__enter__()
            entered.append(True)

        try:
            self._seam.call(self._at, enter)
        except BaseException:
            if entered:
                self._real.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._real.__exit__(kind, error, traceback)


def _failure(at: Boundary) -> VirtsnapError:
    """As the real port fails."""
    if at.port != "Hypervisor":
        return NotPermittedError(f"cannot {at.method}: no space left on device (injected)")
    return HypervisorError(f"cannot {at.method}: injected", code=38)


def _cut_off(at: Boundary) -> HypervisorError:
    """``VIR_ERR_SYSTEM_ERROR`` of a socket that nobody answers at."""
    return HypervisorError(
        f"cannot {at.method}: failed to connect socket: connection refused (injected)",
        hint="systemctl start libvirtd (virtqemud on newer systems)",
        code=38,
    )
