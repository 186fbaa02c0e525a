"""``bench``: each contract test runs on the fake and on the real host, of each libvirt version."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.names import HostName
from tests.contract.bench import Bench, FakeBench, RealBench
from tests.fakes.host import FakeHost
from tests.fakes.world import LIBVIRT_9_0, LIBVIRT_11_3, World
from tests.lab.versions import each_libvirt

FAKES = [
    pytest.param(LIBVIRT_9_0, id="fake-9.0"),
    pytest.param(LIBVIRT_11_3, id="fake-11.3"),
]


@pytest.fixture(params=[*FAKES, *each_libvirt("real")])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """An empty host."""
    if isinstance(request.param, int):
        yield FakeBench(FakeHost(World(version=request.param)))
        return
    lab = request.getfixturevalue(request.param)
    host = LibvirtHost(HostName("local"), lab.daemon.uri, is_readonly=False)
    bench = RealBench(host=host, lab=lab, folder=tmp_path)
    try:
        yield bench
    finally:
        host.close()
        lab.cleanup()
        bench.devices.detach_all()
