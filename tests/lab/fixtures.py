"""The lab as pytest fixtures: ``from tests.lab.fixtures import lab, lab_clean`` in a conftest."""

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab

_REMEDY = (
    "apt-get install libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 "
    "qemu-utils e2fsprogs zstd && apt-get update"
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


@pytest.fixture
def lab_clean(lab: Lab) -> Iterator[Lab]:
    """The lab, and no domain left on it after the test."""
    yield lab
    lab.cleanup()
