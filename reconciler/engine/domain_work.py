"""The work on one domain: under its lock and fence, step by step, looking after each."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from reconciler.engine import after_trouble, fence, hooks, steps
from reconciler.engine.hooks import StepHooks
from reconciler.engine.listener import Listener
from reconciler.engine.ports import Clock, Hypervisor, Identity, Journal, Locks
from reconciler.engine.slots import Slots
from reconciler.errors import Interrupted, PlanStaleError, PostconditionError, VirtsnapError
from reconciler.model.action import ThawGuest
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.ledger import Ledger
from reconciler.model.names import DomainUuid, HostName
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.refusal import Refusal
from reconciler.model.suspension import ByHand, suspension_of
from reconciler.planning import (
    before_step,
    bookkeeping,
    completion,
    differ,
    fingerprint,
    postcondition,
)
from reconciler.planning.index import index_of
from reconciler.planning.world import World, world_of


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the executor works with."""

    hosts: Mapping[HostName, Hypervisor]
    journal: Journal
    locks: Locks
    clock: Clock
    identity: Identity
    listener: Listener
    #: set by Ctrl-C or SIGTERM: end at the next safe point
    stop: threading.Event
    #: seconds to wait for another virtsnap that is at work on a domain
    lock_patience: float = 0.0
    #: what people suspended by hand until now
    suspensions: Callable[[], tuple[ByHand, ...]] = tuple
    #: asked before each step and told after it
    hooks: StepHooks | None = None


