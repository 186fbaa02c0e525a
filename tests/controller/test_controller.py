"""The loop over a fake host: what it does, what it leaves alone, and what it says of it."""

import threading
from dataclasses import replace

import pytest

from reconciler.controller.controller import Setting
from reconciler.errors import HypervisorError, SourceError, VirtsnapError
from reconciler.model.controller import Readiness, SuspendedBy
from reconciler.model.desired import Desired, Limits, Prune
from reconciler.model.outcome import DomainStatus
from reconciler.model.plan import HeldBecause
from tests.controller.around import Lab, Memory, until
from tests.drawing import desired, domain, host, wanted
from tests.fakes.host import FakeHost


def one(*snapshots: str, prune: Prune = Prune.AUTO) -> Desired:
    return replace(desired(replace(wanted("web01", *snapshots), prune=prune)), revision="r1")


def names(fake: FakeHost, name: str = "web01") -> set[str]:
    found = next(d for d in fake.observe().domains if d.name == name)
    return {record.name for record in found.records}


def test_once_is_one_pass_over_everything() -> None:
    lab = Lab(host(domain("web01", vda="base")), Memory(one("s1")))

    (outcome,) = lab.controller.once()

    assert outcome.status is DomainStatus.APPLIED
    assert names(lab.fake) == {"s1"}
    assert (lab.domain().readiness, lab.domain().reason) == (Readiness.READY, "Applied")
    assert lab.controller.close(0.0)


def test_what_is_declared_later_is_taken_and_what_is_dropped_goes() -> None:
    lab = Lab(host(domain("web01", vda="base")), Memory(one()))
    with lab.running():
        lab.source.desired = one("s1")
        (state,) = lab.asked()
        assert (state.readiness, names(lab.fake)) == (Readiness.READY, {"s1"})

        lab.source.desired = one()
        lab.asked("web01")
        assert names(lab.fake) == set()
        until(lambda: lab.domain().reason == "InSync", "the look after the work")


def test_what_cannot_be_read_is_only_observed_and_heals() -> None:
    lab = Lab(host(domain("web01", vda="base")), Memory(one("s1")))
    with lab.running():
        lab.asked()
        lab.source.trouble = "it has gone"
        lab.source.desired = one()
        with pytest.raises(SourceError, match="it has gone"):
            lab.asked()
        until(lambda: not lab.state.is_ready, "the trouble")
        lab.controller.wake("interval")
        passes = lab.state.passes
        until(lambda: lab.state.passes > passes, "a pass in spite of it")
        assert names(lab.fake) == {"s1"}
        assert lab.state.source.trouble is not None
        assert lab.state.source.revision == "r1"

        lab.source.trouble = ""
        lab.asked()
        assert names(lab.fake) == set()
        assert lab.state.source.trouble is None


def test_with_trouble_from_the_start_nothing_is_known_and_nothing_done() -> None:
    lab = Lab(host(domain("web01", vda="base")), Memory(one("s1"), trouble="no"))
    with lab.running():
        until(lambda: lab.state.source.trouble is not None, "the trouble")

        assert (lab.state.domains, names(lab.fake)) == ((), set())
        assert not lab.state.is_ready


def test_report_only_changes_nothing() -> None:
    setting = Setting(interval=3600.0, is_report_only=True)
    lab = Lab(host(domain("web01", vda="base")), Memory(one("s1")), setting)
    with lab.running():
        (state,) = lab.asked()

    assert (state.readiness, state.reason, state.steps) == (Readiness.STALLED, "ReportOnly", 1)
    assert names(lab.fake) == set()


def test_more_removals_than_the_budget_are_held_and_go_in_later_passes() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("web02", vda="other ← t1"))
    wish = replace(
        desired(*(replace(wanted(n), prune=Prune.AUTO) for n in ("web01", "web02"))), revision="r1"
    )
    lab = Lab(fake, Memory(wish), Setting(interval=3600.0, max_deletions=1))

    ends = {outcome.domain: outcome.status for outcome in lab.controller.once()}

    assert ends == {"web01": DomainStatus.APPLIED, "web02": DomainStatus.HELD}
    assert (names(fake), names(fake, "web02")) == (set(), {"t1"})
    assert lab.domain("web02").readiness is Readiness.RECONCILING
    assert lab.domain("web02").held[0].because is HeldBecause.DELETION_BUDGET
    lab.controller.once()
    assert names(fake, "web02") == set()


def test_a_suspended_host_is_observed_and_left_alone() -> None:
    wish = one("s1")
    suspended = replace(wish, hosts=(replace(wish.hosts[0], is_suspended=True),))
    lab = Lab(host(domain("web01", vda="base")), Memory(suspended))
    with lab.running():
        (state,) = lab.asked()

    assert (state.readiness, state.reason) == (Readiness.STALLED, "Suspended")
    assert state.suspended_by == (SuspendedBy.HOST,)
    assert state.drift == ("SnapshotMissing",)
    assert names(lab.fake) == set()


