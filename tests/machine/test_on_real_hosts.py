"""A story drawn on the fake is told to a real host: both plan, do and end alike.

A difference is a defect of the fake, or one of virtsnap that the fake hides.
"""

import difflib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.contract.bench import RealBench
from tests.lab.guest import Lab
from tests.machine.stage import fake_stage, real_stage
from tests.machine.story import Author, Event, Telling
from tests.system.desk import Desk

pytestmark = pytest.mark.qemu

STORIES, LENGTH = (range(40), 20) if os.environ.get("VIRTSNAP_SOAK") else (range(3), 16)


@pytest.mark.parametrize("number", STORIES)
def test_a_story_ends_on_a_real_host_as_on_the_fake(
    place: tuple[Lab, Desk], tmp_path: Path, number: int
) -> None:
    lab, desk = place
    version = lab.connection.getLibVersion()
    events = drawn(version, tmp_path, number)
    fake = Telling(fake_stage(version, tmp_path))
    real = Telling(real_stage(desk, RealBench(desk.host, lab, tmp_path)))
    happened: list[Event] = []
    for event in events:
        happened.append(event)
        one, other = fake.happen(event), real.happen(event)
        if one != other:
            pytest.fail(_told(happened, one, other), pytrace=False)
    one, other = fake.contents(), real.contents()
    if one != other:
        pytest.fail(_told(happened, one, other), pytrace=False)


def _told(happened: list[Event], fake: list[object], real: list[object]) -> str:
    both = difflib.unified_diff([*map(str, fake)], [*map(str, real)], "fake", "real", n=0)
    return "\n".join([*map(str, happened), *both])


def drawn(version: int, folder: Path, number: int) -> list[Event]:
    """The story of that number."""
    found: list[list[Event]] = []

    @seed(number)
    @settings(
        max_examples=4,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        backend="plain",
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def write(data: st.DataObject) -> None:
        hands = fake_stage(version, folder)
        author = Author(data.draw, Telling(hands), hands)
        author.write(LENGTH)
        found.append(author.events)

    write()
    return found[-1]
