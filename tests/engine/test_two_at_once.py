"""Lock and fence: who is first works, who comes second waits or says who is at work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.engine import executor, fence
from reconciler.engine.domain_work import Tools
from reconciler.engine.listener import Silence
from reconciler.engine.locks import FileLocks
from reconciler.engine.ports import StopAsked
from reconciler.engine.turn import wait_for_turn
from reconciler.errors import Interrupted, LockedError
from reconciler.model.desired import Desired, Prune
from reconciler.model.ledger import Fence, Ledger
from reconciler.model.names import DomainUuid
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, wanted
from tests.engine.passes import planned, tools
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost

ELSEWHERE = "root@elsewhere#1 7"
UUID = DomainUuid("00000000-0000-4000-8000-000000000001")


def apply(
    fake: FakeHost, wish: Desired, with_: Callable[[Tools], Tools] = lambda t: t
) -> DomainOutcome:
    request = PlanRequest()
    plan = planned(fake, wish, request)
    (outcome,) = executor.apply(plan, wish, request, with_(tools(fake, wish)))
    return outcome


def patient(seconds: float) -> Callable[[Tools], Tools]:
    return lambda tools_: replace(tools_, lock_patience=seconds)


def put_fence(fake: FakeHost, *, minutes: float) -> None:
    """One of another machine, which lasts for *minutes* from now on."""
    uuid = fake.domain("web01").uuid
    until = fake.world.clock.now() + timedelta(minutes=minutes)
    ledger = fake.read_ledger(uuid) or Ledger(uuid=uuid)
    new = Fence(holder=ELSEWHERE, plan_id="x", until=until)
    fake.remember(uuid, replace(ledger, serial=ledger.serial + 1, fence=new))


def test_a_fence_that_is_over_within_the_lock_timeout_is_waited_for() -> None:
    fake = host(domain("web01", vda="base"))
    put_fence(fake, minutes=5)
    wish = desired(wanted("web01", "s1"))

    early = apply(fake, wish, patient(60))
    assert early.status is DomainStatus.LOCKED
    assert isinstance(early.error, LockedError)
    assert "root@elsewhere#1 7 is at work on it" in early.error.message

    assert apply(fake, wish, patient(600)).status is DomainStatus.APPLIED


def test_a_fence_that_is_over_still_counts_while_a_job_of_its_plan_runs() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))
    assert Controller(fake).begin_removal("web01", "s1", until="started")
    put_fence(fake, minutes=-1)
    running = apply(fake, wish)
    assert running.status is DomainStatus.LOCKED

    # it waits for a pivot that nobody makes: whoever began it has gone
    (job,) = fake.domain("web01").jobs.values()
    job.pending, job.is_ready = [], True
    finished = apply(fake, wish)
    assert finished.status is DomainStatus.APPLIED
    assert not fake.domain("web01").jobs


def test_what_another_wrote_since_we_looked_is_not_written_over() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1"))
    before = fake.read_ledger

    def meddled(uuid: DomainUuid) -> Ledger | None:
        fake.read_ledger = before  # type: ignore[method-assign]  # once
        theirs = before(uuid) or Ledger(uuid=uuid)
        fake.remember(uuid, replace(theirs, serial=theirs.serial + 5, is_freezing=True))
        return before(uuid)

    fake.read_ledger = meddled  # type: ignore[method-assign]  # another controller between
    apply(fake, wish)

    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    assert ledger.is_freezing


def test_a_long_block_job_puts_the_fence_off() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    wish = desired(wanted("web01", prune=Prune.AUTO))
    seen: list[Fence | None] = []

    class Looking(Silence):
        def step_progress(self, domain: DomainPlan, step: Step, done: int, total: int) -> None:
            """Note the fence that others see."""
            ledger = fake.read_ledger(fake.domain("web01").uuid)
            seen.append(ledger.fence if ledger else None)

    def takes_long(_number: int, method: str, when: str) -> None:
        if (method, when) == ("commit_live", "before"):
            fake.world.clock.wait(fence.RENEWED_AFTER.total_seconds())

    fake.world.fault = takes_long
    outcome = apply(fake, wish, lambda tools_: replace(tools_, listener=Looking()))

    assert outcome.status is DomainStatus.APPLIED
    (renewed,) = seen
    assert renewed is not None
    assert renewed.until == fake.world.clock.now() + fence.LASTS


def test_the_lock_is_waited_for_and_says_who_has_it(tmp_path: Path) -> None:
    first, second = (FileLocks(tmp_path, holder=f"{who}@here 1") for who in ("ann", "bob"))
    never, now = (lambda: False), (lambda: True)
    with first.hold(UUID, plan_id="sha256:abc", patience=0, stop_asked=never):
        with (
            pytest.raises(LockedError, match="locked by ann@here 1 since 20"),
            second.hold(UUID, plan_id="x", patience=0, stop_asked=never),
        ):
            raise AssertionError("two have it")
        with (
            pytest.raises(Interrupted),
            second.hold(UUID, plan_id="x", patience=600, stop_asked=now),
        ):
            raise AssertionError("two have it")

    got = threading.Event()

    def wait() -> None:
        with second.hold(UUID, plan_id="x", patience=600, stop_asked=never):
            got.set()

    with first.hold(UUID, plan_id="x", patience=0, stop_asked=never):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.is_set()
    waiting.join(60)
    assert got.is_set()


@dataclass
class _BusyLocks:
    """Somebody here has the lock, for some more times that it is asked for."""

    times: int

    @contextmanager
    def hold(
        self, domain: DomainUuid, *, plan_id: str, patience: float, stop_asked: StopAsked
    ) -> Iterator[None]:
        """Not yet."""
        self.times -= 1
        if self.times >= 0:
            raise LockedError(f"cannot lock {domain}: somebody has it")
        yield


def test_a_plan_is_made_anew_when_its_turn_had_to_be_waited_for() -> None:
    fake = host(domain("web01", vda="base"))
    wish = desired(wanted("web01", "s1"))
    plan = planned(fake, wish, PlanRequest())
    free = replace(tools(fake, wish), lock_patience=60)
    assert not wait_for_turn(plan, free)
    assert wait_for_turn(plan, replace(free, locks=_BusyLocks(3)))
    # in vain: the executor says who it is
    started = fake.world.clock.now()
    assert wait_for_turn(plan, replace(free, locks=_BusyLocks(10**9)))
    assert fake.world.clock.now() - started < timedelta(minutes=2)

    put_fence(fake, minutes=0.5)
    assert wait_for_turn(plan, free)
    assert not wait_for_turn(plan, replace(free, lock_patience=0.0))
