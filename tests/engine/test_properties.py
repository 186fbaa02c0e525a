"""What holds for every host and every manifest: the laws of design §1."""

from dataclasses import replace

from hypothesis import assume, given, note
from hypothesis import strategies as st

from reconciler.model.action import AdoptSnapshot, RedefineSnapshot, ReleaseSnapshot
from reconciler.model.chain import Presence
from reconciler.model.desired import DesiredSnapshot, Prune, Unmanaged
from reconciler.model.drift import RecordDangling, RecordOutdated
from reconciler.model.ledger import EntryState
from reconciler.model.outcome import DomainStatus
from reconciler.model.plan import DomainPlan, HeldBecause
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import Consent, PlanRequest
from reconciler.planning import fingerprint, holding
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of
from tests.engine import keeping, oracle
from tests.engine.passes import planned, reconciled
from tests.engine.telling import pass_told, situation_told
from tests.fakes import moments
from tests.fakes.host import FakeHost
from tests.strategies import Situation, peaceful_situations, situations


def described(situation: Situation) -> Situation:
    note(situation_told(situation))
    return situation


def managed_and_kept(fake: FakeHost, situation: Situation) -> dict[tuple[str, ...], object]:
    """What guests read, and what every snapshot holds whose record tells the truth now."""
    dangling = {
        (plan.domain, difference.snapshot)
        for plan in planned(fake, situation.desired, situation.request).domains
        for difference in plan.drift
        if isinstance(difference, RecordDangling | RecordOutdated)
    }
    return {
        key: view
        for key, view in fake.views().items()
        if view is not None and (len(key) == 2 or (key[0], key[2]) not in dangling)
    }


@given(situations())
def test_no_guest_data_is_lost(situation: Situation) -> None:
    fake = described(situation).fake
    before = oracle.seen(fake)

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    assert not oracle.lost(fake, before, situation.desired)


@given(situations())
def test_every_snapshot_that_stays_holds_what_it_held(situation: Situation) -> None:
    fake = described(situation).fake
    before = fake.views()
    intact = managed_and_kept(fake, situation)
    broken = deleting(fake)

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    broken |= deleting(fake)
    for key, view in fake.views().items():
        if len(key) == 3 and (key[0], key[2]) not in broken and key in intact:
            assert view == before[key], key


@given(situations())
def test_what_is_called_taken_reads_as_it_did_when_it_was_taken(situation: Situation) -> None:
    fake = described(situation).fake
    assert not oracle.untrue(fake, planned(fake, situation.desired, situation.request))

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    moments.after_pass(fake.world)
    assert not oracle.untrue(fake, planned(fake, situation.desired, situation.request))


@given(situations())
def test_what_is_whole_and_wanted_is_neither_lost_nor_forgotten(situation: Situation) -> None:
    fake = described(situation).fake
    before = keeping.before(fake, situation.desired, released(situation, fake))

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    assert not keeping.forgotten(fake, before)
    agreed = keeping.agreed(result.plan, situation.request)
    assert not keeping.work_gone(fake, before, fake.world.removed, before.discarded | agreed)
    assert not fake.world.moments.wrongly_resumed


@given(situations())
def test_no_block_device_is_made_or_removed_and_no_image_lies_among_them(
    situation: Situation,
) -> None:
    fake = described(situation).fake
    before = {path for path, file in fake.world.storage.files.items() if file.is_device}

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    assert {path for path, file in fake.world.storage.files.items() if file.is_device} == before


def deleting(fake: FakeHost) -> set[tuple[str, str]]:
    """Snapshots whose frozen layer a removal has begun to change."""
    return {
        (domain.name, entry.name)
        for domain in fake.observe().domains
        if domain.ledger
        for entry in domain.ledger.entries
        if entry.state is EntryState.DELETING
    }


@given(situations())
def test_unmanaged_snapshots_are_untouched(situation: Situation) -> None:
    fake = described(situation).fake
    named = adoptable(fake, situation)
    before = {key: record for key, record in unmanaged(fake).items() if key not in named}
    files = {key: view for key, view in fake.views().items() if key[::2] in before}

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    after = unmanaged(fake)
    assert {key: record for key, record in after.items() if key in before} == before
    assert {key: view for key, view in fake.views().items() if key[::2] in before} == files


def adoptable(fake: FakeHost, situation: Situation) -> set[tuple[str, str]]:
    """Snapshots that a manifest names and asks to adopt."""
    return {
        (domain.name, snapshot.name)
        for wish in situation.desired.domains
        for domain in fake.observe().domains
        if wish.domain in (domain.name, domain.uuid) and wish.unmanaged is Unmanaged.ADOPT
        for snapshot in wish.snapshots
    }


