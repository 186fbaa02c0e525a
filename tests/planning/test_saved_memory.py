"""A memory image that does not load: seen before the guest is stopped, or made good after."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.action import RemovalCause, RemoveImage
from reconciler.model.chain import SavedMemory
from reconciler.model.desired import (
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    RevertConfig,
    RevertPower,
    Shutdown,
)
from reconciler.model.ledger import RequestState
from reconciler.model.names import DiskTarget, DomainName, DomainUuid, SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.request import PlanRequest
from reconciler.planning import safety
from reconciler.planning.index import index_of
from reconciler.planning.world import world_of
from tests.drawing import desired, domain, host, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import FakeFile
from tests.fakes.world import Crash
from tests.planning.reading import codes, plan_of, steps

S1 = SnapshotName("s1")


def with_s1(*traits: object, disks: int = 1, power: PowerState = PowerState.RUNNING) -> FakeHost:
    """s1 has the memory of web01, which has gone on since; now it is as *power* says."""
    images = {"vda": "base", "vdb": "data"} if disks == 2 else {"vda": "base"}
    fake = host(domain("web01", *traits, **images))  # type: ignore[arg-type]
    Controller(fake).take("web01", "s1", memory=True)
    fake.guest_goes_on("web01")
    if power is PowerState.SHUT_OFF:
        Administrator(fake).shut_off("web01")
    fake.domain("web01").is_paused = power is PowerState.PAUSED
    return fake


def memory(fake: FakeHost, name: str = "s1") -> FakeFile:
    path = fake.domain("web01").record(SnapshotName(name)).memory_file
    assert path is not None
    return fake.world.storage.file(path)


def wish(**rest: object) -> DesiredDomain:
    of_domain = wanted(
        "web01",
        DesiredSnapshot(name=S1, memory=True),
        revert=DesiredRevert(to=S1, request="r1", **rest),  # type: ignore[arg-type]
    )
    return replace(of_domain, shutdown=Shutdown(then_destroy=True))


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (SavedMemory(fault="it is cut off"), "it is cut off"),
        (SavedMemory(name=DomainName("old"), uuid=DomainUuid("?")), "of another domain"),
        (None, None),
    ],
)
def test_a_memory_that_is_seen_not_to_load_stops_nobody(
    saved: SavedMemory | None, words: str | None
) -> None:
    fake = with_s1()
    memory(fake).saved = saved
    before, boots = fake.views(), fake.domain("web01").boots

    result = reconciled(fake, desired(wish()), PlanRequest())

    (refused,) = result.domain.refusals
    if words is None:
        assert refused.code == "NeedsLocalAccess"
    else:
        assert words in refused.fact("cause")
        assert "`power: off`" in refused.fact("way")
    assert not result.domain.steps
    assert fake.domain("web01").boots == boots
    assert fake.views() == before
    off = replace(wish(), revert=DesiredRevert(to=S1, request="r1", power=RevertPower.OFF))
    assert not codes(plan_of(fake, off))


def test_a_domain_that_was_renamed_is_told_before_it_is_stopped() -> None:
    fake = with_s1()
    mine = memory(fake).saved
    assert mine is not None
    memory(fake).saved = replace(mine, name=DomainName("web00"))

    (refused,) = plan_of(fake, wish()).refusals

    assert "web00" in refused.fact("cause")
    assert "domrename" in refused.fact("way")
    assert not plan_of(fake, wish()).steps


def test_a_disk_that_has_gone_since_is_told_before_the_guest_is_stopped() -> None:
    fake = with_s1()
    Administrator(fake).attach_disk("web01", "sda", "/images/tools.iso", cdrom=True)
    Controller(fake).take("web01", "s2", memory=True)
    Administrator(fake).detach_disk("web01", DiskTarget("sda"))
    gone = wanted(
        "web01",
        DesiredSnapshot(name=S1, memory=True),
        DesiredSnapshot(name=SnapshotName("s2"), memory=True),
        revert=DesiredRevert(to=SnapshotName("s2"), request="r1"),
    )

    (refused,) = plan_of(fake, gone).refusals
    assert "the disk sda" in refused.fact("cause")
    whole = replace(
        gone,
        revert=DesiredRevert(to=SnapshotName("s2"), request="r1", config=RevertConfig.WHOLE),
    )
    assert not codes(plan_of(fake, whole))


@pytest.mark.parametrize("discards", [False, True])
@pytest.mark.parametrize("power", [PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUT_OFF])
@pytest.mark.parametrize("config", list(RevertConfig))
@pytest.mark.parametrize("dies", [False, True])
def test_one_that_does_not_load_leaves_the_domain_as_it_was(
    *, discards: bool, power: PowerState, config: RevertConfig, dies: bool
) -> None:
    fake = with_s1(disks=2, power=power)
    memory(fake).does_not_load = True
    web01 = fake.domain("web01")
    now = {target: fake.guest_view("web01", target) for target in ("vda", "vdb")}
    is_off = power is PowerState.SHUT_OFF
    wished = desired(
        wish(discards=discards, config=config, power=RevertPower.RUNNING),
    )
    if dies:
        # the way back is left to the next pass
        fake.world.fault = dying_on_the_way_back()
        with pytest.raises(Crash):
            reconciled(fake, wished, PlanRequest())
        fake.world.fault = None
        assert not web01.is_active
        plan = plan_of(fake, wished.domains[0])
        assert steps(plan)[0].startswith("revert ")
        assert codes(plan) == ["RevertNotPossible s1"]
        assert not reconciled(fake, wished, PlanRequest()).outcomes[0].error
    else:
        (outcome,) = reconciled(fake, wished, PlanRequest()).outcomes
        assert "does not load" in str(outcome.error)

    assert web01.power is power
    assert {target: fake.guest_view("web01", target) for target in now} == now
    ledger = web01.ledger
    assert ledger is not None
    request = ledger.request("r1")
    assert request is not None
    assert (request.state, request.back, ledger.owed) == (RequestState.FAILED, None, None)
    if not discards and not is_off:
        kept = memory(fake, "before-revert-r1")
        assert web01.went_on_from == [kept.path]

    again = reconciled(fake, wished, PlanRequest())

    assert codes(again.domain) == ["RevertNotPossible s1"]
    assert not any("revert" in step or "start" in step for step in steps(again.domain))
    assert {target: fake.guest_view("web01", target) for target in now} == now
    third = reconciled(fake, wished, PlanRequest())
    assert not third.domain.steps
    assert all(file.saved or file.path in fake_needed(fake) for file in images(fake))


@pytest.mark.parametrize("discards", [False, True])
def test_while_the_guest_cannot_go_on_its_way_back_stays(*, discards: bool) -> None:
    fake = with_s1(disks=2)
    wished = desired(wish(discards=discards))

    def dying(_number: int, method: str, moment: str) -> None:
        if (method, moment) == ("define_reverted", "after"):
            raise Crash

    fake.world.fault = dying
    with pytest.raises(Crash):
        reconciled(fake, wished, PlanRequest())
    fake.world.fault = None
    ledger = fake.domain("web01").ledger
    assert ledger is not None
    assert len(ledger.left_behind) == 2
    world = world_of(index_of(fake.observe()), fake.observe().domains[0], ())
    for path in ledger.left_behind:
        removal = RemoveImage(
            disk=DiskTarget("vda"), path=path, cause=RemovalCause.ABANDONED, snapshots=(S1,)
        )
        assert safety.why_not_remove(world, removal) is not None
    Administrator(fake).attach_disk("web01", "sda", "/images/tools.iso", cdrom=True)
    Person(fake).remove_file("/images/tools.iso")

    plan = plan_of(fake, wished.domains[0])

    assert "StorageAbsent" in codes(plan)
    assert not any(step.startswith("remove") for step in steps(plan))
    for _ in range(2):
        reconciled(fake, wished, PlanRequest())
    assert all(path in fake.world.storage.files for path in ledger.left_behind)


def dying_on_the_way_back() -> Callable[[int, str, str], None]:
    """Right before the disks are put back."""
    defined: list[int] = []

    def fault(_number: int, method: str, moment: str) -> None:
        if (method, moment) == ("define_reverted", "before"):
            defined.append(1)
            if len(defined) == 2:
                raise Crash

    return fault


def images(fake: FakeHost) -> list[FakeFile]:
    return list(fake.world.storage.files.values())


def fake_needed(fake: FakeHost) -> set[str]:
    """All that a definition or a record reaches."""
    web01 = fake.domain("web01")
    named = {disk.source for d in web01.definitions for disk in d.disks}
    named |= {disk.source for r in web01.records.values() for disk in r.disks.values()}
    found: set[str] = set()
    for path in named:
        chain = fake.world.storage.header_chain(path)
        found |= set(chain.images if chain else ())
    return found
