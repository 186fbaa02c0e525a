"""The process may die at any boundary: the next passes finish the job and nothing is lost (law 6)."""

from contextlib import suppress

from hypothesis import assume, given, note
from hypothesis import strategies as st

from reconciler.errors import HypervisorError
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import Consent
from tests.engine import oracle
from tests.engine.passes import Pass, planned, reconciled
from tests.engine.telling import host_told, pass_told, situation_told
from tests.engine.test_properties import managed_and_kept, unstartable
from tests.fakes.host import FakeHost
from tests.fakes.world import Crash
from tests.strategies import Situation, peaceful_situations, situations

MOMENTS = ("before", "during", "after")
#: a crash, the pass that repairs, and one that meets what the repair made possible
PASSES = 4


def dying_at(number: int, moment: str, *, passing: int = 0):  # type: ignore[no-untyped-def]
    """Die there; nothing that this process does afterwards reaches the host.

    A call that does several things has several moments *during*: so many of them pass.
    """
    left = passing

    def fault(at: int, _method: str, when: str) -> None:
        nonlocal left
        if (at, when, moment) == (number, "during", "during") and left:
            left -= 1
            return
        if (at, MOMENTS.index(when)) >= (number, MOMENTS.index(moment)):
            raise Crash(f"{moment} change {number}")

    return fault


def failing_at(number: int, moment: str):  # type: ignore[no-untyped-def]
    """One call fails there, the process goes on."""

    def fault(at: int, method: str, when: str) -> None:
        if (at, when) == (number, moment):
            raise HypervisorError(f"cannot {method}: injected {moment}", code=38)

    return fault


def passes_until_done(fake: FakeHost, situation: Situation) -> None:
    for _ in range(PASSES):
        fake.world.clock.wait(3600)
        result = reconciled(fake, situation.desired, situation.request)
        note(pass_told(result))
        left = planned(fake, situation.desired, situation.request)
        # a refusal met on the way (an agent that is silent) leaves its steps in the next plan,
        # and those of whoever waits for it
        met = {o.domain for o in result.outcomes if o.refusals != o.plan.refusals or o.waits_for}
        open_ = [d for d in left.domains if d.domain not in met]
        if not any(s.id not in d.held_steps for d in open_ for s in d.steps):
            return
    note("\n".join(host_told(fake)))
    raise AssertionError(f"not done after {PASSES} passes")


def snapshots(fake: FakeHost) -> dict[str, set[str]]:
    return {d.name: {str(r.name) for r in d.records} for d in fake.observe().domains}


def images(fake: FakeHost, domains: set[str]) -> dict[str, int]:
    """How many images of virtsnap's each of *domains* has: those that were given up are gone."""
    return {
        d.name: len(set(d.ledger.image_paths if d.ledger else ()) & set(fake.world.storage.files))
        for d in fake.observe().domains
        if domains & {d.name, d.uuid}
    }


def went_while_off(whole: Pass, fake: FakeHost) -> dict[str, set[str]]:
    """Who dies with the guest shut down can remove afterwards what only waited for that."""
    waited = {
        outcome.domain
        for outcome in whole.outcomes
        if any(r.code is RefusalCode.NEEDS_POWER_OFF for r in outcome.refusals)
    }
    return {name: left for name, left in snapshots(fake).items() if name in waited}


@given(peaceful_situations(), st.integers(1, 40), st.sampled_from(MOMENTS), st.integers(0, 3))
def test_a_pass_that_dies_is_finished_by_the_next(
    situation: Situation, number: int, moment: str, passing: int
) -> None:
    assume(situation.request.consent is Consent.PERSON)
    whole = situation.copied().fake
    result = reconciled(whole, situation.desired, situation.request)
    changes = len(whole.world.changes)
    assume(changes >= 1)
    passes_until_done(whole, situation)
    number = 1 + number % changes
    fake = situation.fake
    note(situation_told(situation))
    guests = oracle.seen(fake)
    said, done = oracle.definitions(fake), oracle.powers(fake)
    intact = managed_and_kept(fake, situation)
    stays = snapshots(whole)
    kept = {k: v for k, v in intact.items() if len(k) == 3 and k[2] in stays.get(k[0], ())}

    power = {domain.name: domain.power for domain in whole.observe().domains}

    fake.world.fault = dying_at(number, moment, passing=passing)
    with suppress(Crash):
        reconciled(fake, situation.desired, situation.request)
    fake.world.fault = None
    note(f"died {moment} {fake.world.changes[-1:]}")
    note("\n".join(host_told(fake)))

    assert not oracle.lost(fake, guests, situation.desired)
    passes_until_done(fake, situation)

    after = fake.views()
    left = snapshots(fake)
    assert left == stays | went_while_off(result, fake), (snapshots(fake), stays)
    assert not oracle.lost(fake, guests, situation.desired)
    assert not oracle.redefined(fake, said, done, situation.desired)
    back = {wish.domain for wish in situation.desired.domains if wish.revert is not None}
    assert images(fake, back) == images(whole, back)
    assert {domain.name: domain.power for domain in fake.observe().domains} == power
    changed = {key for key, view in kept.items() if after.get(key, view) != view}
    assert not changed, changed


@given(situations(), st.integers(1, 40), st.sampled_from(MOMENTS), st.sampled_from(("die", "fail")))
def test_whatever_happens_no_guest_data_is_lost_on_the_way(
    situation: Situation, number: int, moment: str, how: str
) -> None:
    fake = situation.fake
    note(situation_told(situation))
    before = oracle.powers(fake)
    power = {
        domain.name: before[domain.name]
        for domain in fake.observe().domains
        # a debt that was lost with its ledger is nobody's any more
        if (domain.ledger and domain.ledger.owed) or not fake.domain(domain.name).obeys_at
    }
    guests, said = oracle.seen(fake), oracle.definitions(fake)
    make = dying_at if how == "die" else failing_at
    fake.world.fault = make(number, moment)
    with suppress(Crash):
        note(pass_told(reconciled(fake, situation.desired, situation.request)))
    fake.world.fault = None
    note("\n".join(host_told(fake)))

    passes_until_done(fake, situation)

    selected = {d.domain for d in planned(fake, situation.desired, situation.request).domains}
    excused = unstartable(fake, situation)
    expected = oracle.power_after(fake, power, situation.desired)
    left = {
        domain.name: domain.power
        for domain in fake.observe().domains
        if domain.power is not expected.get(domain.name, domain.power)
        and domain.name in selected
        and domain.name not in excused
    }
    assert not left, left
    assert not oracle.lost(fake, guests, situation.desired)
    assert not oracle.redefined(fake, said, before, situation.desired)
