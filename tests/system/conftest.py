"""Fixtures of the tests that run virtsnap as people do, on real guests."""

from pathlib import Path

import pytest

from tests.lab.guest import Lab
from tests.system.site import Site


@pytest.fixture
def site(lab_clean: Lab, tmp_path: Path) -> Site:
    """An empty site; its domains are removed at the end."""
    return Site(lab_clean, tmp_path)
