"""A real server on a port of its own, asked over real sockets."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from prometheus_client.openmetrics.parser import text_string_to_metric_families as from_openmetrics
from structlog.testing import capture_logs

from reconciler.errors import UsageError
from reconciler.model.controller import ControllerState
from reconciler.service.hook import Hook
from reconciler.service.http import MAX_BODY, Pages, is_address, why_not_ready
from reconciler.service.listening import Address, Listening, address
from reconciler.service.metrics import Metrics, with_process
from tests.service.controllers import TROUBLE, state, web
from tests.service.states import states
from tests.service.test_hook import MAIN, SECRET, github

LOOPBACK = Address(host="127.0.0.1", port=0)


@dataclass
class Desk:
    """A server, and what it answers from."""

    hook_secret: Path
    seen: ControllerState = field(default_factory=lambda: state(web()))
    is_alive: bool = True
    causes: list[str] = field(default_factory=list)
    port: int = 0

    def pages(self, *, has_hook: bool = True) -> Pages:
        hook = Hook(self.hook_secret, self.causes.append, branch="main") if has_hook else None
        return Pages(
            snapshot=self.snapshot,
            is_alive=lambda: self.is_alive,
            registry=with_process(Metrics(self.snapshot)),
            hook=hook,
        )

    def snapshot(self) -> ControllerState:
        if self.seen.version == "broken":
            raise RuntimeError("hush")
        return self.seen

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Asked again while those of the test before still take all places."""
        while True:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as client:
                try:
                    client.request(method, path, body=body, headers=headers)
                    reply = client.getresponse()
                except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                    continue
                return reply.status, dict(reply.headers), reply.read().decode()

    def say(self, sent: bytes) -> bytes:
        """Bytes as they are, and all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(sent)
            received = b""
            while part := client.recv(65536):
                received += part
        return received


@contextmanager
def listening(where: Address, pages: Pages) -> Iterator[Listening]:
    found = Listening(where, pages, retry=0.01)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One for all: an end takes half a second."""
    secret = tmp_path_factory.mktemp("hook") / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    found = Desk(secret)
    with listening(LOOPBACK, found.pages()) as up:
        found.port = up.port
        yield found


@pytest.fixture
def desk(server: Desk) -> Desk:
    server.seen, server.is_alive = state(web()), True
    server.causes.clear()
    return server


def test_it_says_whether_the_loop_goes_on(desk: Desk) -> None:
    assert desk.ask("GET", "/healthz")[::2] == (200, "alive\n")
    desk.is_alive = False

    assert desk.ask("GET", "/healthz")[::2] == (503, "the loop does not go on\n")


def test_it_says_whether_it_is_ready_and_if_not_why(desk: Desk) -> None:
    assert desk.ask("GET", "/readyz")[::2] == (200, "ready\n")
    desk.seen = replace(desk.seen, source=replace(desk.seen.source, trouble=TROUBLE))

    status, _, text = desk.ask("GET", "/readyz")
    assert status == 503
    assert text == "source: web.yaml:3:1: cannot read qemu://me:***@host/x: no\\nroute\n"
    status, headers, text = desk.ask("GET", "/readyz", Accept="application/json")
    assert (status, headers["Content-Type"]) == (503, "application/json")
    assert json.loads(text) == {
        "isReady": False,
        "reasons": ["source: web.yaml:3:1: cannot read qemu://me:***@host/x: no\\nroute"],
    }


@given(found=states)
def test_it_is_ready_when_the_controller_is(found: ControllerState) -> None:
    assert (not list(why_not_ready(found))) is (found.is_ready and not found.is_stopping)


def test_metrics_come_in_the_format_that_is_asked_for(desk: Desk) -> None:
    status, headers, text = desk.ask("GET", "/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert 'virtsnap_domain_readiness{domain="web01",host="kvm01",readiness="Ready"} 1.0' in text
    assert "process_resident_memory_bytes" in text

    wanted = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    _, headers, text = desk.ask("GET", "/metrics", Accept=wanted)
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(from_openmetrics(text))


def test_a_signed_push_is_accepted(desk: Desk) -> None:
    assert desk.ask("POST", "/hook", body=MAIN, **github(MAIN))[0] == 202
    assert desk.causes == ["hook"]


def test_an_unsigned_push_is_not(desk: Desk) -> None:
    assert desk.ask("POST", "/hook", body=MAIN)[0] == 403
    assert desk.causes == []


def test_without_a_secret_there_is_no_hook(desk: Desk) -> None:
    with listening(LOOPBACK, desk.pages(has_hook=False)) as up:
        other = replace(desk, port=up.port)

        assert other.ask("POST", "/hook", body=MAIN, **github(MAIN))[0] == 404
    assert desk.causes == []


@pytest.mark.parametrize("path", ["/", "/metricsx", "/../etc/passwd", "/healthz/", "/hook/"])
def test_what_is_not_there_is_not_found(desk: Desk, path: str) -> None:
    assert desk.ask("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/hook", "POST"),
        ("HEAD", "/hook", "POST"),
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ],
)
def test_what_may_not_be_done_says_what_may(
    desk: Desk, method: str, path: str, allowed: str
) -> None:
    status, headers, _ = desk.ask(method, path, **{"Content-Length": "0"})

    assert (status, headers["Allow"]) == (405, allowed)