class Failing:
    """A fake whose creates fail until *is_well*; all else is the fake's."""

    def __init__(self, fake: FakeHost) -> None:
        self._fake = fake
        self.is_well = False
        self.tries = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._fake, name)

    def create_snapshot(self, *arguments: object, **named: object) -> None:
        """Fails."""
        self.tries += 1
        if not self.is_well:
            raise HypervisorError("cannot snapshot web01: no", hint="look")
        self._fake.create_snapshot(*arguments, **named)  # type: ignore[arg-type]


def test_what_failed_waits_longer_and_longer_and_a_person_need_not_wait() -> None:
    failing = Failing(host(domain("web01", vda="base")))
    lab = Lab(failing, Memory(one("s1")))  # type: ignore[arg-type]
    with lab.running():
        (state,) = lab.asked()
        assert (state.readiness, state.reason) == (Readiness.RECONCILING, "Failed")
        assert "tried again in" in state.message
        assert state.retry_at is not None
        # the pass of the start may have tried it before we asked
        tries, failures = failing.tries, state.failures
        lab.controller.wake("interval")
        passes = lab.state.passes
        until(lambda: lab.state.passes > passes, "a pass")
        assert failing.tries == tries, "it is not tried again before its time"
        assert lab.domain().failures == failures

        (state,) = lab.asked("web01")
        assert (failing.tries, state.failures) == (tries + 1, failures + 1)

        failing.is_well = True
        (state,) = lab.asked("web01")
        assert state.readiness is Readiness.READY
        until(lambda: lab.domain().failures == 0, "all is well again")


def test_a_restart_does_not_forget_what_failed() -> None:
    failing = Failing(host(domain("web01", vda="base")))
    first = Lab(failing, Memory(one("s1")))  # type: ignore[arg-type]
    first.controller.once()
    second = Lab(failing, Memory(one("s1")), before=first.state)  # type: ignore[arg-type]
    tries = failing.tries
    with second.running():
        until(lambda: second.state.passes > 0, "a pass")

    assert failing.tries == tries
    assert second.domain().failures == 1


def test_a_slow_domain_holds_up_no_quick_one_and_is_not_begun_twice() -> None:
    fake = host(domain("slow", vda="base ← s1"), domain("quick", vda="other"))
    begun, go = threading.Event(), threading.Event()
    real = fake.commit_live

    def waits(*arguments: object, **named: object) -> None:
        begun.set()
        assert go.wait(20)
        real(*arguments, **named)  # type: ignore[arg-type]

    fake.commit_live = waits  # type: ignore[method-assign, assignment]
    slow = replace(wanted("slow"), prune=Prune.AUTO)
    lab = Lab(fake, Memory(replace(desired(slow, wanted("quick")), revision="r1")))
    with lab.running():
        assert begun.wait(20)
        begun.clear()
        lab.source.desired = replace(desired(slow, wanted("quick", "q1")), revision="r2")
        assert [state.readiness for state in lab.asked("quick")] == [Readiness.READY]
        assert names(fake, "quick") == {"q1"}
        assert lab.domain("slow").reason == "AtWork"
        assert not begun.is_set(), "the slow one was begun a second time"
        go.set()
        until(lambda: names(fake, "slow") == set(), "the slow one")


def test_a_domain_that_waits_for_a_block_job_takes_nobody_elses_place() -> None:
    fake = host(
        domain("a", vda="base-a ← a1"), domain("b", vda="base-b ← b1"), domain("quick", vda="other")
    )
    wish = desired(
        replace(wanted("a"), prune=Prune.AUTO),
        replace(wanted("b"), prune=Prune.AUTO),
        wanted("quick", "q1"),
    )
    limited = replace(wish.hosts[0], limits=Limits(domains=2, block_jobs=1))
    lab = Lab(fake, Memory(replace(wish, revision="r1", hosts=(limited,))))

    ends = lab.controller.once()

    assert {end.status for end in ends} == {DomainStatus.APPLIED}


def test_a_name_that_nobody_has_is_an_error_with_one_that_is_near() -> None:
    lab = Lab(host(domain("web01", vda="base")), Memory(one("s1")))
    with lab.running():
        lab.asked()
        with pytest.raises(VirtsnapError, match="knows no such domain") as caught:
            lab.asked("web1")

    assert caught.value.hint == "virtsnap reconcile web01"


def test_a_host_that_cannot_be_observed_is_told_and_comes_back() -> None:
    fake = host(domain("web01", vda="base"))
    real, is_down = fake.observe, [True]

    def observe() -> object:
        if is_down[0]:
            raise HypervisorError("cannot connect to libvirt: no", hint="systemctl start libvirtd")
        return real()

    fake.observe = observe  # type: ignore[method-assign, assignment]
    lab = Lab(fake, Memory(one("s1")))
    with lab.running():
        until(lambda: any(h.trouble for h in lab.state.hosts), "the trouble")
        with pytest.raises(HypervisorError, match="cannot connect"):
            lab.asked()
        assert not lab.state.is_ready
        is_down[0] = False
        assert [state.readiness for state in lab.asked()] == [Readiness.READY]
        assert lab.state.is_ready
