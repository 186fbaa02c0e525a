"""In sync means that libvirt's own revert removes nothing that is needed: it believes the record of the
current snapshot."""

from dataclasses import replace

from reconciler.model.drift import CurrentMisplaced
from reconciler.model.names import DiskTarget
from reconciler.model.request import PlanRequest
from reconciler.planning import diagnosis
from tests.drawing import (
    desired,
    domain,
    host,
    image,
    managed,
    overlay,
    shut_off,
    unmanaged,
    wanted,
)
from tests.engine.passes import reconciled
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import plan_of, steps

VDA = DiskTarget("vda")


def put_back_by_hand(*traits: object) -> FakeHost:
    """To s1, by making the image that the disk is on anew: base ← s2's overlay, and s1 is current.

    What s1's record says was written after it is what s2 froze.
    """
    fake = host(domain("web01", shut_off, *traits, vda="base ← s1 ← s2"))  # type: ignore[arg-type]
    person = Person(fake)
    top = fake.domain("web01").disk(VDA).source
    person.qemu_img_rebase(top, image("base"))
    person.snapshot_current("web01", "s1")
    return fake


def test_a_current_record_that_names_what_another_snapshot_froze_is_put_right() -> None:
    fake = put_back_by_hand()
    moment = fake.snapshot_view("web01", "s2", "vda")
    wish = wanted("web01", "s1", "s2")

    plan = plan_of(fake, wish)
    assert [d for d in plan.drift if isinstance(d, CurrentMisplaced)]
    assert steps(plan) == ["redefine s1 vda=vda-s2"]
    assert "CurrentMisplaced" in [f.code for f in diagnosis.diagnose(fake.observe())]
    reconciled(fake, desired(wish), PlanRequest())

    assert not plan_of(fake, wish).drift
    record = fake.observe().domains[0].record("s1")
    assert record is not None
    assert record.disks[0].overlay == overlay("web01", "vda", "s2")
    assert fake.snapshot_view("web01", "s2", "vda") == moment


def test_the_record_of_somebody_else_is_not_touched_and_it_is_said() -> None:
    fake = put_back_by_hand(unmanaged("s1", "s2"))

    plan = plan_of(fake, wanted("web01"))

    (difference,) = [d for d in plan.drift if isinstance(d, CurrentMisplaced)]
    assert not difference.is_managed
    assert not plan.steps


def test_what_a_native_revert_says_goes_before_what_was_said_at_first() -> None:
    """<revertDisks> hides <disks>: with a stale one the native call would remove that."""
    fake = host(domain("web01", shut_off, managed("s1"), vda="base ← s1"))
    seen = fake.observe()
    (web01,) = seen.domains
    (s1,) = web01.records
    (disk,) = s1.disks

    for revert_overlay, is_wrong in ((image("stale"), True), (disk.overlay, False), (None, False)):
        record = replace(s1, disks=(replace(disk, revert_overlay=revert_overlay),))
        other = replace(seen, domains=(replace(web01, records=(record,)),))
        found = [f.code for f in diagnosis.diagnose(other)]
        assert ("CurrentMisplaced" in found) is is_wrong
