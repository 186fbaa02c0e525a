"""Asking the controller that runs on this machine."""

import json
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.errors import NoControllerError, NotPermittedError, VirtsnapError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.report.controller_reading import controller_state, domain_state
from reconciler.service.control_messages import (
    MAX_REPLY,
    PROTOCOL,
    SOCKET,
    Ended,
    Failed,
    Finished,
    Pong,
    Reply,
    Request,
    Status,
    Waiting,
    as_line,
    read_reply,
    short_path,
)

#: seconds without a sign of life after which a controller counts as hung
_PATIENCE = 30.0


def ping(folder: Path) -> str:
    """The version of the controller; ``NoControllerError`` where there is none."""
    with _asked(folder, "ping") as replies:
        for reply in replies:
            if isinstance(reply, Pong):
                return reply.version
    raise _gone()


def status(folder: Path) -> ControllerState:
    """All that the controller knows now; ``NoControllerError`` where there is none."""
    with _asked(folder, "status") as replies:
        for reply in replies:
            if isinstance(reply, Status):
                return controller_state(reply.controller)
    raise _gone()


def reconcile(
    folder: Path, domains: tuple[str, ...], host: str | None
) -> Generator[DomainState | ControllerState | None]:
    """Ask for a pass now: yields each domain at its end, None as a sign of life, and at last the
    controller.  To give up waiting, close it; the pass goes on."""
    with _asked(folder, "reconcile", domains, host) as replies:
        for reply in replies:
            match reply:
                case Ended():
                    yield domain_state(reply.domain)
                case Waiting():
                    yield None
                case Finished():
                    yield controller_state(reply.controller)
                    return
                case _:
                    raise _not_understood()
    raise _gone()


def wake(folder: Path, domains: tuple[str, ...] = (), host: str | None = None) -> bool:
    """Have the controller look now, if one runs; False where none does.  Waits for no outcome."""
    try:
        with _asked(folder, "reconcile", domains, host) as replies:
            return next(replies, None) is not None
    except NoControllerError:
        return False


@contextmanager
def _asked(
    folder: Path, verb: str, domains: tuple[str, ...] = (), host: str | None = None
) -> Iterator[Iterator[Reply]]:
    try:
        request = Request.model_validate(
            {"protocol": PROTOCOL, "verb": verb, "domains": domains, "host": host}
        )
    except ValueError as error:
        raise VirtsnapError("cannot ask the controller: a name is not UTF-8") from error
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE)
        try:
            with short_path(folder, SOCKET) as path:
                connection.connect(path)
        except PermissionError as error:
            raise NotPermittedError(
                f"cannot ask the controller: {folder / SOCKET}: {error.strerror}",
                hint="run it with sudo",
            ) from error
        except OSError as error:
            raise _absent() from error
        yield _replies(connection, as_line(request))


def _replies(connection: socket.socket, request: bytes) -> Iterator[Reply]:
    try:
        with suppress(ConnectionError):  # refused unheard: why is there to be read
            connection.sendall(request)
        with connection.makefile("rb") as stream:
            while line := stream.readline(MAX_REPLY):
                reply = read_reply(line)
                if isinstance(reply, Failed):
                    raise _said(reply)
                yield reply
    except TimeoutError as error:
        raise NoControllerError(
            f"cannot ask the controller: no sign of life for {_PATIENCE:.0f} seconds",
            hint="systemctl status virtsnap",
        ) from error
    except OSError as error:
        raise _gone() from error
    except json.JSONDecodeError as error:  # cut off in the middle
        raise _gone() from error
    except ValueError as error:
        raise _not_understood() from error


def _said(reply: Failed) -> VirtsnapError:
    error = VirtsnapError(reply.message, hint=reply.hint)
    error.exit_code = reply.exit_code
    return error


def _absent() -> NoControllerError:
    return NoControllerError(
        "cannot ask the controller: none runs on this machine",
        hint="systemctl start virtsnap, or: virtsnap run --source …",
    )


def _gone() -> NoControllerError:
    return NoControllerError(
        "cannot ask the controller: it went away before the end",
        hint="systemctl status virtsnap",
    )


def _not_understood() -> VirtsnapError:
    return VirtsnapError(
        "cannot ask the controller: it is of another version",
        hint="systemctl restart virtsnap",
    )
