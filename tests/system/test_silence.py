"""A QEMU or a libvirtd that stands still: nothing waits for ever, and the others go on."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def qemu_of(site: Site, guest: Guest) -> int:
    """Where libvirt wrote it down."""
    found = site.lab.daemon.directory.rglob(f"{guest.name}.pid")
    return int(next(found).read_text())


def test_a_qemu_that_stands_still_keeps_nobody_from_the_other_domains(any_site: Site) -> None:
    site = any_site
    hangs, works = site.lab.guest("hangs"), site.lab.guest("works")
    site.declare(hangs, "s1")
    site.declare(works, "s1")
    with stopped(qemu_of(site, hangs)):
        said = site.virtsnap("apply", "--auto-approve", "--timeout", "6s")
        assert said.code == 5, said.out + said.err
        assert "hangs is busy with a call that its QEMU does not answer" in said.out
        assert by_hand.names(works) == ["s1"]
        assert by_hand.names(hangs) == []
        assert "DomainBusy" in site.virtsnap("status", "--timeout", "6s").out
    site.apply()
    assert by_hand.names(hangs) == ["s1"]
    assert site.is_in_sync()


def test_a_libvirtd_that_stands_still_ends_in_one_line(site: Site) -> None:
    site.declare(site.lab.guest("web01", running=False), "s1")
    with stopped(site.lab.daemon.pid):
        for verb in (("plan",), ("run", "--once")):
            said = site.virtsnap(*verb, "--timeout", "2s")
            assert said.code == 1, (verb, said.out, said.err)
            assert "gave no sign of life for 2 s" in said.err
            assert "Traceback" not in said.err
    site.apply()
    assert site.is_in_sync()
