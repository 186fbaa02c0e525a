"""What a libvirt tells by itself: a domain started, stopped, came or went, a block job ended.

Events can be lost (facts §11): they make a look come sooner, and nothing depends on them.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import libvirt

from reconciler.errors import HypervisorError
from reconciler.hypervisor.connection import Connection

_KINDS = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
)


class HostEvents:
    """Listens on a connection of its own; ``ensure`` begins again after that one has died."""

    def __init__(self, connection: Connection, heard: Callable[[], None]) -> None:
        self._connection = connection
        self._heard = heard
        self._raw: Any = None
        self._callbacks: list[int] = []
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Listen, if nobody does; without events the interval must do."""
        with self._lock, suppress(HypervisorError, libvirt.libvirtError):
            if self._raw is not None and self._raw.isAlive():
                return
            self._let_go()
            raw = self._raw = self._connection.raw
            for kind in _KINDS:
                with suppress(libvirt.libvirtError):
                    self._callbacks.append(
                        raw.domainEventRegisterAny(None, kind, self._on_event, None)
                    )
            with suppress(libvirt.libvirtError):
                raw.registerCloseCallback(self._on_close, None)

    def close(self) -> None:
        """Listen no more."""
        with self._lock:
            self._let_go()
            self._connection.close()

    def _let_go(self) -> None:
        """Each callback keeps its connection, and what that has open, also when it is dead."""
        raw, self._raw = self._raw, None
        callbacks, self._callbacks = self._callbacks, []
        if raw is None:
            return
        for callback in callbacks:
            with suppress(libvirt.libvirtError):
                raw.domainEventDeregisterAny(callback)
        with suppress(libvirt.libvirtError):
            raw.unregisterCloseCallback()

    def _on_event(self, *_facts: Any) -> None:
        """Called by libvirt's event thread, which must not be kept waiting."""
        self._heard()

    def _on_close(self, *_facts: Any) -> None:
        """The daemon has gone: whoever looks next connects again."""
        self._heard()
