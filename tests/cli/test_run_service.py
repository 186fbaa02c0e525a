"""``run`` as a service: what systemd hears of it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SOON = 20.0


def heard(door: socket.socket) -> list[str]:
    return door.recv(4096).decode().splitlines()


@pytest.mark.parametrize("name", ["notify", "@virtsnap-test-%d"])
def test_it_is_ready_alive_and_stopping(tmp_path: Path, name: str) -> None:
    (tmp_path / "manifests").mkdir()
    address = name % os.getpid() if "%" in name else str(tmp_path / name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        door.settimeout(SOON)
        running = subprocess.Popen(
            [sys.executable, "-m", "reconciler.cli", "run", "--listen", "none"],
            cwd=tmp_path,
            env={
                **os.environ,
                "NOTIFY_SOCKET": address,
                "WATCHDOG_USEC": "200000",
                "VIRTSNAP_STATE_DIR": str(tmp_path / "state"),
                "VIRTSNAP_RUNTIME_DIR": str(tmp_path / "run"),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            words = heard(door)
            while "READY=1" not in words:
                words = heard(door)
            assert any(word.startswith("STATUS=follows ") for word in words)
            while "WATCHDOG=1" not in heard(door):
                pass
        finally:
            running.send_signal(signal.SIGTERM)
            _, log = running.communicate(timeout=SOON)
        said = [word for _ in range(200) for word in _rest(door)]

    assert running.returncode == 0, log
    assert "STOPPING=1" in said


def _rest(door: socket.socket) -> list[str]:
    door.settimeout(0.01)
    try:
        return heard(door)
    except TimeoutError:
        return []


def test_a_limit_that_is_none_is_bad_usage(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler.cli", "run", "--stop-timeout", "never"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 64
    assert "cannot use --stop-timeout never" in done.stderr
