"""``bench``: each contract test runs on the fake and on the real host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.names import HostName
from tests.contract.bench import Bench, FakeBench, RealBench


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.qemu)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """An empty host."""
    if request.param == "fake":
        yield FakeBench()
        return
    lab = request.getfixturevalue("lab")
    host = LibvirtHost(HostName("local"), lab.daemon.uri, is_readonly=False)
    try:
        yield RealBench(host=host, lab=lab, folder=tmp_path)
    finally:
        host.close()
        lab.cleanup()
