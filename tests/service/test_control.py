"""Asking a controller over its socket."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import NoControllerError, VirtsnapError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.service import control_client
from reconciler.service.control import ControlSocket
from reconciler.service.control_messages import MAX_REQUEST, SOCKET, short_path
from tests.service.states import controller_state, domain_state
from tests.service.test_state_file import until

STATE = controller_state()


class Asked:
    """A controller that knows ``web01`` and ``db01``; ``gate`` lets its pass end."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], str | None]] = []
        self.given_up = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.fails: Exception | None = None

    def reconcile(self, domains: tuple[str, ...], host: str | None) -> Iterator[DomainState | None]:
        self.calls.append((domains, host))
        if self.fails is not None:
            raise self.fails
        return self._outcomes(domains or ("db01", "web01"))

    def _outcomes(self, domains: tuple[str, ...]) -> Iterator[DomainState | None]:
        try:
            while not self.gate.wait(0.01):
                yield None
            for name in domains:
                yield domain_state(name)
        except GeneratorExit:
            self.given_up.set()
            raise

    def snapshot(self) -> ControllerState:
        return STATE


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """So deep that no socket address would hold it."""
    return tmp_path / ("x" * 120) / "run"


@pytest.fixture
def served(asked: Asked, folder: Path) -> Iterator[ControlSocket]:
    control = ControlSocket(folder, asked)
    yield control
    control.close()


def connected(folder: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    with short_path(folder, SOCKET) as path:
        client.connect(path)
    return client


def replied(folder: Path, request: bytes) -> list[dict[str, object]]:
    with connected(folder) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            return [json.loads(line) for line in stream]


@pytest.mark.usefixtures("served")
def test_it_says_that_it_is_there_and_what_it_knows(folder: Path) -> None:
    assert control_client.ping(folder) == "0.1.0"
    assert control_client.status(folder) == STATE
    assert (folder / SOCKET).stat().st_mode & 0o777 == 0o660


@pytest.mark.usefixtures("served")
def test_a_pass_is_asked_for_and_its_outcome_waited_for(asked: Asked, folder: Path) -> None:
    asked.gate.clear()
    outcomes = control_client.reconcile(folder, ("web*",), "kvm01")

    assert next(outcomes) is None
    asked.gate.set()
    rest = [each for each in outcomes if each is not None]

    assert asked.calls == [(("web*",), "kvm01")]
    assert rest == [domain_state("web*"), STATE]


@pytest.mark.usefixtures("served")
def test_a_client_that_goes_away_harms_nothing(asked: Asked, folder: Path) -> None:
    asked.gate.clear()
    outcomes = control_client.reconcile(folder, (), None)
    assert next(outcomes) is None

    outcomes.close()  # type: ignore[attr-defined]  # a generator
    assert asked.given_up.wait(30)

    connected(folder).close()
    assert control_client.ping(folder) == "0.1.0"


@pytest.mark.usefixtures("served")
def test_waking_waits_for_nothing(asked: Asked, folder: Path) -> None:
    asked.gate.clear()

    assert control_client.wake(folder)
    assert asked.calls == [((), None)]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"\n", "does not understand"),
        (b"{}\n", "does not understand"),
        (b"\xff\n", "does not understand"),
        (b"[" * 100_000 + b"\n", "does not understand"),
        (b'{"protocol": 1, "verb": "stop"}\n', "does not understand"),
        (b'{"protocol": 1, "verb": "ping", "more": 1}\n', "does not understand"),
        (b'{"protocol": 2, "verb": "ping"}\n', "protocol 1: restart"),
        (b"x" * (MAX_REQUEST + 1), "too long"),
    ],
)
@pytest.mark.usefixtures("served")
def test_what_is_no_request_is_refused(folder: Path, request_: bytes, message: str) -> None:
    [reply] = replied(folder, request_)

    assert reply["event"] == "failed"
    assert message in str(reply["message"])
    assert control_client.ping(folder) == "0.1.0"


@pytest.mark.usefixtures("served")
def test_an_error_keeps_its_hint_and_its_exit_code(asked: Asked, folder: Path) -> None:
    asked.fails = NoControllerError("cannot reconcile wbe: password=s3cret", hint="wait")
    asked.fails.exit_code = 3

    with pytest.raises(VirtsnapError, match=r"cannot reconcile wbe: password=\*\*\*") as caught:
        list(control_client.reconcile(folder, ("wbe",), None))
    assert (caught.value.hint, caught.value.exit_code) == ("wait", 3)

    asked.fails = RuntimeError("a defect")
    with pytest.raises(VirtsnapError, match="internal error"):
        list(control_client.reconcile(folder, (), None))


def test_others_are_refused(asked: Asked, tmp_path: Path) -> None:
    seen: list[int] = []

    def nobody(user: int) -> bool:
        seen.append(user)
        return False

    control = ControlSocket(tmp_path, asked, is_allowed=nobody)
    with pytest.raises(VirtsnapError, match="only root may"):
        control_client.ping(tmp_path)
    control.close()
    assert seen == [os.geteuid()]


def test_who_says_nothing_is_not_waited_for(asked: Asked, tmp_path: Path) -> None:
    control = ControlSocket(tmp_path, asked, patience=0.05)
    with connected(tmp_path) as client:
        assert client.recv(1) == b""
    control.close()


@pytest.mark.usefixtures("served")
def test_so_many_at_once_and_no_more(asked: Asked, folder: Path) -> None:
    asked.gate.clear()
    waiting = [control_client.reconcile(folder, (), None) for _ in range(16)]
    for each in waiting:
        next(each)

    with pytest.raises(VirtsnapError, match="too many"):
        control_client.ping(folder)

    asked.gate.set()
    for each in waiting:
        assert list(each)[-1] == STATE
    until(lambda: _is_served(folder))


def _is_served(folder: Path) -> bool:
    try:
        return control_client.ping(folder) == "0.1.0"
    except VirtsnapError:
        return False


def test_where_none_runs_it_is_said(tmp_path: Path, asked: Asked) -> None:
    def fails(ask: Callable[[], object]) -> None:
        with pytest.raises(NoControllerError, match="none runs") as caught:
            ask()
        assert "systemctl start virtsnap" in str(caught.value.hint)

    fails(lambda: control_client.ping(tmp_path / "nowhere"))
    fails(lambda: control_client.ping(tmp_path))
    assert not control_client.wake(tmp_path)
    (tmp_path / SOCKET).touch()
    fails(lambda: control_client.status(tmp_path))


def test_what_a_crash_left_is_replaced_and_the_end_leaves_nothing(
    tmp_path: Path, asked: Asked
) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / SOCKET))
    left.close()
    (tmp_path / f"{SOCKET}.new").touch()

    control = ControlSocket(tmp_path, asked)
    assert control_client.ping(tmp_path) == "0.1.0"
    control.close()

    assert list(tmp_path.iterdir()) == []


def test_who_waits_is_told_that_the_controller_ends(tmp_path: Path, asked: Asked) -> None:
    asked.gate.clear()
    control = ControlSocket(tmp_path, asked)
    outcomes = control_client.reconcile(tmp_path, (), None)
    next(outcomes)

    control.close()

    with pytest.raises(VirtsnapError, match="is stopping"):
        list(outcomes)
