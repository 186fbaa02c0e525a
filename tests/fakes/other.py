"""The engine's other tools: journal, locks, clock, identity."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from reconciler.engine.ports import StopAsked
from reconciler.errors import LockedError
from reconciler.model.ledger import Ledger, Remembered, done_requests, unfinished
from reconciler.model.names import DomainUuid

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """Stands still but for ``wait``."""

    time: datetime = NOON
    waited: float = 0

    def now(self) -> datetime:
        """The time it shows."""
        return self.time

    def wait(self, seconds: float) -> None:
        """Go forward."""
        self.time += timedelta(seconds=seconds)
        self.waited += seconds


@dataclass
class FakeJournal:
    """Remembers in memory; give the same one to the process that comes after a crash."""

    known: dict[DomainUuid, Remembered] = field(default_factory=dict)
    #: (step, serial) that was intended and not confirmed
    pending: dict[DomainUuid, tuple[str, int]] = field(default_factory=dict)

    def remembered(self, domain: DomainUuid) -> Remembered:
        """What was written from here."""
        return self.known.get(domain, Remembered())

    def intend(self, domain: DomainUuid, *, step: str, ledger: Ledger) -> None:
        """*step* is about to happen."""
        self._note(domain, ledger)
        self.pending[domain] = (step, ledger.serial)

    def confirm(self, domain: DomainUuid, *, ledger: Ledger) -> None:
        """It has happened, and *ledger* is written."""
        self._note(domain, ledger)
        self.pending.pop(domain, None)

    def _note(self, domain: DomainUuid, ledger: Ledger) -> None:
        before = self.remembered(domain)
        requests = {r.request: r for r in (*before.requests, *done_requests(ledger))}
        self.known[domain] = Remembered(
            serial=max(ledger.serial, before.serial),
            requests=tuple(requests.values()),
            last=unfinished(ledger),
        )


@dataclass
class FakeLocks:
    """Locks of one machine; put a holder into *held* to have a domain locked by somebody else."""

    held: dict[DomainUuid, str] = field(default_factory=dict)
    #: every domain that was ever locked, in order
    taken: list[DomainUuid] = field(default_factory=list)

    @contextmanager
    def hold(
        self, domain: DomainUuid, *, plan_id: str, patience: float, stop_asked: StopAsked
    ) -> Iterator[None]:
        """Hold the lock of *domain*; who has it here never lets it go."""
        if domain in self.held:
            raise LockedError(f"cannot lock {domain}: {self.held[domain]} has it")
        self.held[domain] = plan_id
        self.taken.append(domain)
        try:
            yield
        finally:
            self.held.pop(domain, None)


@dataclass
class FakeIdentity:
    """``u1``, ``u2`` …"""

    made: int = 0
    name: str = "root@fake 1"

    def uid(self) -> str:
        """The next one."""
        self.made += 1
        return f"u{self.made}"

    def holder(self) -> str:
        """Who this is."""
        return self.name
