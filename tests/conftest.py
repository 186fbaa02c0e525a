"""Profiles of hypothesis, and the lab's fixtures for every test."""

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

from tests import sampling
from tests.lab.fixtures import lab, lab_clean, loop_devices, second_lab
from tests.lab.lab import SHARED
from tests.lab.versions import told

__all__ = ["lab", "lab_clean", "loop_devices", "second_lab"]

# Drawing a host is a long story; its length is not the health of a test.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "seeded", derandomize=True, max_examples=60, deadline=None, suppress_health_check=_SLOW
)
settings.register_profile("soak", max_examples=3000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("soak" if os.environ.get("VIRTSNAP_SOAK") else "seeded")


def pytest_report_header() -> str:
    """Which libvirt versions the tests run on."""
    return told()


def pytest_configure(config: pytest.Config) -> None:
    """Two workers boot each kind of guest once, not twice."""
    if not hasattr(config, "workerinput"):
        shared = tempfile.TemporaryDirectory(prefix="lvgolden-")
        os.environ[SHARED] = shared.name
        config.add_cleanup(shared.cleanup)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what ``sampling`` leaves out."""
    if sampling.is_sampled():
        out = sampling.left_out(items)
        config.hook.pytest_deselected(items=sorted(out, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The same at the end of a quiet run, which prints no header."""
    if terminalreporter.verbosity < 0:
        terminalreporter.write_line(told())
    # Wherever a test ran: what it has to tell comes with its report.
    for report in terminalreporter.stats.get("passed", ()):
        for name, text in report.user_properties:
            if name == "told":
                terminalreporter.write_line(str(text))
