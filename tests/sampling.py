"""What ``make test`` runs of a test that there is for each real libvirt: one, by its name.

The same one each time, so that a failure comes again; half of the tests have 9.0, half the other.
A module or test marked ``each_version`` is about what differs, and runs on all.  ``make soak`` and
pytest by itself run all of them.
"""

import os
import re
import zlib
from collections.abc import Iterable

import pytest

from tests.lab.second_libvirt import VERSION, installed_version

#: the fixtures of ``tests.lab.versions.each_libvirt``
_LABS = ("lab", "second_lab")


def is_sampled() -> bool:
    """``make test`` asks for it."""
    return bool(os.environ.get("VIRTSNAP_SAMPLE"))


def left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Those of *items* that another one of the same test stands for."""
    same: dict[str, list[pytest.Item]] = {}
    for item in items:
        if _has_lab(item) and item.get_closest_marker("each_version") is None:
            same.setdefault(_without_version(item), []).append(item)
    found: set[pytest.Item] = set()
    for name, alike in same.items():
        chosen = alike[zlib.crc32(name.encode()) % len(alike)]
        found |= set(alike) - {chosen}
    return found


def _has_lab(item: pytest.Item) -> bool:
    called = getattr(item, "callspec", None)
    values = called.params.values() if called is not None else ()
    return any(isinstance(value, str) and value in _LABS for value in values)


def _without_version(item: pytest.Item) -> str:
    """Its name, the same on each libvirt and in each worker: no value of a parameter is in it."""
    versions = "|".join(map(re.escape, (installed_version(), VERSION)))
    return re.sub(rf"(?<=[\[-])({versions})(?=[\]-])", "*", item.nodeid, count=1)
