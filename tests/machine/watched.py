"""A fake host that writes down what the port really changed, whatever was said about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.model.action import RevertInternal, RevertSnapshot
from reconciler.model.ledger import Ledger
from reconciler.model.names import DomainUuid, SnapshotName
from tests.fakes.host import FakeHost

Named = tuple[DomainUuid, SnapshotName]


@dataclass
class WatchedHost(FakeHost):
    """``FakeHost`` with its own books; a call that dies after it took effect is in them."""

    #: records that came and went by the port
    born: list[Named] = field(default_factory=list)
    gone: list[Named] = field(default_factory=list)
    #: requests for which disks were put back
    put_back: list[tuple[DomainUuid, str]] = field(default_factory=list)
    _ended: int = 0

    def define_reverted(self, domain: DomainUuid, action: RevertSnapshot, ledger: Ledger) -> None:
        """Counted once the definition is switched."""
        with self._counting(domain, action.request):
            super().define_reverted(domain, action, ledger)

    def revert_internal(self, domain: DomainUuid, action: RevertInternal, ledger: Ledger) -> None:
        """Counted once every image and the definition are back."""
        with self._counting(domain, action.request):
            super().revert_internal(domain, action, ledger)

    @contextmanager
    def _counting(self, domain: DomainUuid, request: str) -> Iterator[None]:
        before = self._ended
        try:
            yield
        finally:
            if self._ended > before:
                self.put_back.append((domain, request))

    @contextmanager
    def _change(self, method: str) -> Iterator[None]:
        before = self._records()
        try:
            with super()._change(method):
                yield
                self._ended += 1
        finally:
            after = self._records()
            self.born += sorted(after - before)
            self.gone += sorted(before - after)

    def _records(self) -> set[Named]:
        return {(d.uuid, name) for d in self.world.domains.values() for name in d.records}
