"""The machine: every rule is something that happens to a host, and a pass is checked on all laws."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from reconciler.errors import HypervisorError
from reconciler.model.desired import (
    Desired,
    DesiredDomain,
    DesiredHost,
    Limits,
    Origin,
    Prune,
)
from reconciler.model.drift import LedgerStale
from reconciler.model.plan import DomainPlan, Plan
from reconciler.model.request import PlanRequest
from tests.engine import oracle
from tests.engine.passes import Pass, planned, reconciled
from tests.engine.telling import host_told, pass_told
from tests.engine.test_crashes import MOMENTS
from tests.engine.test_properties import unstartable
from tests.fakes import moments
from tests.fakes.administrator import Administrator
from tests.fakes.controller import SOURCE
from tests.fakes.happenings import Happening
from tests.fakes.host import FakeHost
from tests.fakes.picking import Draw, a_domain, pick
from tests.fakes.world import LIBVIRT_9_0, LOCAL, Crash, Fault, World
from tests.machine import laws
from tests.machine.memory import Memory
from tests.machine.tally import TALLY
from tests.machine.watched import WatchedHost
from tests.machine.wishes import Edit, ask_to_go_back, ask_to_go_back_inside, declare, take_out
from tests.strategies import LIBVIRT_11_3, OBEDIENCE, Situation, begin

#: a crash, the pass that repairs, those that meet what the repair made possible
PASSES = 6
#: more guests than this are nobody's on one host of these tests
GUESTS = 4
VERSIONS = (LIBVIRT_9_0, LIBVIRT_11_3)
#: what makes a pass long enough to die in
TROUBLING: tuple[Edit, ...] = (
    declare,
    take_out,
    take_out,
    ask_to_go_back,
    ask_to_go_back,
    ask_to_go_back_inside,
)


class HostMachine(RuleBasedStateMachine):
    """One to three guests, what is declared of them, and all that was ever declared."""

    fake: WatchedHost
    wishes: dict[str, DesiredDomain]

    @initialize(data=st.data())
    def begins(self, data: st.DataObject) -> None:
        """A host with nothing taken yet; each guest has a manifest."""
        TALLY.runs += 1
        self.fake = WatchedHost(World(version=data.draw(st.sampled_from(VERSIONS))))
        begin(data.draw, self.fake, OBEDIENCE)
        self.wishes = {
            domain.name: DesiredDomain(
                host=LOCAL,
                domain=domain.name,
                snapshots=(),
                origin=Origin(manifest=f"{domain.name}.yaml"),
                prune=data.draw(st.sampled_from((Prune.AUTO, Prune.AUTO, Prune.NEVER))),
            )
            for domain in self.fake.world.domains.values()
        }
        self.revisions = [dict(self.wishes)]
        self.prune_gone = Prune.NEVER
        self.memory = Memory()
        #: guests with something begun for which the laws of power have no "before" of their own
        self.powers: dict[str, oracle.PowerBefore | None] = {}
        #: who met a refusal on the way in the last pass, or waited for somebody
        self.met = set[str]()
        self.is_broken = False
        for domain in tuple(self.fake.world.domains.values()):
            for _ in range(data.draw(st.integers(0, 2))):
                wish = self.wishes[domain.name]
                self.wishes[domain.name] = declare(data.draw, wish, domain)
        self.revisions.append(dict(self.wishes))
        self._pass(PlanRequest())

    # What people do

    def by_hand(self, verb: str, happening: Happening, draw: Draw) -> None:
        """One deed; virsh may refuse it."""
        guests = len(self.fake.world.domains)
        # Transient ones go when they are shut off; with none left there is nothing to meddle with.
        if not guests or (verb == "define_another" and guests >= GUESTS):
            return
        with self._step():
            before = copy.deepcopy(self.fake.world)
            with suppress(HypervisorError):
                happening(draw, self.fake)
            moments.after_deed(self.fake.world)
            TALLY.fired[verb] += before != self.fake.world
            self._touched(before)

    def _touched(self, before: World) -> None:
        """Whose power or ledger was meddled with is nobody's debt any more."""
        self.memory.note_deed(self.fake)
        for uuid, domain in self.fake.world.domains.items():
            was = before.domains.get(uuid)
            if was is not None and domain.name in self.powers:
                same = (was.power, was.ledger, was.has_managed_save) == (
                    domain.power,
                    domain.ledger,
                    domain.has_managed_save,
                )
                self.powers[domain.name] = self.powers[domain.name] if same else None

    @rule(data=st.data())
    def older_ledger(self, data: st.DataObject) -> None:
        """``define`` of what was dumped days ago."""

        def put(draw: Draw, fake: FakeHost) -> None:
            domain = a_domain(draw, fake)
            older = pick(draw, self.memory.ledgers.get(domain.uuid, []))
            if older is not None and older != domain.ledger:
                Administrator(fake).put_ledger(domain.name, older)

        self.by_hand("older_ledger", put, data.draw)

    # What is declared

    def edit(self, edit: Edit, draw: Draw) -> None:
        """One manifest is changed."""
        with self._step():
            domain = a_domain(draw, self.fake) if self.fake.world.domains else None
            wish = self.wishes.get(domain.name) if domain else None
            if domain is None or wish is None:
                return
            self._declare({**self.wishes, domain.name: edit(draw, wish, domain)}, edit.__name__)

    @rule(data=st.data())
    def restore_revision(self, data: st.DataObject) -> None:
        """``git revert``: all manifests as they were."""
        with self._step():
            self._declare(data.draw(st.sampled_from(self.revisions)), "restore_revision")

    @rule(data=st.data())
    def remove_manifest(self, data: st.DataObject) -> None:
        """A manifest goes; whether that means anything, the Host says."""
        with self._step():
            gone = pick(data.draw, sorted(self.wishes))
            self.prune_gone = data.draw(st.sampled_from(Prune))
            left = {name: wish for name, wish in self.wishes.items() if name != gone}
            self._declare(left, "remove_manifest")

    def _declare(self, wishes: dict[str, DesiredDomain], rule_name: str) -> None:
        TALLY.fired[rule_name] += wishes != self.wishes
        for name in self.powers:
            is_same = wishes.get(name) == self.wishes.get(name)
            self.powers[name] = self.powers[name] if is_same else None
        if wishes != self.wishes:
            self.revisions.append(dict(wishes))
        self.wishes = dict(wishes)

    # What virtsnap does

    def whole_pass(self, name: str, request: PlanRequest) -> None:
        """A whole pass."""
        with self._step():
            TALLY.fired[name] += self._pass(request)

    def _pass(self, request: PlanRequest, *, fault: Fault | None = None) -> bool:
        fake = self.fake
        fake.world.clock.wait(60)
        fake.observe()  # who obeys late has done so
        fake.world.changes.clear()
        situation = Situation(fake=fake, desired=self.desired, request=request)
        plan = self._plan_twice(situation)
        laws.what_is_claimed(fake, plan)
        was = laws.before(fake, situation, plan)
        powers = {**oracle.powers(fake), **self.powers}
        note("\n".join(host_told(fake)))
        fake.world.fault = fault
        result: Pass | None = None
        with suppress(Crash):
            result = reconciled(fake, situation.desired, request)
        fake.world.fault = None
        note(pass_told(result) if result else f"died: {fake.world.changes}")
        is_whole = fault is None and result is not None
        laws.after_any_pass(was, fake, self.memory, is_whole=is_whole)
        self.memory.note_pass(fake, situation.desired)
        moments.after_pass(fake.world)
        if result is None or not is_whole:
            # A ledger that is rebuilt learns of requests which were done long before.
            unclear = {d.domain for d in plan.domains if _is_not_due(d)}
            self.powers = {n: None if n in unclear else due for n, due in powers.items()}
        else:
            laws.after_whole_pass(was, result, fake)
            ends = result.outcomes
            self.met = {o.domain for o in ends if o.refusals != o.plan.refusals or o.waits_for}
            if not was.is_seen_whole:  # what cannot be seen may have gone
                self.met |= {o.domain for o in ends if o.error}
            self._check_power(powers, result, situation)
            self.powers = {}
        return bool(fake.world.changes)

    def _plan_twice(self, situation: Situation) -> Plan:
        before = copy.deepcopy(self.fake.world)
        one = planned(self.fake, situation.desired, situation.request)
        two = planned(self.fake, situation.desired, situation.request)
        laws.check("planning changes nothing", 1, one != two or before != self.fake.world)
        return one

    def _check_power(
        self, powers: dict[str, oracle.PowerBefore | None], result: Pass, situation: Situation
    ) -> None:
        known = {name: was for name, was in powers.items() if was is not None}
        expected = oracle.power_after(self.fake, known, situation.desired)
        excused = unstartable(self.fake, situation)
        planned_for = {o.domain for o in result.outcomes if not _is_not_due(o.plan)}
        wrong = []
        for domain in self.fake.observe().domains:
            owed = domain.ledger.owed if domain.ledger else None
            may_obey_late = owed is not None and owed.until is not None and domain.is_active
            if (
                domain.name in expected
                and domain.name in planned_for
                and domain.name not in excused
                and not may_obey_late
                and self.fake.domain(domain.name).obeys_at is None
                and domain.power is not expected[domain.name]
            ):
                wrong.append((domain.name, domain.power, expected[domain.name]))
        laws.check("every guest does what it did", len(expected), wrong)

    def broken_pass(self, name: str, make: Callable[[int, str], Fault], draw: Draw) -> None:
        """A manifest is changed, and the pass that follows dies, or one call in it fails."""
        with self._step():
            domain = a_domain(draw, self.fake) if self.fake.world.domains else None
            wish = self.wishes.get(domain.name) if domain else None
            if domain is not None and wish is not None:
                wish = draw(st.sampled_from(TROUBLING))(draw, wish, domain)
                self._declare({**self.wishes, domain.name: wish}, "a change of it")
            number, moment = draw(st.integers(1, 12)), draw(st.sampled_from(MOMENTS))
            self._pass(PlanRequest(), fault=make(number, moment))
            TALLY.fired[name] += len(self.fake.world.changes) >= number

    @rule()
    def settles(self) -> None:
        """Pass after pass, until nothing is left to do."""
        with self._step():
            TALLY.fired["settles"] += self.settle()

    def settle(self) -> bool:
        """Whether anything was done."""
        request, is_changed = PlanRequest(), False
        for _ in range(PASSES):
            self.fake.world.clock.wait(3600)
            is_changed |= self._pass(request)
            if not list(self._open_steps(request)):
                break
        note("\n".join(host_told(self.fake)))
        laws.check("passes come to an end", 1, list(self._open_steps(request)))
        return is_changed

    def _open_steps(self, request: PlanRequest) -> Iterator[object]:
        """What a further pass would do, but for whoever met in the last one what it could not."""
        for plan in planned(self.fake, self.desired, request).domains:
            if plan.domain not in self.met:
                yield from (s for s in plan.steps if s.id not in plan.held_steps)

    @property
    def desired(self) -> Desired:
        """The source as it is now."""
        return Desired(
            source=SOURCE,
            revision=None,
            is_complete=True,
            hosts=(DesiredHost(name=LOCAL, prune_gone=self.prune_gone, limits=Limits(domains=1)),),
            domains=tuple(self.wishes.values()),
        )

    @contextmanager
    def _step(self) -> Iterator[None]:
        TALLY.steps += 1
        self.is_broken = True
        yield
        self.is_broken = False  # not reached where the step raised

    def teardown(self) -> None:
        """In the end there is nothing left to do."""
        if hasattr(self, "is_broken") and not self.is_broken:
            self.settle()


def _is_not_due(plan: DomainPlan) -> bool:
    """A ledger is rebuilt first."""
    return any(isinstance(difference, LedgerStale) for difference in plan.drift)
