"""Keeps the HTTP server up.  A port that is taken is no reason to leave the guests alone."""

import threading
from dataclasses import dataclass

import structlog

from reconciler.errors import UsageError
from reconciler.service.http import Pages, Server

#: Seconds until the next try to get the address.
_RETRY = 10.0
_EXAMPLE = "--listen 127.0.0.1:10777"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen; port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address | None:
    """``HOST:PORT``, ``[IPV6]:PORT``, or ``none``; else ``UsageError``."""
    if text == "none":
        return None
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UsageError(
            f"cannot listen on {text}: an IPv6 address is written in brackets", hint=_EXAMPLE
        )
    if not colon or not host:
        raise UsageError(f"cannot listen on {text}: it must be HOST:PORT, or none", hint=_EXAMPLE)
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise UsageError(
            f"cannot listen on {text}: the port must be a number up to 65535", hint=_EXAMPLE
        )
    return Address(host=host, port=int(port))


class Listening:
    """Serves *pages* on *where* from a thread of its own, as soon as that address can be had."""

    def __init__(self, where: Address, pages: Pages, *, retry: float = _RETRY) -> None:
        self._where = where
        self._pages = pages
        self._retry = retry
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._trouble: str | None = None
        self._server: Server | None = None
        #: set while requests are answered
        self.is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that was got; 0: none."""
        with self._lock:
            return self._server.server_port if self._server else 0

    def start(self) -> None:
        """Try to get the address, and go on trying."""
        self._bind()
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more; requests that are under way are not waited for."""
        with self._lock:
            self._stop.set()
            server = self._server
        if server is not None:
            server.shutdown()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            server = self._bind()
            if server is None:
                self._stop.wait(self._retry)
                continue
            with server:
                self.is_up.set()
                server.serve_forever()
            self.is_up.clear()

    def _bind(self) -> Server | None:
        """The server, made at the first call that can; None when there is to be none."""
        with self._lock:
            if self._server is None and not self._stop.is_set():
                try:
                    self._server = Server((self._where.host, self._where.port), self._pages)
                except OSError as error:
                    self._tell(error.strerror or str(error))
                else:
                    got = Address(host=self._where.host, port=self._server.server_port)
                    structlog.get_logger("virtsnap").info("http", listening=str(got))
            return self._server

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            structlog.get_logger("virtsnap").warning(
                "http", error=f"cannot listen on {self._where}: {trouble}", retry=self._retry
            )
        self._trouble = trouble