@dataclass(kw_only=True)
class DomainWork:
    """One domain's plan being carried out; *done* counts its steps."""

    plan: DomainPlan
    uuid: DomainUuid
    desired: Desired
    host: DesiredHost
    block_jobs: Slots
    tools: Tools
    #: called before a wait for another domain's block job
    on_wait: Callable[[], None] = lambda: None
    done: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    #: the window closed before the first disruptive step
    is_too_late: bool = False
    #: as it was last read or written
    ledger: Ledger | None = None
    #: the guest was shut down for this plan, and had no say in it
    was_forced: bool = False
    #: begun and not yet seen done
    step: Step | None = None
    _serial: int = 0
    _is_fenced: bool = False
    _has_disrupted: bool = False
    _under_way: Step | None = None
    #: the domain as it was last looked at
    _seen: World | None = None

    @property
    def port(self) -> Hypervisor:
        """The domain's libvirt."""
        return self.tools.hosts[self.plan.host]

    def carry_out(self, todo: tuple[Step, ...]) -> None:
        """Do the steps in order; a refusal met on the way ends it quietly, an error raises."""
        world = self._as_planned()
        if differ.rebuild_only(world):
            # one write: half a ledger under a new serial would look like a whole one
            self._rebuild(world, todo)
            return
        self._take_fence(world)
        try:
            self._steps(todo)
            after_trouble.pay(self)
        except Exception:
            after_trouble.pay(self)
            raise
        finally:
            self._drop_fence()

    def _steps(self, todo: tuple[Step, ...]) -> None:
        world = self._as_planned()
        for step in todo:
            if self._has_closed(step):
                self.is_too_late = True
                return
            after = self._step(step, world)
            if after is None:
                return
            world = after

    def _as_planned(self) -> World:
        """The domain, on which nothing has changed since the plan; nor was it suspended."""
        suspensions = self.tools.suspensions()
        said = suspension_of(suspensions, self.plan.host, self.plan.domain, self.uuid)
        if said is not None and self.plan.by_hand is None:
            raise PlanStaleError(
                f"cannot apply the plan of {self.plan.domain}: it was suspended by hand since",
                hint="virtsnap plan, to see by whom",
            )
        world = self.observe()
        # serials are in no fingerprint; what they mean is: a rebuild writes what it does not do
        is_other = differ.rebuild_only(world) is not differ.is_rebuild(self.plan.drift)
        if fingerprint.of(world) != self.plan.fingerprint or is_other:
            raise PlanStaleError(
                f"cannot apply the plan of {self.plan.domain}: the domain has changed since",
                hint="virtsnap plan, and look again",
            )
        return world

    def left(self) -> str:
        """What an interrupted plan has not done, in one line."""
        names = [f"{s.action.name}" for s in self.plan.steps[self.done :]]
        return f"{len(names)} of {len(self.plan.steps)} steps left: {', '.join(names)}"

    def observe(self) -> World:
        """The domain with its neighbourhood as it is now."""
        observed = self.port.observe()
        domain = next((d for d in observed.domains if d.uuid == self.uuid), None)
        if domain is None:
            raise PlanStaleError(
                f"cannot apply the plan of {self.plan.domain}: the domain has gone",
                hint="virtsnap plan",
            )
        self.ledger = domain.ledger
        self._seen = world_of(index_of(observed), domain, self.host.folders)
        return self._seen

    def _has_closed(self, step: Step) -> bool:
        """The steps before took so long; what has begun in its window is finished."""
        closes = self.plan.window_closes
        if closes is None or not step.is_disruptive or self._has_disrupted:
            return False
        self._has_disrupted = self.tools.clock.now() < closes
        return not self._has_disrupted

    def stop_asked(self) -> bool:
        """Ctrl-C or SIGTERM came."""
        return self.tools.stop.is_set()

    # --- one step

    def _step(self, step: Step, world: World) -> World | None:
        if not step.action.card.is_block_job:
            return self._do(step, world)
        with self.block_jobs.held(waiting=self.on_wait) as has_waited:
            # the wait may have been long
            return self._do(step, self.observe() if has_waited else world)

    def _do(self, step: Step, world: World) -> World | None:
        if self.stop_asked():
            raise Interrupted(f"interrupted before {step.action.name} on {self.plan.domain}")
        return hooks.between(self, step, world, lambda seen: self._do_now(step, seen))

    def _do_now(self, step: Step, world: World) -> World | None:
        why = before_step.why_not(world, step.action)
        if why is not None:
            self.refusals.append(why)
            return None
        fence.check(self.port, self.uuid, holder=self.tools.identity.holder())
        self.step = step
        self.tools.listener.step_started(self.plan, step)
        result = steps.perform(self, step, world)
        if isinstance(result, Refusal):
            self.refusals.append(result)
            return None
        after = self.observe()
        by_people = postcondition.by_people(world, step.action, after)
        if by_people is not None:
            raise PlanStaleError(
                f"cannot go on with {self.plan.domain}: {by_people} during {step.action.name}",
                hint="virtsnap plan, and look again",
            )
        difference = postcondition.difference(world, step.action, after)
        if difference is not None:
            raise PostconditionError(
                f"cannot go on with {self.plan.domain}: after {step.action.name} {difference}",
                hint="virtsnap plan shows what is left to do",
            )
        self.done += 1
        self.step = None
        self.tools.listener.step_finished(self.plan, step, result)
        return after

    # --- the ledger

    def write(self, ledger: Ledger, world: World, *, step: Step | None = None) -> Ledger:
        """Write *ledger* under the next serial, with our fence; note it in the journal.

        A fence that somebody took over meanwhile is never written over.
        """
        return self._write(self._next(ledger, world), step)

    def write_by(self, call: Callable[[Ledger], None], ledger: Ledger, world: World) -> None:
        """Let *call* write *ledger* together with what it does itself."""
        following = self._next(ledger, world)
        call(following)
        self._note(following, None)

    def _next(self, ledger: Ledger, world: World) -> Ledger:
        if self._is_fenced:
            fence.check(self.port, self.uuid, holder=self.tools.identity.holder())
        highest = max(world.highest_serial, self._serial)
        holder = self.tools.identity.holder()
        fenced = fence.fenced(ledger, self.tools.clock, holder=holder, plan_id=self.plan.plan_id)
        return bookkeeping.next_serial(fenced, highest)

    def still_at_it(self) -> None:
        """Said during a long step: the fence is put off well before it would be over."""
        fenced = self.ledger.fence if self.ledger else None
        if self.ledger is None or fenced is None or not self._is_fenced:
            return
        if self.tools.clock.now() < fenced.until - fence.LASTS + fence.RENEWED_AFTER:
            return
        fence.check(self.port, self.uuid, holder=self.tools.identity.holder())
        renewed = fence.fenced(
            self.ledger, self.tools.clock, holder=fenced.holder, plan_id=fenced.plan_id
        )
        self._write(bookkeeping.next_serial(renewed, self._serial), self._under_way)

    def _write(self, ledger: Ledger, step: Step | None) -> Ledger:
        self.port.write_ledger(self.uuid, ledger)
        return self._note(ledger, step)

    def _note(self, ledger: Ledger, step: Step | None) -> Ledger:
        self._serial, self.ledger, self._under_way = ledger.serial, ledger, step
        if step is not None:
            name = f"{self.plan.plan_id} {step.id} {step.action.name}"
            self.tools.journal.intend(self.uuid, step=name, ledger=ledger)
        else:
            self.tools.journal.confirm(self.uuid, ledger=ledger)
        return ledger

    def _rebuild(self, world: World, todo: tuple[Step, ...]) -> None:
        if not hooks.all_before(self, todo):
            return
        is_done = False
        try:
            self._rebuild_now(self._as_planned() if self.tools.hooks else world, todo)
            is_done = True
        finally:
            hooks.all_after(self, todo, is_done=is_done)

    def _rebuild_now(self, world: World, todo: tuple[Step, ...]) -> None:
        ledger = bookkeeping.without_debts(world.ledger)  # it may be a copy
        for step in todo:
            self.tools.listener.step_started(self.plan, step)
            if isinstance(step.action, ThawGuest):
                self.port.thaw(self.uuid)
            ledger = bookkeeping.confirmed(ledger, step.action, source=self.desired.source)
        ledger = completion.completed(world.with_ledger(ledger))
        self._write(bookkeeping.next_serial(ledger, world.highest_serial), None)
        for step in todo:
            self.done += 1
            self.tools.listener.step_finished(self.plan, step, "")

    def _take_fence(self, world: World) -> None:
        holder = self.tools.identity.holder()
        clock = self.tools.clock
        deadline = clock.now() + timedelta(seconds=self.tools.lock_patience)
        while True:
            present = self.port.read_ledger(self.uuid)
            if not fence.is_held_elsewhere(world, present, clock, holder):
                break
            if self.stop_asked():
                raise Interrupted(f"interrupted while {self.plan.domain} was fenced")
            if clock.now() >= deadline:
                raise fence.locked(self.uuid, present.fence if present else None)
            clock.wait(fence.SETTLES_AFTER)
            world = self._as_planned()
        if present is not None and present.serial > world.ledger.serial:
            world = self._as_planned()  # written since we looked: theirs must not be lost
        self.write(world.ledger, world)
        self._is_fenced = True
        self.tools.clock.wait(fence.SETTLES_AFTER)
        fence.check(self.port, self.uuid, holder=holder)

    def _drop_fence(self) -> None:
        """Best effort: a fence that stays ends by itself."""
        try:
            ledger = self.port.read_ledger(self.uuid)
            holder = self.tools.identity.holder()
            if ledger and ledger.fence and ledger.fence.holder == holder:
                seen = self._seen
                if seen is not None and seen.ledger.serial == ledger.serial:
                    ledger = completion.completed(seen)
                self._write(replace(ledger, fence=None, serial=ledger.serial + 1), None)
        except VirtsnapError:
            return
