"""The libvirt versions that this machine's tests run on."""

import pytest

from tests.lab.second_libvirt import VERSION, installed_version, why_not


def each_libvirt(kind: str = "") -> list[object]:
    """A fixture's name for each version, as parameters with the version in their ids."""
    prefix = f"{kind}-" if kind else ""
    found = [_parameter("lab", f"{prefix}{installed_version()}")]
    if why_not() is None:
        found.append(_parameter("second_lab", f"{prefix}{VERSION}"))
    return found


def _parameter(fixture: str, name: str) -> object:
    return pytest.param(fixture, id=name, marks=pytest.mark.qemu)


def told() -> str:
    """One line for the head of a test report."""
    reason = why_not()
    also = f" and {VERSION}" if reason is None else f" alone: {reason}"
    return f"libvirt: the installed {installed_version()}{also}"