@given(situations())
def test_what_is_adopted_loses_nothing(situation: Situation) -> None:
    fake = described(situation).fake
    files, views = set(fake.world.storage.files), fake.views()

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    adopted = {
        (outcome.domain, step.action.snapshot)
        for outcome in result.outcomes
        for step in outcome.plan.steps[: outcome.steps_done]
        if isinstance(step.action, AdoptSnapshot) and step.action.writes_mark
    }
    left = managed(fake)
    assert adopted <= left
    assert adopted <= adoptable(fake, situation)
    for key, view in fake.views().items():
        if key[::2] in adopted:
            assert view is not None
            assert view == views[key]
    if all(is_mark_alone(outcome.plan) for outcome in result.outcomes):
        assert set(fake.world.storage.files) == files


@given(peaceful_situations())
def test_what_was_adopted_goes_like_any_other_and_the_guest_keeps_its_data(
    situation: Situation,
) -> None:
    fake = described(situation).fake
    wishes = tuple(
        replace(wish, unmanaged=Unmanaged.ADOPT, prune=Prune.AUTO, snapshots=(), revert=None)
        for wish in situation.desired.domains
    )
    named = tuple(
        replace(
            wish,
            snapshots=tuple(
                DesiredSnapshot(name=record.name)
                for domain in fake.observe().domains
                if wish.domain in (domain.name, domain.uuid)
                for record in domain.records
            ),
        )
        for wish in wishes
    )
    before = {key: view for key, view in fake.views().items() if len(key) == 2}
    taken = reconciled(fake, replace(situation.desired, domains=named), PlanRequest())
    note(pass_told(taken))
    held_back = held_snapshots(fake)

    gone = reconciled(fake, replace(situation.desired, domains=wishes), PlanRequest())

    note(pass_told(gone))
    assert {key: view for key, view in fake.views().items() if len(key) == 2} == before
    assert held_back <= held_snapshots(fake)
    declared = {wish.domain for wish in wishes}
    for outcome in gone.outcomes:
        assert outcome.error is None
        is_done = outcome.status in (DomainStatus.APPLIED, DomainStatus.IN_SYNC)
        if is_done and declared & {outcome.domain, outcome.plan.uuid}:
            left = {name for domain, name in managed(fake) if domain == outcome.domain}
            assert left == {name for domain, name in held_back if domain == outcome.domain}


def is_mark_alone(plan: DomainPlan) -> bool:
    """No step but of the kind that writes marks."""
    kinds = AdoptSnapshot | ReleaseSnapshot | RedefineSnapshot
    return all(isinstance(step.action, kinds) for step in plan.steps)


@given(situations())
def test_what_is_held_is_neither_removed_nor_lost(situation: Situation) -> None:
    fake = described(situation).fake
    before = held_snapshots(fake) - released(situation, fake)
    views = managed_and_kept(fake, situation)

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    assert before <= held_snapshots(fake)
    assert before <= {(d.name, record.name) for d in fake.observe().domains for record in d.records}
    for key, view in fake.views().items():
        if key[::2] in before and key in views:
            assert view == views[key], key


def held_snapshots(fake: FakeHost) -> set[tuple[str, str]]:
    """Managed snapshots that record or ledger say are held."""
    return {(w.domain.name, r.name) for w in worlds(fake) for r in w.domain.records if w.is_held(r)}


def managed(fake: FakeHost) -> set[tuple[str, str]]:
    """Snapshots that are ours."""
    return {
        (w.domain.name, r.name) for w in worlds(fake) for r in w.domain.records if w.is_managed(r)
    }


def worlds(fake: FakeHost) -> list[World]:
    """Every domain as the planner sees it."""
    index = index_of(fake.observe())
    return [world_of(index, domain) for domain in index.host.domains]


def released(situation: Situation, fake: FakeHost) -> set[tuple[str, str]]:
    """Snapshots whose manifest says ``protect: false``."""
    return {
        (domain.name, snapshot.name)
        for wish in situation.desired.domains
        for domain in fake.observe().domains
        if wish.domain in (domain.name, domain.uuid)
        for snapshot in wish.snapshots
        if snapshot.protect is False
    }


def unmanaged(fake: FakeHost) -> dict[tuple[str, str], object]:
    """Records that no ledger entry speaks of, but for who is current and whose child they are."""
    return {
        (domain.name, record.name): replace(record, is_current=False, parent=None, ledger_serial=0)
        for domain in fake.observe().domains
        for record in domain.records
        if record.uid is None
    }


