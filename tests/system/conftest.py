"""Fixtures of the tests that run virtsnap as people do, on real guests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guest import Lab
from tests.lab.versions import each_libvirt
from tests.system.desk import Desk, desk
from tests.system.site import Site


@pytest.fixture
def site(lab_clean: Lab, tmp_path: Path) -> Site:
    """An empty site; its domains are removed at the end."""
    return Site(lab_clean, tmp_path)


@pytest.fixture(params=each_libvirt())
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """An empty site on each libvirt."""
    lab: Lab = request.getfixturevalue(request.param)
    yield Site(lab, tmp_path)
    lab.cleanup()


@pytest.fixture(params=each_libvirt())
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Lab, Desk]]:
    """A desk on each libvirt."""
    lab: Lab = request.getfixturevalue(request.param)
    with desk(lab, tmp_path) as found:
        yield lab, found
