"""The connection to one libvirt: opened late, opened again when it died."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import libvirt

from reconciler.hypervisor.event_loop import ensure_event_loop
from reconciler.hypervisor.explaining import explaining, opening_failed
from reconciler.hypervisor.patience import SECONDS, alive, answered
from reconciler.hypervisor.uri import is_local
from reconciler.model.names import DomainUuid
from reconciler.model.secrets import without_secrets

#: A dead daemon is noticed after 5 s × 3 without an answer.
_KEEPALIVE_SECONDS, _KEEPALIVE_TIMES = 5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """As libvirt counts: major * 1000000 + minor * 1000 + release."""

    binding: int
    #: the daemon's library, not the client's
    libvirt: int
    #: 0 where libvirt does not know
    qemu: int
    #: ``QEMU``, ``Test`` …
    hypervisor: str


class Connection:
    """One libvirt connection; every call goes to a living one or says why there is none."""

    def __init__(self, uri: str, *, is_readonly: bool, patience: float = SECONDS) -> None:
        self.uri = uri
        self.is_readonly = is_readonly
        #: seconds in which libvirt must let us in
        self.patience = patience
        self._lock = threading.Lock()
        self._raw: Any = None

    @property
    def raw(self) -> Any:
        """libvirt's own object, alive as far as can be told without asking."""
        with self._lock:
            if self._raw is None or not self._raw.isAlive():
                self._drop()
                self._raw = self._opened()
            return self._raw

    @property
    def is_alive(self) -> bool:
        """It is open, and nothing has been heard of its end."""
        with self._lock:
            return self._raw is not None and bool(self._raw.isAlive())

    @property
    def is_local(self) -> bool:
        """The image files are on this machine."""
        return is_local(self.uri)

    def domain(self, uuid: DomainUuid) -> Any:
        """libvirt's domain object, looked up afresh: names are reused, UUIDs are not."""
        with explaining(f"find domain {uuid}"):
            return self.raw.lookupByUUIDString(uuid)

    def versions(self) -> Versions:
        """Who is at work here."""
        raw = self.raw
        with explaining("ask libvirt for its version"):
            daemon, kind = raw.getLibVersion(), raw.getType()
        qemu = 0
        with suppress(libvirt.libvirtError):
            qemu = raw.getVersion()
        return Versions(binding=libvirt.getVersion(), libvirt=daemon, qemu=qemu, hypervisor=kind)

    def another(self) -> "Connection":
        """A second connection to the same libvirt, for one long operation (facts §11)."""
        return Connection(self.uri, is_readonly=self.is_readonly, patience=self.patience)

    def abandon(self) -> None:
        """A call on it does not come back: the next use opens another."""
        with self._lock:
            self._raw = None

    def close(self) -> None:
        """End it; the next use opens it again."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _drop(self) -> None:
        if self._raw is not None:
            with suppress(libvirt.libvirtError):
                self._raw.close()
            self._raw = None

    def _opened(self) -> Any:
        ensure_event_loop()
        open_ = libvirt.openReadOnly if self.is_readonly else libvirt.open
        where = without_secrets(self.uri) or "libvirt"
        alive(for_seconds=self.patience)
        try:
            # Keepalive begins with the connection: a daemon that stands still lets nobody in or out.
            raw = answered(lambda: open_(self.uri), f"connect to {where}", patience=self.patience)
        except libvirt.libvirtError as error:
            raise opening_failed(error, self.uri) from error
        # Not every driver has it (embed, test).
        with suppress(libvirt.libvirtError):
            raw.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_TIMES)
        return raw


def connect(uri: str, *, is_readonly: bool, patience: float = SECONDS) -> Connection:
    """A connection that is open now; ``HypervisorError`` says why not, and what to do."""
    connection = Connection(uri, is_readonly=is_readonly, patience=patience)
    _ = connection.raw
    return connection
