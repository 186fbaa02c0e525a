"""Every fault at every call of a scenario on the fake, and what the passes after it make of it."""

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from reconciler.engine import executor, reconcile
from reconciler.engine.ports import Hypervisor, Journal, Locks
from reconciler.errors import VirtsnapError
from reconciler.model.action import Action
from reconciler.model.ledger import Ledger, Remembered
from reconciler.model.names import DomainUuid, ImagePath
from reconciler.model.outcome import DomainOutcome
from reconciler.model.refusal import RefusalCode
from tests.engine import oracle
from tests.engine.passes import planned, reconciled, tools
from tests.fakes import power
from tests.fakes.domain import FakeDefinition
from tests.fakes.host import FakeHost
from tests.fakes.world import Crash
from tests.faults.boundaries import Boundary, Fault, faults_at
from tests.faults.scenarios import WEB01, Scenario
from tests.faults.seam import Seam

#: after a fault: the pass that repairs, and those that meet what the repair made possible
PASSES = 5
#: they change nothing, so that before and after are the same, and so is when one dies
READS = ("observe", "read_ledger", "freeze_status", "image_in_use", "remembered")
#: a ledger that went back with the machine cannot prove these
_UNPROVEN = (RefusalCode.SNAPSHOT_LOST, RefusalCode.REVERT_UNPROVEN)


class NotConverged(AssertionError):
    """After the fault the host is not as it must be."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault at one call."""

    number: int
    at: Boundary
    fault: Fault


@dataclass
class Undisturbed:
    """The scenario without a fault."""

    fake: FakeHost
    calls: tuple[Boundary, ...]
    #: the numbers of those calls that can be stopped in the middle
    divisible: frozenset[int]
    actions: frozenset[type[Action]]  # type: ignore[valid-type]  # a union of classes
    refused: frozenset[RefusalCode]


