"""The laws of design §1, each checked on a host before and after one pass."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.chain import Presence
from reconciler.model.desired import Disruption
from reconciler.model.domain import AgentState
from reconciler.model.drift import RecordDangling, RecordOutdated
from reconciler.model.ledger import RequestState
from reconciler.model.names import ImagePath
from reconciler.model.plan import Plan
from reconciler.model.request import Consent
from reconciler.model.snapshot import DiskCapture
from reconciler.planning import holding
from tests.engine import keeping, oracle
from tests.engine.keeping import Kept, wish_for
from tests.engine.passes import Pass
from tests.engine.test_properties import (
    adoptable,
    deleting,
    held_snapshots,
    released,
    unmanaged,
    worlds,
)
from tests.fakes.domain import FakeDomain
from tests.fakes.storage import Content
from tests.machine.memory import Memory
from tests.machine.tally import TALLY
from tests.machine.watched import Named, WatchedHost
from tests.strategies import Situation

LAWS = frozenset(
    {
        "no guest data is lost",
        "what stays holds what it held",
        "what is called taken reads as it did",
        "what is whole and wanted is neither lost nor forgotten",
        "no work goes that nobody asked to be rid of",
        "no memory goes on over disks of another moment",
        "what is not ours is untouched",
        "only what is ours and undeclared goes",
        "a lost snapshot is not quietly retaken",
        "a request is done once",
        "no image goes that is needed",
        "planning changes nothing",
        "a loop stops no guest that it may not stop",
        "nothing stays frozen",
        "no step fails without a cause",
        "every guest does what it did",
        "passes come to an end",
    }
)


@dataclass(frozen=True, kw_only=True)
class Before:
    """A host right before a pass."""

    situation: Situation
    views: dict[tuple[str, ...], Content | None]
    #: the image of every disk
    sources: dict[tuple[str, ...], ImagePath]
    #: (domain, snapshot) whose record does not tell the truth now
    dangling: set[tuple[str, str]]
    deleting: set[tuple[str, str]]
    managed: set[Named]
    held: set[tuple[str, str]]
    unmanaged: dict[tuple[str, str], object]
    begun: set[tuple[str, str]]
    frozen: set[str]
    removed: int
    records: int
    #: every image can be looked at, and nobody else has one open
    is_seen_whole: bool
    kept: Kept
    #: images that a person was shown to go with a branch, and agreed to
    agreed: frozenset[ImagePath]


def before(fake: WatchedHost, situation: Situation, plan: Plan) -> Before:
    """Look at everything."""
    named = adoptable(fake, situation)
    observed = fake.observe()
    return Before(
        situation=situation,
        views=fake.views(),
        sources={
            (domain.name, disk.target): disk.source
            for domain in fake.world.domains.values()
            for disk in domain.definition.disks
        },
        dangling={
            (domain.domain, difference.snapshot)
            for domain in plan.domains
            for difference in domain.drift
            if isinstance(difference, RecordDangling | RecordOutdated)
        },
        deleting=deleting(fake),
        managed={
            (w.domain.uuid, e.name)
            for w in worlds(fake)
            for e in (w.domain.ledger.entries if w.domain.ledger else ())
        }
        | {(d.uuid, r.name) for d in observed.domains for r in d.records if r.uid is not None},
        held=held_snapshots(fake) - released(situation, fake),
        unmanaged={key: record for key, record in unmanaged(fake).items() if key not in named},
        begun={
            (d.name, request.request)
            for d in observed.domains
            for request in (d.ledger.requests if d.ledger else ())
            if request.state is RequestState.BEGUN
        },
        frozen=_frozen(fake),
        removed=len(fake.world.removed),
        records=len(fake.gone),
        is_seen_whole=not fake.world.read_elsewhere
        and all(i.presence is not Presence.UNKNOWN for i in observed.images),
        kept=keeping.before(fake, situation.desired, released(situation, fake)),
        agreed=keeping.agreed(plan, situation.request),
    )


def what_is_claimed(fake: WatchedHost, plan: Plan) -> None:
    """Every claim that *plan* makes of the host as it is."""
    claims = list(oracle.called_taken(fake, plan))
    check("what is called taken reads as it did", len(claims), oracle.untrue(fake, plan))


def check(name: str, number: int, broken: object) -> None:
    """*broken* is to be empty; *number* says on how much it was looked for."""
    TALLY.checked[name] += number
    assert not broken, f"{name}: {broken}"


def after_any_pass(was: Before, fake: WatchedHost, memory: Memory, *, is_whole: bool) -> None:
    """What holds also where the pass died or a call failed: *is_whole* says that none did."""
    views = fake.views()
    guests = [key for key in was.views if len(key) == 2]
    check("no guest data is lost", len(guests), list(_lost(was, fake, is_whole=is_whole)))
    spoilt = was.deleting | deleting(fake) | was.dangling
    stay = [k for k in views if len(k) == 3 and k in was.views and (k[0], k[2]) not in spoilt]
    check(
        "what stays holds what it held",
        len(stay),
        [key for key in stay if was.views[key] is not None and views[key] != was.views[key]],
    )
    check(
        "what is whole and wanted is neither lost nor forgotten",
        len(was.kept.moments),
        keeping.forgotten(fake, was.kept),
    )
    memory.note_discarded(was.kept.discarded)
    memory.note_discarded(was.agreed)
    removed = fake.world.removed[was.removed :]
    check(
        "no work goes that nobody asked to be rid of",
        len(removed),
        keeping.work_gone(fake, was.kept, removed, frozenset(memory.discarded)),
    )
    check(
        "no memory goes on over disks of another moment",
        sum(len(domain.went_on_from) for domain in fake.world.domains.values()),
        fake.world.moments.wrongly_resumed,
    )
    now = unmanaged(fake)
    check(
        "what is not ours is untouched",
        len(was.unmanaged),
        [key for key, record in was.unmanaged.items() if now.get(key) != record],
    )
    gone = fake.gone[was.records :]
    check("only what is ours and undeclared goes", len(gone), list(_wrongly_gone(was, fake, gone)))
    times = Counter(fake.put_back)
    check("a request is done once", len(times), [key for key, n in times.items() if n > 1])
    check("no image goes that is needed", len(removed), set(removed) & _needed(fake))
    retaken = [key for key in fake.born if key in memory.known]
    check(
        "a lost snapshot is not quietly retaken",
        len(fake.born),
        [key for key in retaken if not _may_retake(fake, key, was.situation)],
    )
    fake.born.clear()


def after_whole_pass(was: Before, result: Pass, fake: WatchedHost) -> None:
    """What holds where nothing went wrong on the way."""
    request = was.situation.request
    check("nothing stays frozen", len(fake.world.domains), _frozen(fake) - was.frozen)
    if was.is_seen_whole:
        errors = [outcome.error for outcome in result.outcomes if outcome.error]
        check("no step fails without a cause", len(result.outcomes), errors)
    if request.consent is Consent.LOOP:
        steps = list(_against_the_guests_will(result, was.situation, fake))
        plans = sum(bool(domain.held) for domain in result.plan.domains)
        check("a loop stops no guest that it may not stop", plans, steps)


def _against_the_guests_will(
    result: Pass, situation: Situation, fake: WatchedHost
) -> Iterator[object]:
    for plan in result.plan.domains:
        domain = next((d for d in fake.world.domains.values() if d.uuid == plan.uuid), None)
        wish = wish_for(domain, situation.desired) if domain else None
        if wish is None or wish.disruption is not Disruption.NEVER:
            continue
        owed = holding.owed(plan.steps)
        open_ = [s for s in plan.steps if s.id not in plan.held_steps and s.id not in owed]
        yield from (step for step in open_ if step.is_disruptive)


def _lost(was: Before, fake: WatchedHost, *, is_whole: bool) -> Iterator[tuple[str, ...]]:
    """As the oracle says, but for what the edits of people, and a pass that died, make of it."""
    views, desired = fake.views(), was.situation.desired
    moments = [view for key, view in views.items() if len(key) == 3]
    for key in oracle.lost(fake, was.views, desired):
        wish = wish_for(fake.domain(key[0]), desired)
        revert = wish.revert if wish else None
        if revert is None:
            yield key
            continue
        # two disks of a guest may have been put on one image: some snapshot keeps what it reads
        keeps = revert.discards or was.views[key] in moments
        is_back = views.get(key) == was.views.get((*key, revert.to))
        was_begun = (key[0], revert.request) in was.begun
        # attached since: the definition of that moment lacks the disk, its image stays
        if key not in views:
            if not _stays(was, fake, key):
                yield key
            continue
        if not (keeps and (is_back or not is_whole)) and not (was_begun and is_back):
            yield key


def _stays(was: Before, fake: WatchedHost, key: tuple[str, ...]) -> bool:
    """The image of a disk that was there holds what the guest read from it."""
    source = was.sources[key]
    chain = fake.world.storage.header_chain(source)
    return chain is not None and fake.world.storage.overlaid(chain) == was.views[key]


def _wrongly_gone(was: Before, fake: WatchedHost, gone: list[Named]) -> Iterator[object]:
    for uuid, name in gone:
        domain = fake.world.domain(uuid)
        wish = wish_for(domain, was.situation.desired)
        # what a pass records for itself, and nobody else, may go with it: the present definition
        if (uuid, name) not in was.managed and (uuid, name) not in fake.born:
            yield uuid, name, "not ours"
        if (domain.name, name) in was.dangling | was.deleting:
            continue
        if (domain.name, name) in was.held:
            yield uuid, name, "held"
        if wish is not None and wish.snapshot(name) is not None:
            yield uuid, name, "declared"


def _may_retake(fake: WatchedHost, key: Named, situation: Situation) -> bool:
    wish = wish_for(fake.world.domain(key[0]), situation.desired)
    snapshot = wish.snapshot(key[1]) if wish else None
    return snapshot is None or snapshot.is_retaken or key in fake.gone


def _needed(fake: WatchedHost) -> set[ImagePath]:
    """What definitions and records reach by the headers, and what definitions spell out."""
    found = set[ImagePath]()
    for domain in fake.world.domains.values():
        for path in _named(domain):
            step: ImagePath | None = path
            while step is not None and step not in found:
                found.add(step)
                file = fake.world.storage.files.get(step)
                step = file.backing if file else None
    return found


def _named(domain: FakeDomain) -> Iterator[ImagePath]:
    for definition in domain.definitions:
        for disk in definition.disks:
            yield disk.source
            yield from disk.stated or ()
    for record in domain.records.values():
        for taken in record.disks.values():
            if taken.capture is not DiskCapture.SKIPPED:
                yield taken.source


def _frozen(fake: WatchedHost) -> set[str]:
    """Guests that are frozen, or that nobody can ask."""
    return {
        domain.name
        for domain in fake.world.domains.values()
        if domain.agent.is_frozen
        and domain.is_active
        and domain.agent.state is AgentState.CONNECTED
        and domain.agent.silent_for == 0
    }
