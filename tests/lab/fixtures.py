"""The lab as pytest fixtures: ``from tests.lab.fixtures import lab, second_lab, ...`` in a conftest."""

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.lab.loop import LoopDevices
from tests.lab.second_libvirt import VERSION, second_libvirt, why_not

_REMEDY = (
    "apt-get install libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 "
    "qemu-utils ovmf swtpm swtpm-tools e2fsprogs zstd && apt-get update"
)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One daemon a test run. Where it cannot run, that is a failure with its remedy, no skip."""
    try:
        started = Lab.started()
    except Exception as error:
        pytest.fail(f"cannot start the test lab: {error}\nfix: {_REMEDY}", pytrace=False)
    with started:
        yield started


@pytest.fixture(scope="session")
def second_lab() -> Iterator[Lab]:
    """The same with the second libvirt.  Skipped only where there is none to be had by design."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    try:
        started = Lab.started(usr=second_libvirt())
    except Exception as error:
        pytest.fail(f"cannot start the second test lab: {error}", pytrace=False)
    with started:
        number = started.connection.getLibVersion()
        found = f"{number // 1_000_000}.{number // 1000 % 1000}"
        if found != VERSION:
            pytest.fail(f"the second libvirt is {found}, not {VERSION}", pytrace=False)
        yield started


@pytest.fixture
def lab_clean(lab: Lab) -> Iterator[Lab]:
    """The lab, and no domain left on it after the test."""
    yield lab
    lab.cleanup()


@pytest.fixture
def loop_devices() -> Iterator[LoopDevices]:
    """Block devices for one test.  Ask for them before a lab: they go when its guests have gone."""
    with LoopDevices() as devices:
        yield devices
