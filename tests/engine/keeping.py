"""What a pass must leave: moments that somebody wants, and work that nobody asked to be rid of."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.action import RemovalCause, RemoveImage
from reconciler.model.desired import Desired, DesiredDomain
from reconciler.model.ledger import EntryState, RequestState
from reconciler.model.names import ImagePath
from reconciler.model.plan import Plan
from reconciler.model.request import Consent, PlanRequest
from tests.engine import oracle
from tests.fakes import moments
from tests.fakes.domain import FakeDomain
from tests.fakes.host import FakeHost
from tests.fakes.moments import Moment, Place
from tests.fakes.storage import Content


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Right before a pass."""

    #: (domain, snapshot) → its moment, of what is declared or held, and lies whole
    moments: Mapping[tuple[str, str], Moment]
    #: what is read through each image that a ledger names and somebody has written to
    works: Mapping[ImagePath, Content]
    #: the active images of guests whose present is to be discarded
    discarded: frozenset[ImagePath]


def before(fake: FakeHost, desired: Desired, released: set[tuple[str, str]]) -> Kept:
    """Look at everything; *released* are snapshots whose hold is to end."""
    wanted: dict[tuple[str, str], Moment] = {}
    discarded = set[ImagePath]()
    for domain in fake.world.domains.values():
        wish = wish_for(domain, desired)
        names = _held(fake, domain)
        for record, moment in oracle.managed_moments(fake, domain):
            key = (domain.name, record.name)
            is_held = record.name in names and key not in released
            is_declared = wish is not None and wish.snapshot(record.name) is not None
            is_whole = not moment.is_touched and moments.is_whole(fake.world, moment)
            if (is_held or is_declared) and is_whole:
                wanted[key] = copy.deepcopy(moment)
        revert = wish.revert if wish else None
        known = domain.ledger.request(revert.request) if revert and domain.ledger else None
        is_done = known is not None and known.state is RequestState.DONE
        if revert is not None and revert.discards and not is_done:
            discarded |= {disk.source for each in domain.definitions for disk in each.disks}
    return Kept(moments=wanted, works=_works(fake), discarded=frozenset(discarded))


def forgotten(fake: FakeHost, was: Kept) -> list[tuple[str, ...]]:
    """Snapshots that were whole, and whose record or content is gone."""
    return list(_forgotten(fake, was))


def _forgotten(fake: FakeHost, was: Kept) -> Iterator[tuple[str, ...]]:
    for (name, snapshot), moment in was.moments.items():
        domain = next((d for d in fake.world.domains.values() if d.name == name), None)
        if domain is None:
            continue
        record = next((r for r in domain.records.values() if r.name == snapshot), None)
        if record is None:
            yield name, snapshot, "no record"
            continue
        storage = fake.world.storage
        for target, content in moment.held.items():
            is_there = moments.read(storage, moment.places[target]) == content
            if not is_there and moments.read_as_said(storage, record, target) != content:
                yield name, snapshot, target


def work_gone(
    fake: FakeHost, was: Kept, removed: list[ImagePath], discarded: frozenset[ImagePath]
) -> list[ImagePath]:
    """Removed images whose content nothing reads any more, and that no removed snapshot froze.

    *discarded*: what reverts were told to discard, up to now.
    """
    left = [fake.world.storage.content(p) for p in fake.world.storage.files if _can_read(fake, p)]
    frozen = _frozen_by_the_removed(fake)
    return [
        path
        for path in removed
        if path in was.works
        and was.works[path] not in left
        and path not in frozen
        and path not in discarded
    ]


def agreed(plan: Plan, request: PlanRequest) -> frozenset[ImagePath]:
    """Images of a branch that a person was asked about, and agreed to be rid of: never in a loop."""
    if request.consent is Consent.LOOP:
        return frozenset()
    return frozenset(
        step.action.path
        for domain in plan.domains
        for step in domain.steps
        if isinstance(step.action, RemoveImage)
        and step.action.cause is RemovalCause.ABANDONED
        and step.id in {held.step for held in domain.held_from_run}
    )


def _frozen_by_the_removed(fake: FakeHost) -> set[ImagePath]:
    """By snapshots that no ledger calls taken."""
    ledgers = [domain.ledger for domain in fake.world.domains.values() if domain.ledger]
    taken = {
        (ledger.uuid, entry.uid)
        for ledger in ledgers
        for entry in ledger.entries
        if entry.state is EntryState.TAKEN
    }
    numbers = {number for key, number in fake.world.moments.uids.items() if key in taken}
    return {
        place.image
        for number, moment in enumerate(fake.world.moments.taken)
        if number not in numbers
        for place in moment.places.values()
    }


def _held(fake: FakeHost, domain: FakeDomain) -> set[str]:
    observed = fake.observe().domain(domain.uuid)
    if observed is None or observed.ledger is None:
        return set()
    entries = {entry.name for entry in observed.ledger.entries if entry.is_held}
    return entries | {record.name for record in observed.records if record.is_held}


def _works(fake: FakeHost) -> dict[ImagePath, Content]:
    storage, found = fake.world.storage, {}
    for domain in fake.world.domains.values():
        for path in domain.ledger.image_paths if domain.ledger else ():
            file = storage.files.get(path)
            content = moments.read(storage, Place(image=path))
            if file is not None and not file.is_untouched and content is not None:
                found[path] = content
    return found


def _can_read(fake: FakeHost, path: ImagePath) -> bool:
    return moments.read(fake.world.storage, Place(image=path)) is not None


def wish_for(domain: FakeDomain, desired: Desired) -> DesiredDomain | None:
    """What is declared of it."""
    names = (domain.name, domain.uuid)
    return next((wish for wish in desired.domains if wish.domain in names), None)
