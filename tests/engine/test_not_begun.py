"""A removal that could not begin: the snapshot is as whole as before, and nothing says otherwise."""

import pytest

from reconciler.errors import HypervisorError
from reconciler.model.desired import Desired, Prune
from reconciler.model.ledger import EntryState
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from tests.drawing import Trait, desired, domain, host, image, overlay, running, shut_off, wanted
from tests.engine.passes import planned, reconciled
from tests.fakes.host import FakeHost
from tests.fakes.world import LIBVIRT_9_0, LIBVIRT_11_3, Crash, crash_at, fail_at

S1 = SnapshotName("s1")
ALL = PlanRequest()
NAMES = ("s1", "s2", "s3")
TOOK = desired(wanted("web01", *NAMES))

EACH = pytest.mark.parametrize(
    ("version", "power"),
    [(version, power) for version in (LIBVIRT_9_0, LIBVIRT_11_3) for power in (running, shut_off)],
)
#: which snapshots go, and an image that has to be written to for it
REMOVALS = pytest.mark.parametrize(
    ("goes", "base"),
    [
        (("s1",), image("base")),
        (("s2",), overlay("web01", "vda", "s1")),
        (("s3",), overlay("web01", "vda", "s2")),
        (("s1", "s2"), image("base")),
        (NAMES, image("base")),
    ],
)


def drawn(version: int, power: Trait, **more: str) -> FakeHost:
    return host(domain("web01", power, vda="base ← s1 ← s2 ← s3", **more), version=version)


def without(*names: str) -> Desired:
    return desired(wanted("web01", *(n for n in NAMES if n not in names), prune=Prune.AUTO))


def end(fake: FakeHost, wish: Desired) -> DomainOutcome:
    return reconciled(fake, wish, ALL).outcomes[0]


def states(fake: FakeHost) -> dict[str, EntryState]:
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    return {entry.name: entry.state for entry in ledger.entries}


@EACH
@REMOVALS
def test_what_another_process_reads_is_refused_before_anything_is_written(
    version: int, power: Trait, goes: tuple[str, ...], base: str
) -> None:
    fake = drawn(version, power)
    before = fake.copied()
    fake.world.read_elsewhere = {image(base)}

    outcome = end(fake, without(*goes))

    assert outcome.status is DomainStatus.REFUSED
    (why,) = outcome.refusals
    assert (why.code, why.fact("image")) == (RefusalCode.DOMAIN_BUSY, base)
    assert fake.world.storage == before.world.storage
    assert set(states(fake).values()) == {EntryState.TAKEN}
    assert not planned(fake, TOOK, ALL).domains[0].steps


@EACH
@REMOVALS
def test_a_commit_that_could_not_begin_leaves_its_snapshots_taken(
    version: int, power: Trait, goes: tuple[str, ...], base: str
) -> None:
    fake = drawn(version, power)
    before = fake.copied()

    def arrive(_number: int, method: str, moment: str) -> None:
        if method.startswith("commit") and moment == "before":
            fake.world.read_elsewhere = {image(base)}  # after we looked

    fake.world.fault = arrive
    outcome = end(fake, without(*goes))
    fake.world.fault = None
    fake.world.read_elsewhere = set()

    assert outcome.status is DomainStatus.FAILED
    assert outcome.error is not None
    assert "'write' lock" in outcome.error.message
    assert fake.world.storage == before.world.storage
    assert set(states(fake).values()) == {EntryState.TAKEN}
    assert not planned(fake, TOOK, ALL).domains[0].steps
    # and when it is wanted still, it is done
    assert end(fake, without(*goes)).status is DomainStatus.APPLIED


@EACH
def test_no_disk_is_merged_when_somebody_reads_another_of_the_same_snapshot(
    version: int, power: Trait
) -> None:
    fake = drawn(version, power, vdb="data ← s1")
    before = fake.copied()
    fake.world.read_elsewhere = {image("data")}

    outcome = end(fake, without("s1"))

    assert outcome.refusals[0].fact("image") == image("data")
    assert fake.world.storage == before.world.storage
    assert set(states(fake).values()) == {EntryState.TAKEN}


@EACH
def test_once_one_disk_is_merged_the_snapshot_goes_on_being_deleted(
    version: int, power: Trait
) -> None:
    fake = drawn(version, power, vdb="data ← s1")
    seen: list[str] = []

    def arrive(number: int, method: str, moment: str) -> None:
        if method.startswith("commit") and moment == "before":
            seen.append(method)
            if len(seen) == 2:
                fake.world.read_elsewhere = {image("base"), image("data")}

    fake.world.fault = arrive
    outcome = end(fake, without("s1"))
    fake.world.fault = None

    assert outcome.status is DomainStatus.FAILED
    assert states(fake)["s1"] is EntryState.DELETING
    fake.world.read_elsewhere = set()
    assert end(fake, TOOK).status is DomainStatus.APPLIED


@EACH
@pytest.mark.parametrize("moment", ["before", "during"])
def test_a_death_between_intent_and_commit_leaves_it_deleting(
    version: int, power: Trait, moment: str
) -> None:
    fake = drawn(version, power)
    counted = fake.copied()
    end(counted, without("s1"))
    number = next(n for n, c in enumerate(counted.world.changes, 1) if c.startswith("commit"))
    fake.world.fault = crash_at(number, moment)

    with pytest.raises(Crash):
        end(fake, without("s1"))

    fake.world.fault = None
    assert states(fake)["s1"] is EntryState.DELETING


@EACH
def test_a_commit_that_has_begun_and_fails_leaves_it_deleting(version: int, power: Trait) -> None:
    fake = drawn(version, power)
    counted = fake.copied()
    end(counted, without("s1"))
    number = next(n for n, c in enumerate(counted.world.changes, 1) if c.startswith("commit"))

    fake.world.fault = fail_at(number, "during", HypervisorError("cannot go on", code=1))
    assert end(fake, without("s1")).status is DomainStatus.FAILED
    fake.world.fault = None

    assert states(fake)["s1"] is EntryState.DELETING
