"""What must still be true of a domain many passes later: what was taken, what was asked for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.model.desired import Desired, DesiredDomain
from reconciler.model.ledger import EntryState, Ledger
from reconciler.model.names import DomainUuid, ImagePath, SnapshotName
from tests.engine.keeping import wish_for
from tests.fakes.domain import FakeDomain
from tests.machine.watched import Named, WatchedHost


@dataclass
class Memory:
    """Kept outside of the host, so that nothing which is lost there is lost here."""

    #: managed snapshots that were there, until virtsnap removes them or the manifest drops them
    known: set[Named] = field(default_factory=set)
    #: the highest serial of each ledger
    serials: Counter[DomainUuid] = field(default_factory=Counter)
    #: ledgers of older days
    ledgers: dict[DomainUuid, list[Ledger]] = field(default_factory=dict)
    #: images that were active when a revert was told to discard the present
    discarded: set[ImagePath] = field(default_factory=set)

    def note_discarded(self, was: Iterable[ImagePath]) -> None:
        """After a pass, before what it removed is looked at."""
        self.discarded |= set(was)

    def note_pass(self, fake: WatchedHost, desired: Desired) -> None:
        """After a pass, however it ended."""
        for domain in fake.world.domains.values():
            ledger = own_ledger(domain)
            if ledger is not None:
                self.serials[domain.uuid] = max(self.serials[domain.uuid], ledger.serial)
                kept = self.ledgers.setdefault(domain.uuid, [])
                if not kept or kept[-1] != ledger:
                    kept.append(ledger)
            self._note_entries(domain, ledger, wish_for(domain, desired))

    def _note_entries(
        self, domain: FakeDomain, ledger: Ledger | None, wish: DesiredDomain | None
    ) -> None:
        entries = {entry.name: entry.state for entry in ledger.entries} if ledger else {}
        for name, state in entries.items():
            if state in (EntryState.TAKEN, EntryState.LOST):
                self.known.add((domain.uuid, name))
            elif state is EntryState.DELETING:
                self.known.discard((domain.uuid, name))
        self.known -= {
            (uuid, name)
            for uuid, name in self.known
            if uuid == domain.uuid and name not in entries and _may_go(wish, name)
        }

    def note_deed(self, fake: WatchedHost) -> None:
        """After people did something: where ledger and journal are both lost, nobody can know."""
        for domain in fake.world.domains.values():
            ledger = own_ledger(domain)
            serial = ledger.serial if ledger else 0
            if (
                max(serial, fake.world.journal.remembered(domain.uuid).serial)
                < self.serials[domain.uuid]
            ):
                self._forget(fake, domain.uuid)

    def _forget(self, fake: WatchedHost, uuid: DomainUuid) -> None:
        self.known = {known for known in self.known if known[0] != uuid}
        self.serials[uuid] = 0
        self.ledgers.pop(uuid, None)
        fake.put_back = [done for done in fake.put_back if done[0] != uuid]


def _may_go(wish: DesiredDomain | None, name: SnapshotName) -> bool:
    """Nobody declares it, or it was to be taken again and is forgotten for that already."""
    snapshot = wish.snapshot(name) if wish else None
    return snapshot is None or snapshot.is_retaken


def own_ledger(domain: FakeDomain) -> Ledger | None:
    """The ledger, if it is of this domain and can be read."""
    ledger = domain.ledger
    is_own = ledger is not None and ledger.uuid == domain.uuid and domain.ledger_problem is None
    return ledger if is_own else None
