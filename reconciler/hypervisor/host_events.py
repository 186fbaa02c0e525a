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
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Listen, if nobody does; without events the interval must do."""
        with self._lock, suppress(HypervisorError, libvirt.libvirtError):
            raw = self._connection.raw
            if raw is self._raw:
                return
            for kind in _KINDS:
                with suppress(libvirt.libvirtError):
                    raw.domainEventRegisterAny(None, kind, self._on_event, None)
            with suppress(libvirt.libvirtError):
                raw.registerCloseCallback(self._on_close, None)
            self._raw = raw

    def close(self) -> None:
        """Listen no more."""
        with self._lock:
            self._raw = None
            self._connection.close()

    def _on_event(self, *_facts: Any) -> None:
        """Called by libvirt's event thread, which must not be kept waiting."""
        self._heard()

    def _on_close(self, *_facts: Any) -> None:
        """The daemon has gone: whoever looks next connects again."""
        self._heard()
