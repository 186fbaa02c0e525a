"""A flag that libvirt raises whenever a block job of one disk changes its state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import libvirt

from reconciler.hypervisor.connection import Connection
from reconciler.model.names import DiskTarget


class JobEvents:
    """What libvirt told about one disk's job since listening began.  Events can be lost."""

    def __init__(self, target: DiskTarget) -> None:
        self._target = target
        self._happened = threading.Event()
        self._status: int | None = None

    def wait(self, seconds: float) -> None:
        """Until something happens, at most *seconds*."""
        self._happened.wait(seconds)
        self._happened.clear()

    @property
    def has_failed(self) -> bool:
        """libvirt said that the job failed or was cancelled."""
        return self._status in (
            libvirt.VIR_DOMAIN_BLOCK_JOB_FAILED,
            libvirt.VIR_DOMAIN_BLOCK_JOB_CANCELED,
        )

    def on_job(
        self, _connection: Any, _domain: Any, disk: str, _kind: int, status: int, _opaque: Any
    ) -> None:
        """Called by libvirt's event thread, which must not be kept waiting."""
        if disk == self._target:
            self._status = status
            self._happened.set()

    def on_lifecycle(
        self, _connection: Any, _domain: Any, _event: int, _detail: int, _opaque: Any
    ) -> None:
        """The domain stopped, or was paused: worth a look."""
        self._happened.set()


@contextmanager
def listening(connection: Connection, domain: Any, target: DiskTarget) -> Iterator[JobEvents]:
    """Events of *target*, from before the job begins; without events polling must do."""
    events, raw = JobEvents(target), connection.raw
    registered: list[int] = []
    for kind, callback in (
        (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, events.on_job),
        (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, events.on_lifecycle),
    ):
        with suppress(libvirt.libvirtError):
            registered.append(raw.domainEventRegisterAny(domain, kind, callback, None))
    try:
        yield events
    finally:
        for number in registered:
            with suppress(libvirt.libvirtError):
                raw.domainEventDeregisterAny(number)
