"""The state behind the fake host, and the points at which it can fail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.errors import HypervisorError
from reconciler.model.names import DiskTarget, DomainUuid, HostName, ImagePath
from tests.fakes.domain import FakeDefinition, FakeDomain, FakeRecord
from tests.fakes.moments import Moments
from tests.fakes.other import FakeClock, FakeIdentity, FakeJournal
from tests.fakes.storage import Content, Storage

LOCAL = HostName("local")
#: 9.0.0 of Debian 12.
LIBVIRT_9_0 = 9_000_000
#: Native delete and the records it leaves behave otherwise from here on (facts §4.4).
LIBVIRT_9_9 = 9_009_000
#: Internal snapshots are taken and deleted by QMP, device by device, from here on.
LIBVIRT_10_9 = 10_009_000
#: 11.3.0 of Debian 13, and of Debian 12's backports.
LIBVIRT_11_3 = 11_003_000


class Crash(BaseException):
    """The process dies here; nothing in it may catch this."""


#: Called with the number of the change (from 1), the port method, and ``before``, ``during`` or
#: ``after``; raises to fail there.
Fault = Callable[[int, str, str], None]


def crash_at(number: int, moment: str) -> Fault:
    """Die *before*, *during* or *after* the change of that number."""
    return fail_at(number, moment, Crash(f"{moment} change {number}"))


def fail_at(number: int, moment: str, error: BaseException) -> Fault:
    """Raise *error* at the first such point of the change of that number."""

    def fault(at: int, _method: str, when: str) -> None:
        if (at, when) == (number, moment):
            raise error

    return fault


@dataclass(kw_only=True)
class World:
    """Everything the fake host is made of."""

    name: HostName = LOCAL
    uri: str = "fake:///system"
    version: int = LIBVIRT_9_0
    storage: Storage = field(default_factory=Storage)
    domains: dict[DomainUuid, FakeDomain] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    identity: FakeIdentity = field(default_factory=FakeIdentity)
    #: the last value any guest wrote; each write has its own
    written: int = 0
    #: how many memories were saved; each has its own content
    memories: int = 0
    #: folders that are looked through besides those of the images: storage pools, the Host's own
    extra_folders: tuple[str, ...] = ()
    #: the port methods that change something, as they were called
    changes: list[str] = field(default_factory=list)
    #: every image file that port methods removed
    removed: list[ImagePath] = field(default_factory=list)
    fault: Fault | None = None
    #: called while bytes are copied, with the domain: the guest goes on, people interfere
    meanwhile: Callable[[FakeDomain], None] | None = None
    #: what every snapshot held when it was taken
    moments: Moments = field(default_factory=Moments)
    #: what people dumped of records and persistent definitions, oldest first
    dumped_records: list[tuple[DomainUuid, FakeRecord]] = field(default_factory=list)
    dumped_definitions: list[tuple[DomainUuid, FakeDefinition]] = field(default_factory=list)
    #: what another process reads as QEMU does: a backup; nobody can write to it
    read_elsewhere: set[ImagePath] = field(default_factory=set)
    #: libvirt cannot write the record: the overlays are in use all the same (facts §1.5)
    cannot_record: bool = False

    @property
    def now(self) -> datetime:
        """The host's time."""
        return self.clock.now()

    def domain(self, uuid: DomainUuid) -> FakeDomain:
        """The domain, or libvirt's refusal."""
        if uuid not in self.domains:
            raise HypervisorError(f"cannot find domain {uuid}", code=42)
        return self.domains[uuid]

    def point(self, moment: str) -> None:
        """A point at which the change under way can fail."""
        if self.fault is not None and self.changes:
            self.fault(len(self.changes), self.changes[-1], moment)

    def in_use_by(
        self, images: frozenset[ImagePath], *, besides: FakeDomain | None = None
    ) -> FakeDomain | None:
        """A domain (not *besides*) whose QEMU has one of *images* open."""
        for domain in sorted(self.domains.values(), key=lambda each: each.name):
            if domain is besides or domain.live is None:
                continue
            if any(images & set(disk.stated or (disk.source,)) for disk in domain.live.disks):
                return domain
        return None

    def guest_view(self, domain: FakeDomain, target: DiskTarget) -> Content:
        """What the guest reads from a disk now, or at its next start."""
        disk = domain.disk(target)
        if disk.stated is not None:
            return self.storage.overlaid(disk.stated)
        return self.storage.content(disk.source)
