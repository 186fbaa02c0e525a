"""``--prune-gone`` that dies: what is left is ended by the next pass, with nothing declared any more."""

import itertools

from reconciler.model.desired import Prune
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, shut_off
from tests.engine.passes import planned, reconciled
from tests.engine.test_crashes import MOMENTS, dying_at
from tests.fakes.host import FakeHost
from tests.fakes.world import Crash

PRUNING = PlanRequest(prune_gone=Prune.AUTO)


def drawn(*, is_off: bool) -> FakeHost:
    traits = (shut_off,) if is_off else ()
    return host(domain("web01", *traits, vda="base ← s1 ← s2", vdb="data ← s1 ← s2"))


def died(fake: FakeHost, number: int, moment: str) -> bool:
    fake.world.changes.clear()
    fake.world.fault = dying_at(number, moment)  # type: ignore[no-untyped-call]
    try:
        reconciled(fake, desired(), PRUNING)
    except Crash:
        return True
    finally:
        fake.world.fault = None
    return False


def test_wherever_it_dies_no_image_and_no_entry_is_left() -> None:
    """Also after the last entry has gone, when nothing but images names the domain as ours."""
    for is_off, moment in itertools.product((False, True), MOMENTS):
        for number in itertools.count(1):
            fake = drawn(is_off=is_off)
            if not died(fake, number, moment):
                break
            for _ in range(3):
                fake.world.clock.wait(3600)
                reconciled(fake, desired(), PRUNING)
            where = (is_off, moment, number)
            assert set(fake.world.storage.files) == {"/images/base.qcow2", "/images/data.qcow2"}, (
                where
            )
            assert not planned(fake, desired(), PRUNING).domains, where


def test_what_is_left_is_ended_also_where_nothing_is_pruned_any_more() -> None:
    """It was begun: whoever asks for nothing now finds it finished (law 6)."""
    for number in itertools.count(1):
        fake = drawn(is_off=False)
        assert died(fake, number, "before")
        ledger = fake.read_ledger(fake.domain("web01").uuid)
        if ledger is not None and not ledger.entries:
            break
    assert len(fake.world.storage.files) > 2

    fake.world.clock.wait(3600)
    reconciled(fake, desired(), PlanRequest())

    assert len(fake.world.storage.files) == 2
