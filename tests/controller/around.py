"""A controller over a fake host, with manifests in memory."""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.controller.board import Board
from reconciler.controller.controller import Controller, Setting, Surroundings
from reconciler.controller.keeper import Keeper
from reconciler.engine.watcher import Watchers
from reconciler.errors import SourceError
from reconciler.model.controller import ControllerState, DomainState, SourceState
from reconciler.model.desired import Desired
from reconciler.model.request import Consent, PlanRequest
from reconciler.source.source import Fetched
from tests.engine.passes import tools
from tests.fakes.host import FakeHost

PATIENCE = 20.0


@dataclass
class Memory:
    """A source whose manifests are *desired*; *trouble* keeps it from being read."""

    desired: Desired
    trouble: str = ""
    fetches: int = 0
    id: str = "memory"

    def fetch(self) -> Fetched:
        """Nothing but the revision: ``read`` gives the rest."""
        self.fetches += 1
        if self.trouble:
            raise SourceError(f"cannot read memory: {self.trouble}", hint="remember")
        return Fetched(files=(), revision=self.desired.revision)

    def watched(self) -> tuple[Path, ...]:
        """Nothing on disk."""
        return ()

    def concerns(self, path: Path) -> bool:
        """Nothing."""
        return False

    def mark(self) -> Hashable:
        """It is woken by hand."""
        return None


@dataclass
class Lab:
    """One controller, its source, and the host it works on."""

    fake: FakeHost
    source: Memory
    setting: Setting = field(default_factory=lambda: Setting(interval=3600.0))
    before: ControllerState | None = None
    watchers: Watchers = field(default_factory=Watchers)
    stop: threading.Event = field(default_factory=threading.Event)
    controller: Controller = field(init=False)
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        now = self.fake.world.clock.now
        state = ControllerState(
            version="0",
            holder="nobody@here 1",
            pid=1,
            started=now(),
            at=now(),
            interval=self.setting.interval,
            is_report_only=self.setting.is_report_only,
            source=SourceState(id="memory"),
            domains=self.before.domains if self.before else (),
        )
        self.board = Board(state, self.watchers, now)
        around = Surroundings(
            keeper=Keeper(self.source, lambda _: self.source.desired),
            open_host=lambda _: self.fake,
            tools=lambda host, _, board, stop: replace(
                tools(self.fake, self.source.desired, stop), listener=board
            ),
            request=PlanRequest(consent=Consent.LOOP),
            board=self.board,
            now=now,
            suspended=lambda desired: desired,
        )
        self.controller = Controller(self.setting, around, self.stop)

    @property
    def state(self) -> ControllerState:
        """All that is known now."""
        return self.controller.snapshot()

    def domain(self, name: str = "web01") -> DomainState:
        """One domain."""
        return next(domain for domain in self.state.domains if domain.domain == name)

    def asked(self, *domains: str) -> list[DomainState]:
        """What ``virtsnap reconcile`` gets."""
        return [s for s in self.controller.reconcile(domains, None) if s is not None]

    @contextmanager
    def running(self) -> Iterator["Lab"]:
        """The loop turns meanwhile."""
        thread = threading.Thread(target=self.controller.run)
        thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            assert self.controller.close(PATIENCE)
            thread.join(PATIENCE)
            assert not thread.is_alive()


def until(holds: Callable[[], bool], what: str) -> None:
    """Watch the state; give up long after it must have come."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)


EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
