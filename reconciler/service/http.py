"""``/healthz``, ``/readyz``, ``/metrics`` and ``POST /hook``: what may be asked over HTTP."""

import ipaddress
import json
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from reconciler.model.controller import ControllerState, Trouble
from reconciler.model.secrets import without_secrets
from reconciler.report.lines import safe
from reconciler.service.hook import Hook

MAX_BODY = 1024 * 1024
#: Seconds without a byte, and for a request as a whole.
_SILENCE = 5.0
_LIMIT = 15.0
#: Requests at a time.
_THREADS = 8
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
#: What is there, and how it is asked for.
_PATHS = {
    "/healthz": ("GET", "HEAD"),
    "/readyz": ("GET", "HEAD"),
    "/metrics": ("GET", "HEAD"),
    "/hook": ("POST",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What is answered from.  *hook* is None without a secret."""

    snapshot: Callable[[], ControllerState]
    is_alive: Callable[[], bool]
    registry: CollectorRegistry
    hook: Hook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back."""

    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT
    allow: tuple[str, ...] = ()


def text(status: HTTPStatus, line: str, *, allow: tuple[str, ...] = ()) -> Reply:
    """One line."""
    return Reply(status=status, body=f"{line}\n".encode(), allow=allow)


def reply(pages: Pages, method: str, path: str, headers: Any, body: bytes) -> Reply:
    """The answer to one request."""
    path = path.partition("?")[0]
    methods = _PATHS.get(path)
    if methods is None:
        return text(HTTPStatus.NOT_FOUND, f"there is: {', '.join(_PATHS)}")
    if method not in methods:
        return text(HTTPStatus.METHOD_NOT_ALLOWED, f"only {', '.join(methods)}", allow=methods)
    if path == "/healthz":
        if pages.is_alive():
            return text(HTTPStatus.OK, "alive")
        return text(HTTPStatus.SERVICE_UNAVAILABLE, "the loop does not go on")
    if path == "/readyz":
        wants_json = _JSON in (headers.get("Accept") or "")
        return _readiness(pages.snapshot(), wants_json=wants_json)
    if path == "/metrics":
        encode, content_type = choose_encoder(headers.get("Accept") or "")
        return Reply(status=HTTPStatus.OK, body=encode(pages.registry), content_type=content_type)
    if pages.hook is None:
        return text(HTTPStatus.NOT_FOUND, "there is no hook: no --hook-secret-file was given")
    answer = pages.hook.answer(headers, body)
    return text(answer.status, answer.text)


def why_not_ready(state: ControllerState) -> Iterator[str]:
    """One line for each reason; none: ready."""
    source = state.source
    if source.trouble:
        yield f"source: {_trouble(source.trouble)}"
    elif source.fetched is None:
        yield "source: not read yet"
    for host in state.hosts:
        if host.trouble:
            yield f"host {host.name}: {_trouble(host.trouble)}"
        elif host.observed is None:
            yield f"host {host.name}: not observed yet"
    if state.is_stopping:
        yield "stopping"


def _trouble(trouble: Trouble) -> str:
    return f"{trouble.where}: {trouble.message}" if trouble.where else trouble.message


def _readiness(state: ControllerState, *, wants_json: bool) -> Reply:
    reasons = [safe(without_secrets(reason)) for reason in why_not_ready(state)]
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    if wants_json:
        found = json.dumps({"isReady": not reasons, "reasons": reasons}, ensure_ascii=False)
        return Reply(status=status, body=f"{found}\n".encode(), content_type=_JSON)
    return text(status, "\n".join(reasons) or "ready")


class Server(ThreadingHTTPServer):
    """Bound on the first argument's address; so many requests at a time, each with its limit."""

    daemon_threads = True
    # the end of the controller waits for nobody who asks
    block_on_close = False
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], pages: Pages) -> None:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        self.pages = pages
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(found[0][4], Handler)  # type: ignore[arg-type]  # IPv6 has two more
        self.is_loopback = ipaddress.ip_address(str(self.server_address[0])).is_loopback

    def server_bind(self) -> None:
        """Without asking any name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, if there is one to be had."""
        with self._lock:
            is_full = len(self._open) >= _THREADS
            if not is_full:
                self._open[request] = time.monotonic()
        if is_full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Also when it failed."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Twice a second: whoever sends a byte now and then has had their time."""
        now = time.monotonic()
        with self._lock:
            for request in [r for r, begun in self._open.items() if now - begun > _LIMIT]:
                _hang_up(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error."""
        error = sys.exception()
        if not isinstance(error, OSError):
            structlog.get_logger("virtsnap").warning("http", error=repr(error))


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One request, one connection."""

    server: Server
    timeout = _SILENCE
    error_message_format = "%(message)s\n"
    error_content_type = _TEXT

    def do_GET(self) -> None:  # http.server's name
        """Answer."""
        self._answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_GET  # noqa: N815  # its names

    def version_string(self) -> str:
        """No version of anything."""
        return "virtsnap"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Only for whoever looks for it."""
        structlog.get_logger("virtsnap").debug("http", request=safe(format % args))

    def _answer(self) -> None:
        try:
            found = self._reply()
        except OSError:
            raise
        # told to our log, never to whoever asks
        except Exception as error:
            structlog.get_logger("virtsnap").warning("http", path=self.path, error=repr(error))
            found = text(HTTPStatus.INTERNAL_SERVER_ERROR, "this cannot be answered now")
        self._send(found)

    def _reply(self) -> Reply:
        if self.server.is_loopback and not is_address(self.headers.get("Host")):
            return text(
                HTTPStatus.MISDIRECTED_REQUEST, "ask by address: the Host must be one, or localhost"
            )
        if self.command != "POST":
            return reply(self.server.pages, self.command, self.path, self.headers, b"")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return text(HTTPStatus.LENGTH_REQUIRED, "say the length")
        if len(length) > 9 or int(length) > MAX_BODY:
            return text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        return reply(self.server.pages, self.command, self.path, self.headers, body)

    def _send(self, found: Reply) -> None:
        self.send_response(found.status)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(found.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if found.allow:
            self.send_header("Allow", ", ".join(found.allow))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found.body)


def is_address(host: str | None) -> bool:
    """Whether a ``Host`` header names an address or this machine: no page of the web can have that.

    A name that somebody else's DNS points here would let their page read what we say.
    """
    if host is None:
        return True
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
