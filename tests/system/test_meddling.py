"""Random walks in which people change records between passes: nothing that is called taken is not."""

import os
from random import Random

import pytest

from tests.lab.guest import Lab
from tests.system import storage
from tests.system.desk import Desk
from tests.system.meddling import MeddledWalk
from tests.system.test_walks import small_disk

pytestmark = pytest.mark.qemu

STEPS = 16
SEEDS = range(100) if os.environ.get("VIRTSNAP_SOAK") else (4, 17)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_called_taken_is_brought_back_or_refused(
    place: tuple[Lab, Desk], seed: int
) -> None:
    lab, at = place
    guest = lab.guest_of(tuple(small_disk(at.folder, target) for target in ("vda", "vdb")), "web01")
    walk = MeddledWalk(at, guest, Random(seed))
    walk.create()
    walk.create()
    for _ in range(STEPS):
        walk.step()
    walk.end()
    assert walk.counts["claims"]
    storage.assert_clean(at.folder / "images")
