"""The whole loop: causes in, passes out, until it is stopped."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from shlex import quote

from reconciler.controller.board import Board
from reconciler.controller.causes import Causes
from reconciler.controller.host_loop import Asked, HostLoop, Means, Orders
from reconciler.controller.keeper import Keeper
from reconciler.engine.domain_work import Tools
from reconciler.engine.ports import Hypervisor
from reconciler.engine.slots import Slots
from reconciler.errors import HypervisorError, Interrupted, SourceError, VirtsnapError
from reconciler.model.controller import ControllerState, DomainState
from reconciler.model.desired import Desired, DesiredHost
from reconciler.model.names import HostName
from reconciler.model.outcome import DomainOutcome
from reconciler.model.request import PlanRequest
from reconciler.source.watch import changes

#: Somebody who waits for an outcome looks this often, in seconds.
_LOOK = 0.25
#: The loop looks whether it is to stop, and shows that it is alive, at least this often, in seconds.
TICK = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a controller runs."""

    interval: float
    is_report_only: bool = False
    max_deletions: int | None = None
    #: block jobs on all hosts together
    block_jobs: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a controller is given: the world, as functions."""

    keeper: Keeper
    open_host: Callable[[DesiredHost], Hypervisor]
    tools: Callable[[DesiredHost, Hypervisor, Board, threading.Event], Tools]
    request: PlanRequest
    board: Board
    now: Callable[[], datetime]
    #: marks what a person suspended
    suspended: Callable[[Desired], Desired]


class Controller:
    """Looks at the source and passes orders to the loop of each host."""

    def __init__(self, setting: Setting, around: Surroundings, stop: threading.Event) -> None:
        self._setting = setting
        self._around = around
        self._stop = stop
        self._causes = Causes(setting.interval)
        self._block_jobs = Slots(setting.block_jobs)
        self._loops: dict[HostName, HostLoop] = {}
        self._hosts: dict[HostName, tuple[DesiredHost, Hypervisor]] = {}
        self._number = 0
        self._asked: tuple[Asked, ...] = ()
        self._lock = threading.Lock()
        self._passed = threading.Condition()
        self._ticked = around.now()

    # --- from other threads

    def wake(self, cause: str, within: float = 0.0) -> None:
        """Ask for a pass."""
        self._causes.add(cause, within=within)

    def is_alive(self, within: float) -> bool:
        """The loop has turned in the last *within* seconds."""
        return (self._around.now() - self._ticked).total_seconds() < within

    def snapshot(self) -> ControllerState:
        """All that is known now."""
        return self._around.board.snapshot()

    def reconcile(self, domains: tuple[str, ...], host: str | None) -> Iterator[DomainState | None]:
        """A pass now, without any back-off: each of *domains* (names, UUIDs or globs of *host*;
        none: all) as it comes to rest, and None now and then meanwhile.

        Raises for a name that nothing here has, and when source or libvirt do not answer.
        """
        self._demand_known(domains, host)
        with self._lock:
            number = self._number + 1
            asked = Asked(domains=domains, host=host)
            self._asked = (*self._asked, asked)
        self.wake("asked")
        told: set[tuple[HostName, str]] = set()
        while not self._is_told(number, asked, told):
            for state in self._at_rest(number, asked, told):
                told.add((state.host, state.domain))
                yield state
            if self._stop.is_set():
                raise Interrupted("cannot wait for the outcome: the controller is stopping")
            yield None
            with self._passed:
                self._passed.wait(_LOOK)

    def _demand_known(self, domains: tuple[str, ...], host: str | None) -> None:
        known = [d for d in self.snapshot().domains if host in (None, d.host)]
        for wanted in domains:
            if any(
                Asked(domains=(wanted,), host=host).covers(d.host, d.domain, d.uuid) for d in known
            ):
                continue
            near = get_close_matches(wanted, [d.domain for d in known], n=1)
            raise VirtsnapError(
                f"cannot reconcile {wanted}: the controller knows no such domain",
                hint=f"virtsnap reconcile {quote(near[0])}" if near else "virtsnap status",
            )

    def _at_rest(
        self, number: int, asked: Asked, told: set[tuple[HostName, str]]
    ) -> Iterator[DomainState]:
        """Those of *asked* that came to rest under orders that are no older than *number*."""
        for state in self.snapshot().domains:
            loop = self._loops.get(state.host)
            if (
                (state.host, state.domain) not in told
                and asked.covers(state.host, state.domain, state.uuid)
                and loop is not None
                and loop.settled(state.domain) >= number
            ):
                yield state

    def _is_told(self, number: int, asked: Asked, told: set[tuple[HostName, str]]) -> bool:
        if self._number < number:
            return False
        state = self.snapshot()
        if state.source.trouble is not None:
            raise SourceError(state.source.trouble.message, hint=state.source.trouble.hint)
        loops = [loop for name, loop in tuple(self._loops.items()) if asked.host in (None, name)]
        if any(loop.made < number for loop in loops):
            return False
        for host in state.hosts:
            if asked.host in (None, host.name) and host.trouble is not None:
                raise HypervisorError(host.trouble.message, hint=host.trouble.hint)
        wanted = [d for d in state.domains if asked.covers(d.host, d.domain, d.uuid)]
        return all((d.host, d.domain) in told for d in wanted)

    # --- the loop

    def run(self) -> None:
        """Pass for every cause until *stop* is set."""
        watching = threading.Thread(target=self._watch, name="source", daemon=True)
        watching.start()
        while not self._stop.is_set():
            self._ticked = self._around.now()
            cause = self._causes.take(at_most=TICK)
            if cause is not None and not self._stop.is_set():
                self._pass(cause)
        self._around.board.stopping()

    def once(self, cause: str = "once") -> tuple[DomainOutcome, ...]:
        """One pass over everything, waited for; whatever keeps it from being made is raised."""
        desired = self._around.keeper.look(self._around.now())
        self._around.board.source(self._around.keeper.state)
        trouble = self._around.keeper.error
        if trouble is not None or desired is None:
            raise trouble or SourceError("cannot read the source")
        orders = self._orders(desired, cause)
        self._meet(orders.desired)
        loops = tuple(self._loops.values())
        for loop in loops:
            loop.one_pass(orders)
        return tuple(outcome for loop in loops for outcome in loop.wait())

    def close(self, seconds: float) -> bool:
        """Wait for the work under way, at most *seconds* in all; whether all of it has ended."""
        self._causes.end()
        until = self._around.now().timestamp() + seconds
        ended = True
        for loop in self._loops.values():
            ended &= loop.stop(max(0.0, until - self._around.now().timestamp()))
        if ended:
            for _, host in self._hosts.values():
                _close(host)
        return ended

    def _watch(self) -> None:
        for cause in changes(self._around.keeper.source, self._stop, math.inf):
            self.wake(cause)

    def _pass(self, cause: str) -> None:
        with self._lock:
            asked, self._asked = self._asked, ()
            self._number += 1
        keeper = self._around.keeper
        desired = keeper.look(self._around.now())
        self._around.board.source(keeper.state)
        if desired is None:
            return
        orders = self._orders(desired, cause, asked)
        self._meet(orders.desired)
        for loop in self._loops.values():
            loop.order(orders)
        with self._passed:
            self._passed.notify_all()

    def _orders(self, desired: Desired, cause: str, asked: tuple[Asked, ...] = ()) -> Orders:
        return Orders(
            desired=self._around.suspended(desired),
            cause=cause,
            is_source_ready=self._around.keeper.state.trouble is None,
            asked=asked,
            number=self._number,
        )

    def _meet(self, desired: Desired) -> None:
        """A loop for every host that is declared; none for one that is not, or is elsewhere now."""
        wanted = {host.name: host for host in desired.hosts}
        for name, (was, host) in tuple(self._hosts.items()):
            now = wanted.get(name)
            if now is None or (now.uri, now.folders) != (was.uri, was.folders):
                # its work goes on to the end; the same domain elsewhere is another one
                if self._loops[name].stop(0.0):
                    _close(host)
                del self._loops[name], self._hosts[name]
        for name, declared in wanted.items():
            if name not in self._hosts:
                self._begin(declared)
        self._around.board.hosts(wanted)

    def _begin(self, host: DesiredHost) -> None:
        opened = self._around.open_host(host)
        means = Means(
            host=opened,
            tools=self._around.tools(host, opened, self._around.board, self._stop),
            request=self._around.request,
            board=self._around.board,
            now=self._around.now,
            block_jobs=self._block_jobs,
            again=self.wake,
            is_report_only=self._setting.is_report_only,
            max_deletions=self._setting.max_deletions,
        )
        loop = HostLoop(host, means)
        self._hosts[host.name] = (host, opened)
        self._loops[host.name] = loop
        loop.start()
        listen = getattr(opened, "listen", None)
        if listen is not None:
            listen(lambda: self.wake("event"))


def _close(host: Hypervisor) -> None:
    close = getattr(host, "close", None)
    if close is not None:
        with suppress(VirtsnapError):
            close()
