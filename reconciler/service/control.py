"""The socket of a running controller: for root and for who runs it, on this machine."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import structlog

from reconciler.errors import NotPermittedError, VirtsnapError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.model.secrets import without_secrets
from reconciler.report.controller_document import controller_document, domain_state_document
from reconciler.report.document import Document
from reconciler.service.control_messages import (
    MAX_REQUEST,
    PROTOCOL,
    SOCKET,
    Ended,
    Failed,
    Finished,
    Pong,
    Request,
    Status,
    Waiting,
    as_line,
    read_request,
    short_path,
)

#: seconds that a client has to say what it wants, and to take a reply
_PATIENCE = 10.0
#: clients at once; one more is told to come again
_MOST_CLIENTS = 16


class Commands(Protocol):
    """What a controller does for a client; called from several threads at once."""

    def reconcile(self, domains: tuple[str, ...], host: str | None) -> Iterator[DomainState | None]:
        """Ask for a pass over *domains* (names, UUIDs or globs; none: all) of *host* (None: all).

        The source is fetched first, back-off is not waited for, consent stays the loop's.

        Yields the state of each once a pass over it that began after the call has ended, and
        None at least every second meanwhile, so that a client that went away is noticed: then
        the iterator is closed, and the pass goes on.  ``VirtsnapError`` for a domain that the
        controller does not know (with a name that is near), and where it cannot be done.
        """

    def snapshot(self) -> ControllerState:
        """The controller now."""


class ControlSocket:
    """Serves *commands* on ``control.sock`` in *folder*; for who holds ``sole_controller``.

    A socket file that is there is one that a crash left behind, and is replaced.
    """

    def __init__(
        self,
        folder: Path,
        commands: Commands,
        *,
        patience: float = _PATIENCE,
        is_allowed: Callable[[int], bool] | None = None,
    ) -> None:
        self._folder = folder
        self._commands = commands
        self._patience = patience
        self._is_allowed = is_allowed or _is_root_or_self
        self._stopping = threading.Event()
        self._free = threading.BoundedSemaphore(_MOST_CLIENTS)
        self._socket = self._bound()
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No new clients; those that wait are told that the controller ends."""
        self._stopping.set()
        with suppress(OSError):
            (self._folder / SOCKET).unlink()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # accept(2) returns
        self._thread.join(self._patience)
        self._socket.close()

    def _bound(self) -> socket.socket:
        new = f"{SOCKET}.new"
        with ExitStack() as stack:
            made = stack.enter_context(closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)))
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
                with suppress(FileNotFoundError):
                    (self._folder / new).unlink()
                with short_path(self._folder, new) as path:
                    made.bind(path)
                # nobody finds it under its name before it has its mode
                (self._folder / new).chmod(0o660)
                made.listen(_MOST_CLIENTS)
                (self._folder / new).replace(self._folder / SOCKET)
            except PermissionError as error:
                raise NotPermittedError(
                    f"cannot listen on {self._folder / SOCKET}: {error.strerror}",
                    hint="run it with sudo",
                ) from error
            except OSError as error:
                raise VirtsnapError(
                    f"cannot listen on {self._folder / SOCKET}: {error.strerror or error}"
                ) from error
            stack.pop_all()
        return made

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                if self._stopping.wait(0.1):  # out of descriptors: come again
                    return
                continue
            threading.Thread(
                target=self._serve, args=(client,), name="control-client", daemon=True
            ).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):  # a client that has gone harms nothing
            client.settimeout(self._patience)
            if not self._is_allowed(_user_of(client)):
                _send(
                    client, _failed("cannot ask the controller: only root may", "sudo virtsnap …")
                )
                return
            if not self._free.acquire(blocking=False):
                _send(client, _failed("cannot ask the controller: too many ask at once", "wait"))
                return
            try:
                self._answer(client)
            finally:
                self._free.release()

    def _answer(self, client: socket.socket) -> None:
        try:
            request = _request(client)
        except ValueError as error:
            _send(client, _failed(f"cannot answer the request: {error}", "virtsnap --version"))
            return
        try:
            with closing(self._replies(request)) as replies:
                for reply in replies:
                    _send(client, reply)
        except OSError:
            raise
        except VirtsnapError as error:
            _send(client, _of_error(error))
        except Exception as error:
            with suppress(OSError, ValueError):  # nobody reads the log any more
                structlog.get_logger("virtsnap").error("request failed", error=repr(error))
            _send(client, _failed(f"cannot answer the request: internal error: {error!r}", None))

    def _replies(self, request: Request) -> Generator[Document]:
        match request.verb:
            case "ping":
                yield Pong(version=self._commands.snapshot().version)
            case "status":
                yield Status(controller=controller_document(self._commands.snapshot()))
            case "reconcile":
                yield from self._reconciled(request)

    def _reconciled(self, request: Request) -> Iterator[Document]:
        with _closed(self._commands.reconcile(request.domains, request.host)) as states:
            for state in states:
                if state is not None:
                    yield Ended(domain=domain_state_document(state))
                elif self._stopping.is_set():
                    raise VirtsnapError(
                        "cannot wait for the outcome: the controller is stopping",
                        hint="systemctl status virtsnap",
                    )
                else:
                    yield Waiting()
        yield Finished(controller=controller_document(self._commands.snapshot()))


def _is_root_or_self(user: int) -> bool:
    return user in (0, os.geteuid())


def _user_of(client: socket.socket) -> int:
    """Who connected, as the kernel says."""
    size = struct.calcsize("3i")
    found = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack("3i", found)
    return int(user)


def _request(client: socket.socket) -> Request:
    """One line; ``ValueError`` says what is wrong with it."""
    with client.makefile("rb") as stream:
        line = stream.readline(MAX_REQUEST + 1)
    if len(line) > MAX_REQUEST:
        raise ValueError("it is too long")
    if not line.endswith(b"\n"):
        raise ConnectionError("the client went away")
    try:
        request = read_request(line)
    except ValueError:
        raise ValueError("the controller does not understand it") from None
    if request.protocol != PROTOCOL:
        raise ValueError(f"the controller speaks protocol {PROTOCOL}: restart it")
    return request


def _send(client: socket.socket, message: Document) -> None:
    client.sendall(as_line(message))


def _failed(message: str, hint: str | None) -> Failed:
    return Failed(message=without_secrets(message), hint=hint, exit_code=1)


def _of_error(error: VirtsnapError) -> Failed:
    return Failed(
        message=without_secrets(error.message),
        hint=error.hint and without_secrets(error.hint),
        exit_code=error.exit_code,
    )


@contextmanager
def _closed(
    states: Iterator[DomainState | None],
) -> Iterator[Iterator[DomainState | None]]:
    """*states*, of which the rest is given up at the end."""
    try:
        yield states
    finally:
        close = getattr(states, "close", None)
        if close is not None:
            close()
