"""Listening to a libvirt that dies again and again."""

from pathlib import Path

import pytest

from reconciler.errors import HypervisorError
from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.names import HostName
from tests.lab.daemon import Daemon

pytestmark = pytest.mark.qemu


def test_a_libvirtd_that_was_restarted_leaves_nothing_open() -> None:
    with Daemon() as daemon:
        host = LibvirtHost(HostName("local"), daemon.uri, is_readonly=False)
        host.listen(lambda: None)
        host.observe()
        opened = []
        for _ in range(4):
            daemon.kill()
            with pytest.raises(HypervisorError):
                host.observe()
            daemon.restart()
            host.observe()
            opened.append(len(list(Path("/proc/self/fd").iterdir())))
        host.close()

    # a callback that stayed would keep a descriptor of each connection that died
    assert opened[-1] <= opened[0] + 1, opened