def test_a_head_has_no_body_and_its_length(desk: Desk) -> None:
    status, headers, text = desk.ask("HEAD", "/healthz")

    assert (status, headers["Content-Length"], text) == (200, "6", "")


def test_no_version_is_told(desk: Desk) -> None:
    for path in ("/healthz", "/nothing"):
        assert desk.ask("GET", path)[1]["Server"] == "virtsnap"
    assert b"Python" not in desk.say(b"NONSENSE\r\n\r\n")


def test_a_body_has_a_limit_and_a_length(desk: Desk) -> None:
    length = {"Content-Length": str(MAX_BODY + 1)}
    assert desk.ask("POST", "/hook", **length)[0] == 413
    assert desk.ask("POST", "/hook", **{"Content-Length": "9" * 5000})[0] == 413
    assert desk.ask("POST", "/hook", **{"Content-Length": "-1"})[0] == 411
    assert b" 411 " in desk.say(b"POST /hook HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_an_error_of_ours_is_logged_and_not_told(desk: Desk) -> None:
    desk.seen = replace(desk.seen, version="broken")

    with capture_logs() as logs:
        status, _, text = desk.ask("GET", "/readyz")
    assert (status, text) == (500, "this cannot be answered now\n")
    assert [log["error"] for log in logs if log["log_level"] == "warning"] == [
        "RuntimeError('hush')"
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
    ids=["nothing", "half", "a version", "TLS", "a long line", "many headers"],
)
def test_nonsense_is_answered_or_dropped_and_harms_nobody(desk: Desk, sent: bytes) -> None:
    try:
        received = desk.say(sent)
    except ConnectionError:
        received = b""

    assert b" 200 " not in received
    assert desk.ask("GET", "/healthz")[0] == 200


def test_those_who_say_nothing_do_not_keep_others_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.service.http._LIMIT", 0.0)
    silent = [socket.create_connection(("127.0.0.1", desk.port), timeout=20) for _ in range(8)]
    for client in silent:
        with client:
            assert client.recv(1) == b""
    monkeypatch.undo()

    assert desk.ask("GET", "/healthz")[0] == 200


def test_more_than_can_be_answered_are_turned_away(desk: Desk) -> None:
    silent = [socket.create_connection(("127.0.0.1", desk.port), timeout=20) for _ in range(8)]
    try:
        with socket.create_connection(("127.0.0.1", desk.port), timeout=20) as one_more:
            assert one_more.recv(1) == b""
    finally:
        for client in silent:
            client.close()


def test_a_page_of_the_web_cannot_ask_by_a_name_of_its_own(desk: Desk) -> None:
    assert desk.ask("GET", "/metrics", Host="evil.example:10777")[0] == 421
    assert desk.ask("GET", "/metrics", Host="localhost:10777")[0] == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (None, True),
        ("127.0.0.1:10777", True),
        ("[::1]:10777", True),
        ("LOCALHOST", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_which_names_are_addresses(host: str | None, *, expected: bool) -> None:
    assert is_address(host) is expected


def test_it_listens_on_ipv6(desk: Desk) -> None:
    with (
        listening(Address(host="::1", port=0), desk.pages()) as up,
        closing(http.client.HTTPConnection("::1", up.port, timeout=20)) as client,
    ):
        client.request("GET", "/healthz")
        assert client.getresponse().status == 200


def test_a_port_that_is_taken_is_told_once_and_got_when_it_is_free(desk: Desk) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    where = Address(host="127.0.0.1", port=taken.getsockname()[1])
    with capture_logs() as logs, listening(where, desk.pages()) as up:
        assert not up.is_up.is_set()
        taken.close()
        assert up.is_up.wait(60)
        assert replace(desk, port=where.port).ask("GET", "/healthz")[0] == 200
    [told] = [log for log in logs if log["log_level"] == "warning"]
    assert told["error"] == f"cannot listen on {where}: Address already in use"


def test_it_ends_while_the_port_is_taken(desk: Desk) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        listening(Address(host="127.0.0.1", port=taken.getsockname()[1]), desk.pages()) as up,
    ):
        assert up.port == 0


def test_it_ends_though_somebody_is_still_asking(desk: Desk) -> None:
    with listening(LOOPBACK, desk.pages()) as up:
        client = socket.create_connection(("127.0.0.1", up.port), timeout=20)
        client.sendall(b"GET /healthz")
        assert up.is_up.wait(60)
    with client:
        assert not up.is_up.is_set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", None),
        ("127.0.0.1:10777", Address(host="127.0.0.1", port=10777)),
        ("[::1]:0", Address(host="::1", port=0)),
        ("kvm01:80", Address(host="kvm01", port=80)),
    ],
)
def test_addresses_that_can_be_meant(text: str, expected: Address | None) -> None:
    assert address(text) == expected
    assert expected is None or str(expected) == text


@pytest.mark.parametrize(
    "text", ["", "10777", ":10777", "::1:80", "kvm01", "kvm01:", "a:65536", "a:٣"]
)
def test_addresses_that_cannot(text: str) -> None:
    with pytest.raises(UsageError, match="cannot listen on"):
        address(text)
