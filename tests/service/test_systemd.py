"""What the service manager hears, on a real datagram socket of both kinds."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.service.systemd import Systemd


class Manager:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.door.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.door.settimeout(10)

    def hears(self) -> list[str]:
        """The lines of the next word, which must come."""
        return self.door.recv(4096).decode().split("\n")

    def hears_nothing(self) -> bool:
        """No word is waiting."""
        self.door.settimeout(0)
        try:
            self.door.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.door.settimeout(10)
        return False


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "s") if request.param == "path" else f"@virtsnap-{uuid.uuid4()}")
    with made.door:
        yield made


def test_it_hears_each_word(manager: Manager) -> None:
    systemd = Systemd(address=manager.address)

    systemd.ready("2 domains\nREADY=0")
    assert manager.hears() == ["READY=1", "STATUS=2 domains READY=0"]
    systemd.status("merging s1 ← s2")
    assert manager.hears() == ["STATUS=merging s1 ← s2"]
    systemd.stopping()
    assert manager.hears() == ["STOPPING=1"]
    systemd.more_time(90)
    assert manager.hears() == ["EXTEND_TIMEOUT_USEC=90000000"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    systemd.reloading()
    word, moment = manager.hears()
    assert word == "RELOADING=1"
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_the_environment_names_it_and_children_do_not_inherit_it(manager: Manager) -> None:
    environment = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "LANG": "C",
    }

    assert Systemd.of(environment) == Systemd(address=manager.address, watchdog=3.0)
    assert environment == {"LANG": "C"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
    ],
)
def test_without_one_nothing_happens(environment: dict[str, str]) -> None:
    systemd = Systemd.of(environment)

    assert systemd == Systemd()
    systemd.ready("nobody hears it")
    with systemd.watched(lambda: pytest.fail("nobody asks")):
        systemd.stopping()


def test_one_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    Systemd(address=str(tmp_path / "gone")).ready()


def test_the_watchdog_is_fed_while_the_loop_is_alive_and_no_longer(manager: Manager) -> None:
    is_alive = True
    asked = threading.Semaphore(0)

    def loop() -> bool:
        asked.release()
        if not is_alive:
            raise RuntimeError("not even able to say so")
        return True

    with Systemd(address=manager.address, watchdog=0.02).watched(loop):
        assert [manager.hears() for _ in range(3)] == [["WATCHDOG=1"]] * 3
        is_alive = False
        # the one that was asked for before may still come
        while not manager.hears_nothing():
            pass
        while asked.acquire(blocking=False):
            pass
        for _ in range(3):
            assert asked.acquire(timeout=10)
        while not manager.hears_nothing():
            pass
        for _ in range(3):
            assert asked.acquire(timeout=10)
        assert manager.hears_nothing()


def test_more_time_is_asked_for_while_a_step_is_being_ended(manager: Manager) -> None:
    systemd = Systemd(address=manager.address)

    with systemd.finishing(lambda: True):
        assert manager.hears() == ["EXTEND_TIMEOUT_USEC=30000000"]
    with systemd.finishing(lambda: False):
        pass
    assert manager.hears_nothing()
