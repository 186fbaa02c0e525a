"""What ``make test`` runs of a test that there is for each real libvirt: one, by its name.

The same one each time, so that a failure comes again; half of the tests have 9.0, half the other.
A module or test marked ``each_version`` is about what differs, and runs on all.  ``make soak`` and
pytest by itself run all of them.
"""

import os
import zlib
from collections.abc import Iterable

import pytest

#: the fixtures of ``tests.lab.versions.each_libvirt``
_LABS = ("lab", "second_lab")


def is_sampled() -> bool:
    """``make test`` asks for it."""
    return bool(os.environ.get("VIRTSNAP_SAMPLE"))


def left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Those of *items* that another one of the same test stands for."""
    same: dict[str, list[pytest.Item]] = {}
    for item in items:
        on = _lab_of(item)
        if on is not None and item.get_closest_marker("each_version") is None:
            same.setdefault(_without(item, on), []).append(item)
    found: set[pytest.Item] = set()
    for name, alike in same.items():
        chosen = alike[zlib.crc32(name.encode()) % len(alike)]
        found |= set(alike) - {chosen}
    return found


def _lab_of(item: pytest.Item) -> str | None:
    called = getattr(item, "callspec", None)
    values = called.params.values() if called is not None else ()
    return next((str(value) for value in values if value in _LABS), None)


def _without(item: pytest.Item, lab: str) -> str:
    """The name of the test and its other parameters."""
    called = getattr(item, "callspec")  # noqa: B009 - only parametrized ones come here
    others = [f"{name}={value}" for name, value in called.params.items() if value != lab]
    return f"{item.nodeid.partition('[')[0]} {sorted(others)}"
