"""A running controller on a real libvirt, asked from another terminal."""

import signal
import socket
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu
PATIENCE = 60.0


def until(holds: Callable[[], bool], what: str) -> None:
    """Watch the state; give up long after it must have come."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def test_it_answers_in_status_reconcile_suspend_metrics_and_nagios(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1")
    port = free_port()
    assert "hint: " in site.virtsnap("reconcile").err
    running = site.start("run", "--interval", "1h", "--listen", f"127.0.0.1:{port}")
    try:
        until(lambda: by_hand.names(guest) == ["s1"], "the snapshot of the first pass")
        assert site.virtsnap("run").code == 3, "a second controller begins nothing"

        said = site.virtsnap("reconcile", "web01")
        assert (said.code, said.err) == (0, ""), said.out + said.err
        assert "web01 on local" in said.out
        near = site.virtsnap("reconcile", "web1")
        assert near.code == 1
        assert "web01" in near.err

        assert site.virtsnap("suspend", "web01").code == 0
        site.declare(guest, "s1", "s2")
        held = site.virtsnap("reconcile")
        assert held.code == 5, held.out + held.err
        assert by_hand.names(guest) == ["s1"]
        # a pass that began before the manifest changed may still say what it found
        until(lambda: "Stalled" in site.virtsnap("status").out, "what is held is told")
        assert "suspended by hand" in site.virtsnap("status").out
        nagios = site.virtsnap("status", "--nagios")
        assert nagios.code == 1, nagios.out
        assert nagios.out.startswith("VIRTSNAP WARNING: suspended by hand: web01"), nagios.out

        assert site.virtsnap("resume", "web01").code == 0
        until(lambda: by_hand.names(guest) == ["s1", "s2"], "what was held back")
        until(lambda: site.virtsnap("status", "--nagios").code == 0, "all is well again")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        assert 'virtsnap_domain_readiness{domain="web01"' in metrics or "web01" in metrics
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.status == 200
        running.send_signal(signal.SIGHUP)
    finally:
        running.send_signal(signal.SIGTERM)
        _, log = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, log
    assert "Traceback" not in log
    assert "web01" in site.virtsnap("status").out