class AsWired:
    """The journal as the command has it read: what cannot be read was not written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def remembered(self, domain: DomainUuid) -> Remembered:
        """What was written from here, as far as can be read."""
        try:
            return self._journal.remembered(domain)
        except VirtsnapError:
            return Remembered()


def one_pass(fake: FakeHost, scenario: Scenario, seam: Seam) -> DomainOutcome | None:
    """Plan and apply behind *seam*; None when the pass died, or could not even observe."""
    real = fake.world.journal
    desired, host = scenario.desired, seam.around(Hypervisor, fake)
    whole = tools(fake, desired)
    whole = replace(
        whole,
        hosts={each.name: host for each in desired.hosts},
        journal=seam.around(Journal, real),
        locks=seam.around(Locks, whole.locks),
    )
    fake.world.journal = AsWired(whole.journal)  # type: ignore[assignment]  # what is read of it
    try:
        observed = {each.name: host.observe() for each in desired.hosts}
        plan = reconcile.make_plan(desired, observed, scenario.request, now=fake.world.clock.now())
        outcomes = executor.apply(plan, desired, scenario.request, whole)
    except (Crash, VirtsnapError):
        return None
    finally:
        fake.world.journal = real
    return next(o for o in outcomes if o.domain == WEB01)


def undisturbed(scenario: Scenario) -> Undisturbed:
    """The calls of the first pass, and where the passes end."""
    fake, seam = scenario.build(), Seam()
    divisible: set[int] = set()

    def note(_number: int, _method: str, when: str) -> None:
        if when == "during":
            divisible.add(len(seam.calls))

    fake.world.fault = note
    actions: set[type] = set()
    first = planned(fake, scenario.desired, scenario.request)
    actions |= {type(s.action) for d in first.domains for s in d.steps}
    if one_pass(fake, scenario, seam) is None:
        raise NotConverged(f"{scenario} does not even begin")
    fake.world.fault = None
    calls = tuple(seam.calls)
    refused = _settled(fake, scenario)[1]
    return Undisturbed(fake, calls, frozenset(divisible), frozenset(actions), refused)


def injections(whole: Undisturbed) -> Iterator[Injection]:
    """Every fault at every call; of calls that only read each state of the host once."""
    known: set[tuple[Boundary, Fault]] = set()
    for number, at in enumerate(whole.calls, 1):
        inside = tuple(f for f in Fault if f.is_inside and number in whole.divisible)
        for fault in (*faults_at(at), *inside):
            is_same = at.method in READS and (not fault.is_before or fault.is_death)
            if is_same and (at, fault) in known:
                continue
            known.add((at, fault))
            yield Injection(number, at, fault)


def expected(scenario: Scenario) -> dict[str, dict[str, int]]:
    """How often each fault is injected at each boundary."""
    found: dict[str, dict[str, int]] = {}
    for injection in injections(undisturbed(scenario)):
        of = found.setdefault(str(injection.at), {})
        of[injection.fault.value] = of.get(injection.fault.value, 0) + 1
    return found


def drive(scenario: Scenario, share: float = 1.0) -> list[tuple[Boundary, Fault, int]]:
    """Every fault at every call (or a *share* of them, always the same); the passes each took."""
    whole = undisturbed(scenario)
    random = Random(scenario.name)
    found = []
    for injection in injections(whole):
        if random.random() < share:
            try:
                passes = injected(scenario, whole, injection)
            except NotConverged as error:
                where = f"{injection.fault} at call {injection.number}, {injection.at}"
                raise NotConverged(f"{scenario}: {where}: {error}") from error
            found.append((injection.at, injection.fault, passes))
    return found


def injected(scenario: Scenario, whole: Undisturbed, injection: Injection) -> int:
    """Let it happen, go on, and demand that all is as it must be; the passes it took afterwards.

    0: the same pass went on to its end."""
    fake = scenario.build()
    before = fake.views()
    history = _History(fake)
    inside = partial(_inside, fake)
    seam = Seam(injection.number, injection.fault, watch=history.note, inside=inside)
    one_pass(fake, scenario, seam)
    if seam.met != injection.at:
        raise NotConverged(f"call {injection.number} is {seam.met}, not {injection.at}")
    # half of an internal revert leaves the guest off with its present kept: the next pass ends it
    is_halfway = injection.fault.is_inside and injection.at.method == "revert_internal"
    lost = () if is_halfway else oracle.lost(fake, before, scenario.desired)
    _demand(not lost, f"data of {lost} is lost at once")
    if injection.fault.is_of_machine:
        history.power_lost()
    for domain in fake.world.domains.values():
        if domain.is_active:
            fake.guest_goes_on(domain.name)
    middle = fake.views()
    taken = _taken(fake)

    passes, refused = _settled(fake, scenario)

    lost = oracle.lost(fake, middle, scenario.desired)
    _demand(not lost, f"data of {lost} is lost")
    _demand_snapshots(fake, scenario, whole, middle, taken, refused)
    _demand_nothing_left(fake, whole, injection, refused)
    return passes


def _inside(fake: FakeHost, error: BaseException, call: Callable[[], Any]) -> Any:
    """Let the fake fail at its first point in the middle of *call*."""

    def fault(_number: int, _method: str, when: str) -> None:
        if when == "during":
            fake.world.fault = None
            raise error

    fake.world.fault = fault
    try:
        return call()
    finally:
        fake.world.fault = None


def _settled(fake: FakeHost, scenario: Scenario) -> tuple[int, frozenset[RefusalCode]]:
    """Passes until none has anything to do: how many did something, and what is refused at the end."""
    for number in range(PASSES + 1):
        fake.world.clock.wait(3600)
        plan = planned(fake, scenario.desired, scenario.request)
        (domain,) = (d for d in plan.domains if d.domain == WEB01)
        if not domain.steps:
            return number, frozenset(r.code for r in domain.refusals)
        reconciled(fake, scenario.desired, scenario.request)
    raise NotConverged(f"still to be done after {PASSES} passes: {domain.steps}")


def _taken(fake: FakeHost) -> frozenset[str]:
    return frozenset(fake.domain(WEB01).records)


def _demand(holds: object, what: str) -> None:
    if not holds:
        raise NotConverged(what)


def _demand_snapshots(
    fake: FakeHost,
    scenario: Scenario,
    whole: Undisturbed,
    middle: oracle.Views,
    taken: frozenset[str],
    refused: frozenset[RefusalCode],
) -> None:
    """Those that stay are those that stay without a fault, each holding what it held."""
    now, due = _without_doubles(_taken(fake)), _without_doubles(_taken(whole.fake))
    is_excused = bool(refused & set(_UNPROVEN) - whole.refused)
    _demand(
        now == due or (is_excused and now <= due), f"{sorted(now)} are there, not {sorted(due)}"
    )
    after = fake.views()
    for key, view in after.items():
        if len(key) == 3 and key[0] == WEB01:
            _demand(view is not None, f"{key} cannot be read")
            if key[2] in taken:
                _demand(view == middle[key], f"{key} holds something else")
            elif key[1] != "memory":
                _demand(view == middle[key[:2]], f"{key} is not what the guest had")


def _without_doubles(names: frozenset[str]) -> set[str]:
    """Who died between keeping the present and the revert keeps it once more."""
    return {name for name in names if not re.fullmatch(r"before-revert-.*-\d+", name)}


def _demand_nothing_left(
    fake: FakeHost, whole: Undisturbed, injection: Injection, refused: frozenset[RefusalCode]
) -> None:
    """No orphan, fence, debt, job or frozen guest; the power as it would have been."""
    domain, due = fake.domain(WEB01), whole.fake.domain(WEB01)
    is_excused = bool(refused & set(_UNPROVEN))
    extra = refused - whole.refused
    _demand(not extra or (injection.fault.is_of_machine and is_excused), f"refused: {extra}")
    _demand(not domain.agent.is_frozen, "the guest is left frozen")
    _demand(not domain.jobs or due.jobs, f"a job is left: {domain.jobs}")
    ledger = fake.read_ledger(domain.uuid) or Ledger(uuid=domain.uuid)
    _demand(ledger.owed is None, f"a debt is left: {ledger.owed}")
    _demand(not ledger.is_freezing, "the mark of a freeze is left")
    # the ledger may list, until the next plan, files that are gone
    files = fake.world.storage.files
    begun = [c for c in ledger.commits if set(c.merged) & set(files)]
    due_begun = due.ledger.commits if due.ledger else ()
    _demand(len(begun) <= len(due_begun), f"commits are left: {begun}")
    now = fake.world.clock.now()
    _demand(ledger.fence is None or ledger.fence.until <= now, f"a fence is left: {ledger.fence}")
    # who dies before the ledger knows of its new files leaves their names taken, and nothing in them
    empty = {path for path, file in files.items() if file.is_empty}
    left = orphans(fake) - orphans(whole.fake) - empty
    if injection.fault.is_of_machine:
        # what was given up is void in a ledger that went back: full images are for a person
        listed = {image.path for image in ledger.images}
        full = {path for path in left if fake.world.storage.file(ImagePath(path)).clusters}
        left -= full & listed
    _demand(not left, f"images are left: {sorted(left)}")
    # a machine that comes back does not know who was paused
    is_right = domain.is_active == due.is_active
    is_right &= injection.fault.is_of_machine or domain.power is due.power
    _demand(is_right, f"it is {domain.power}, not {due.power}")
    if not injection.fault.is_of_machine:
        states = {e.name: e.state for e in ledger.entries}
        due_states = {e.name: e.state for e in (due.ledger.entries if due.ledger else ())}
        doubles = set(states) - _without_doubles(frozenset(states))
        states = {name: state for name, state in states.items() if name not in doubles}
        _demand(states == due_states, f"the ledger says {states}, not {due_states}")


def orphans(fake: FakeHost) -> set[str]:
    """Files that no definition and no record reaches."""
    storage, needed = fake.world.storage, set[str]()
    for domain in fake.world.domains.values():
        for definition in domain.definitions:
            for disk in definition.disks:
                needed |= _reached(fake, disk.source) | set(disk.stated or ())
        for record in domain.records.values():
            needed |= {record.memory_file} if record.memory_file else set()
            for taken in record.disks.values():
                needed |= _reached(fake, taken.source)
    return set(storage.files) - needed


def _reached(fake: FakeHost, path: Any) -> set[str]:
    chain = fake.world.storage.header_chain(path)
    return set(chain.images) if chain else {path}


@dataclass
class _History:
    """What the file of the definition was before its last write."""

    fake: FakeHost
    _definitions: list[FakeDefinition] = field(default_factory=list)

    def note(self) -> None:
        """Look whether something was written since."""
        persistent = self.fake.domain(WEB01).persistent
        assert persistent is not None
        if not self._definitions or self._definitions[-1] != persistent:
            self._definitions.append(copy.deepcopy(persistent))

    def power_lost(self) -> None:
        """Guests end; the definition's file goes back by one write, if that was the ledger's.

        The machine comes back with the guests that were on.
        """
        was_on = [d for d in self.fake.world.domains.values() if d.is_active]
        domain = self.fake.domain(WEB01)
        self.note()
        for each in tuple(self.fake.world.domains.values()):
            power.shut_off(self.fake.world, each)
        if len(self._definitions) > 1 and domain.persistent is not None:
            before = self._definitions[-2]
            is_revert = self.fake.world.changes[-1:] == ["define_reverted"]
            if is_revert or before.disks == domain.persistent.disks:
                domain.persistent = copy.deepcopy(before)
        for each in was_on:
            power.start(self.fake.world, each)
