"""Shutting a guest down, watching whether it obeys, and starting it again."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from shlex import quote
from typing import Any

import libvirt

from reconciler.errors import HypervisorError, Interrupted, StepRefused
from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.explaining import explained, explaining
from reconciler.hypervisor.patience import alive
from reconciler.hypervisor.xml import parse
from reconciler.model.domain import AgentState
from reconciler.model.names import DomainUuid
from reconciler.model.power import Stopped

#: Events can be lost: the state is asked for at least so often.
_POLL_SECONDS = 0.5


def shut_down(
    connection: Connection,
    uuid: DomainUuid,
    *,
    timeout: float,
    then_destroy: bool,
    stop_asked: Callable[[], bool],
) -> Stopped:
    """Ask the guest and wait; what became of it is looked at, not believed."""
    domain = connection.domain(uuid)
    what = f"shut down {domain.name()}"
    with explaining(what):
        if not domain.isPersistent():
            raise StepRefused(f"cannot {what}: it is transient, and would vanish")
        state, _ = domain.state()
    if state == libvirt.VIR_DOMAIN_PAUSED:
        stopped = Stopped.NOT_YET  # its vCPUs stand still: it would hear of it when it is resumed
    else:
        stopped = _asked(connection, domain, what, timeout=timeout, stop_asked=stop_asked)
    if stopped is Stopped.NOT_YET and then_destroy:
        _destroy(domain, what)
        stopped = Stopped.BY_FORCE
    if stopped is not Stopped.NOT_YET:
        with explaining(what):
            if domain.hasManagedSaveImage():
                raise StepRefused(
                    f"cannot {what}: somebody saved its memory instead",
                    hint=f"virsh start {quote(domain.name())}",
                )
    return stopped


def start(domain: Any, *, is_paused: bool) -> None:
    """Start it, unless it is on already."""
    what = f"start {domain.name()}"
    with explaining(what):
        if domain.isActive():
            return
        # create() would go on from it; and discarding it is not ours to do (facts §9).
        if domain.hasManagedSaveImage():
            raise StepRefused(
                f"cannot {what}: it has a managed save image",
                hint=f"virsh start {quote(domain.name())}",
            )
        try:
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if is_paused else 0)
        except libvirt.libvirtError:
            if not domain.isActive():  # else somebody was faster
                raise


def _asked(
    connection: Connection,
    domain: Any,
    what: str,
    *,
    timeout: float,
    stop_asked: Callable[[], bool],
) -> Stopped:
    deadline = time.monotonic() + timeout
    with _listening(connection, domain) as happened:
        request = _Request(connection, domain, happened)
        try:
            while True:
                failure = request.failure
                stopped = _stopped(domain, what)
                left = deadline - time.monotonic()
                if stopped is not Stopped.NOT_YET or left <= 0:
                    return stopped
                if stop_asked():
                    raise Interrupted(f"interrupted while waiting for {domain.name()} to shut down")
                if failure is not None:
                    raise explained(failure, what)
                alive()
                happened.wait(min(left, _POLL_SECONDS))
                happened.clear()
        finally:
            request.end()


def _stopped(domain: Any, what: str) -> Stopped:
    with explaining(what):
        if domain.isActive():
            return Stopped.NOT_YET
        state, reason = domain.state()
    by_guest = (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN)
    return Stopped.BY_GUEST if (state, reason) == by_guest else Stopped.BY_FORCE


class _Request:
    """The asking, in a thread: through the agent libvirt waits for the guest, up to a minute."""

    def __init__(self, connection: Connection, domain: Any, happened: threading.Event) -> None:
        #: why nobody could be asked
        self.failure: libvirt.libvirtError | None = None
        self._happened = happened
        self._ended = threading.Lock()
        self._is_over = False
        self._domain = connection.domain(domain.UUIDString())
        threading.Thread(target=self._ask, name="shut-down", daemon=True).start()

    def end(self) -> None:
        """Nobody waits any more: a button pressed now could meet the guest after its next start."""
        with self._ended:
            self._is_over = True

    def _ask(self) -> None:
        try:
            if self._has_agent():
                with suppress(libvirt.libvirtError):
                    # An agent that hangs costs libvirt's own five seconds; then the button is pressed.
                    self._domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
                    return
            with self._ended:
                if not self._is_over:
                    self._domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        except libvirt.libvirtError as error:
            # It may be off by now; the one who waits looks before believing this.
            self.failure = error
            self._happened.set()

    def _has_agent(self) -> bool:
        definition = domain_xml.definition(parse(self._domain.XMLDesc(0)))
        return definition.agent is AgentState.CONNECTED


@contextmanager
def _listening(connection: Connection, domain: Any) -> Iterator[threading.Event]:
    """Set whenever the domain stops, or does anything else; without events polling must do."""
    happened, raw = threading.Event(), connection.raw
    number: int | None = None

    def on_lifecycle(_connection: Any, _domain: Any, _event: int, _detail: int, _: Any) -> None:
        happened.set()

    with suppress(libvirt.libvirtError):
        kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        number = raw.domainEventRegisterAny(domain, kind, on_lifecycle, None)
    try:
        yield happened
    finally:
        if number is not None:
            with suppress(libvirt.libvirtError):
                raw.domainEventDeregisterAny(number)


def _destroy(domain: Any, what: str) -> None:
    """SIGTERM first, so that QEMU can flush; a QEMU that does not hear it is killed."""
    with explaining(what):
        try:
            domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
        except libvirt.libvirtError:
            if domain.isActive():
                domain.destroyFlags(0)
        if domain.isActive():
            raise HypervisorError(
                f"cannot {what}: it was destroyed and is on",
                hint=f"virsh domstate {quote(domain.name())}",
            )