@given(situations())
def test_a_second_pass_finds_nothing_to_do(situation: Situation) -> None:
    fake = described(situation).fake
    first = reconciled(fake, situation.desired, situation.request)
    note(pass_told(first))

    second = planned(fake, situation.desired, situation.request)

    ends = {outcome.domain: outcome for outcome in first.outcomes}
    for plan in second.domains:
        outcome = ends[plan.domain]
        failed = outcome.status not in (
            DomainStatus.APPLIED,
            DomainStatus.IN_SYNC,
            DomainStatus.REFUSED,
            DomainStatus.HELD,
        )
        rebuilt = any(step.reason == "LedgerStale" for step in outcome.plan.steps)
        # the target of a revert is there since
        failed = failed or any("plan again" in r.fact("cause") for r in outcome.refusals)
        # a refusal met on the way, or one that another domain's plan has lifted
        failed = failed or outcome.refusals != outcome.plan.refusals
        failed = failed or any(r.fact("kind") == "domain" for r in outcome.refusals)
        # a record that holds nothing any more, kept by its hold: a create puts a layer above it
        failed = failed or any(
            isinstance(d, RecordDangling) and (plan.domain, d.snapshot) in held_snapshots(fake)
            for d in outcome.plan.drift
        )
        # an adopted reader is no stranger any more: what it refused may go in the next pass
        failed = failed or (
            any(isinstance(step.action, AdoptSnapshot) for step in outcome.plan.steps)
            and any(r.code is RefusalCode.UNMANAGED_READER for r in outcome.refusals)
        )
        # what it waited for may be done by now
        failed = failed or bool(outcome.waits_for)
        failed = failed or any("apply again" in r.fact("cause") for r in outcome.refusals)
        held = plan.held_steps
        left = [step for step in plan.steps if step.id not in held]
        assert failed or rebuilt or not left, left


@given(situations())
def test_every_guest_does_afterwards_what_it_did_before(situation: Situation) -> None:
    fake = described(situation).fake
    before = oracle.powers(fake)

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    planned_for = {outcome.domain for outcome in result.outcomes}
    excused = unstartable(fake, situation)
    expected = oracle.power_after(fake, before, situation.desired)
    for domain in fake.observe().domains:
        owed = domain.ledger.owed if domain.ledger else None
        may_obey_late = owed is not None and owed.until is not None and domain.is_active
        if domain.name in planned_for and not may_obey_late and domain.name not in excused:
            assert domain.power is expected[domain.name], domain.name


#: what keeps virtsnap from starting a guest that it owes its power
UNSTARTABLE = {
    "ManagedSave",
    "StorageAbsent",
    "ChainBroken",
    "NeedsLocalAccess",
    "UnmanagedReader",
    "LedgerUnreadable",
}


def unstartable(fake: FakeHost, situation: Situation) -> set[str]:
    """Domains that are shut off and owed: not to be started, or obeying late just now."""
    owed = {
        domain.name: domain.ledger.owed
        for domain in fake.observe().domains
        if domain.ledger and domain.ledger.owed and not domain.is_active
    }
    late = {name for name, debt in owed.items() if debt.until is not None}
    return late | {
        plan.domain
        for plan in planned(fake, situation.desired, situation.request).domains
        if plan.domain in owed and UNSTARTABLE & {refusal.code.value for refusal in plan.refusals}
    }


@given(peaceful_situations())
def test_where_nothing_went_wrong_every_step_succeeds(situation: Situation) -> None:
    fake = described(situation).fake

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    for outcome in result.outcomes:
        assert outcome.error is None


@given(situations())
def test_no_step_fails_for_a_reason_the_plan_could_have_seen(situation: Situation) -> None:
    fake = described(situation).fake
    assume(all(image.presence is not Presence.UNKNOWN for image in fake.observe().images))

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    for outcome in result.outcomes:
        assert outcome.error is None


@given(situations(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(situation: Situation, random: object) -> None:
    fake, desired = described(situation).fake, situation.desired
    reordered = replace(desired, domains=tuple(reversed(desired.domains)))

    one = planned(fake, desired, situation.request)
    other = planned(fake, reordered, situation.request)

    assert one.domains == other.domains
    assert one.plan_id == other.plan_id


@given(situations())
def test_consent_changes_what_is_held_and_nothing_else(situation: Situation) -> None:
    fake = described(situation).fake
    person = planned(fake, situation.desired, PlanRequest(consent=Consent.PERSON))
    loop = planned(fake, situation.desired, PlanRequest(consent=Consent.LOOP))

    assert [d.plan_id for d in person.domains] == [d.plan_id for d in loop.domains]
    for domain in person.domains:
        assert {h.because for h in domain.held} <= {HeldBecause.DEPENDS_ON, HeldBecause.SUSPENDED}


@given(situations())
def test_planning_changes_nothing_and_says_the_same_twice(situation: Situation) -> None:
    fake = described(situation).fake
    before = fingerprint.digest(fake.observe())

    one = planned(fake, situation.desired, situation.request)
    two = planned(fake, situation.desired, situation.request)

    assert one == two
    assert fingerprint.digest(fake.observe()) == before


@given(situations())
def test_nothing_is_done_to_who_is_suspended_or_waits_for_what_is_undone(
    situation: Situation,
) -> None:
    fake = described(situation).fake

    result = reconciled(fake, situation.desired, situation.request)

    note(pass_told(result))
    ends = {outcome.domain: outcome for outcome in result.outcomes}
    begun = set[str]()
    for outcome in result.outcomes:
        plan = outcome.plan
        assert set(plan.depends_on) <= begun
        begun.add(plan.domain)
        is_kept = plan.is_suspended or not all(ends[name].is_done for name in plan.depends_on)
        assert not is_kept or outcome.steps_done <= len(holding.owed(plan.steps))
        if outcome.waits_for or (plan.is_suspended and plan.held):
            assert outcome.status is not DomainStatus.APPLIED
