"""The libvirt versions that this machine's tests run on."""

import pytest

from tests.lab.second_libvirt import VERSION, installed_version, why_not


def each_libvirt(kind: str = "", *, since: tuple[int, int] = (0, 0)) -> list[object]:
    """A fixture's name for each version, as parameters with the version in their ids."""
    versions = {"lab": installed_version()}
    if why_not() is None:
        versions["second_lab"] = VERSION
    return [
        pytest.param(fixture, id=f"{kind}-{version}" if kind else version, marks=pytest.mark.qemu)
        for fixture, version in versions.items()
        if _number(version) >= since
    ]


def _number(version: str) -> tuple[int, ...]:
    """``9.0`` → (9, 0); an unknown one passes for the newest: its tests then say what is missing."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else (99,)


def told() -> str:
    """One line for the head of a test report."""
    reason = why_not()
    also = f" and {VERSION}" if reason is None else f" alone: {reason}"
    return f"libvirt: the installed {installed_version()}{also}"
