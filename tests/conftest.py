"""Profiles of hypothesis, and the lab's fixtures for every test."""

import os

from hypothesis import HealthCheck, settings

from tests.lab.fixtures import lab, lab_clean

__all__ = ["lab", "lab_clean"]

# Drawing a host is a long story; its length is not the health of a test.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "seeded", derandomize=True, max_examples=60, deadline=None, suppress_health_check=_SLOW
)
settings.register_profile("soak", max_examples=3000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("soak" if os.environ.get("VIRTSNAP_SOAK") else "seeded")
