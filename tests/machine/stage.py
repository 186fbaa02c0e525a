"""One guest that the same story is played on, on the fake and on a real host."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import libvirt

from reconciler.engine.ports import Hypervisor
from reconciler.errors import HypervisorError
from reconciler.hypervisor import ledger as ledgers
from reconciler.model.ledger import Ledger
from reconciler.model.names import DiskTarget, DomainUuid
from tests.contract.bench import Bench, FakeBench, Handle, RealBench
from tests.fakes.administrator import Administrator
from tests.fakes.domain import Obedience
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.world import Crash
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest
from tests.system import by_hand
from tests.system.desk import Desk

NAME = "web01"
TARGETS = (DiskTarget("vda"), DiskTarget("vdb"))
#: what changes a host, on both sides
CHANGES = frozenset(
    name
    for name in vars(Hypervisor)
    if not name.startswith("_") and name not in ("observe", "read_ledger", "freeze_status")
)


class Broken:
    """A port of which one call dies or fails, before or after it took effect."""

    def __init__(self, host: Hypervisor, *, number: int, moment: str, how: str) -> None:
        self._host, self._number, self._moment, self._how = host, number, moment, how
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._host, name)
        return self._breaking(name, method) if name in CHANGES else method

    def _breaking(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self._calls += 1
            if self._is_dead():
                raise Crash("nothing of a dead process reaches the host")
            self._break(name, "before")
            result = method(*arguments, **named)
            self._break(name, "after")
            return result

        return called

    def _is_dead(self) -> bool:
        return self._how == "dies" and self._calls > self._number

    def _break(self, name: str, moment: str) -> None:
        if (self._calls, moment) != (self._number, self._moment):
            return
        if self._how == "dies":
            raise Crash(f"{moment} {name}")
        raise HypervisorError(f"cannot {name}: injected {moment}", code=38)


class Hands(Protocol):
    """What a person does to the guest."""

    @property
    def bench(self) -> Bench:
        """The host."""

    @property
    def handle(self) -> Handle:
        """The guest."""

    @property
    def desk(self) -> Desk:
        """virtsnap beside it."""

    def start(self) -> None:
        """``start``."""

    def destroy(self) -> None:
        """``destroy``."""

    def snapshot(self, name: str, targets: tuple[str, ...]) -> None:
        """``snapshot-create-as --disk-only``, with libvirt's own names for the overlays."""

    def internal(self, name: str) -> None:
        """``snapshot-create-as``."""

    def current(self, name: str) -> None:
        """``snapshot-current``."""

    def blockcommit(self, target: str) -> None:
        """``blockcommit --active --pivot`` of the active layer into the image below."""

    def put_ledger(self, ledger: Ledger | None) -> None:
        """``define`` with other metadata."""


@dataclass
class FakeHands:
    """On the fake."""

    bench: FakeBench
    handle: Handle
    desk: Desk

    def start(self) -> None:
        """At once."""
        Administrator(self.bench.host).start(NAME)

    def destroy(self) -> None:
        """At once."""
        Administrator(self.bench.host).shut_off(NAME)

    def snapshot(self, name: str, targets: tuple[str, ...]) -> None:
        """Named as libvirt does."""
        Person(self.bench.host).snapshot_create(NAME, name, targets)

    def internal(self, name: str) -> None:
        """In every image."""
        Person(self.bench.host).snapshot_internal(NAME, name)

    def current(self, name: str) -> None:
        """The pointer."""
        Person(self.bench.host).snapshot_current(NAME, name)

    def blockcommit(self, target: str) -> None:
        """One image down."""
        chain = self.bench.host.domain(NAME).disk(DiskTarget(target)).stated or ()
        Person(self.bench.host).blockcommit(NAME, target, base=chain[-2], top=chain[-1])

    def put_ledger(self, ledger: Ledger | None) -> None:
        """Into each definition."""
        Administrator(self.bench.host).put_ledger(NAME, ledger)


@dataclass
class RealHands:
    """On a real host."""

    bench: RealBench
    handle: Handle
    desk: Desk
    guest: Guest

    def start(self) -> None:
        """Its disks hold no file system: nothing is written to them."""
        if not self.guest.is_running:
            self.guest.domain.create()

    def destroy(self) -> None:
        """At once."""
        if self.guest.is_running:
            self.guest.destroy()

    def snapshot(self, name: str, targets: tuple[str, ...]) -> None:
        """As virsh says it."""
        disks = "".join(
            f"<disk name='{t}' snapshot='{'external' if t in targets else 'no'}'/>" for t in TARGETS
        )
        xml = f"<domainsnapshot><name>{name}</name><disks>{disks}</disks></domainsnapshot>"
        self.guest.domain.snapshotCreateXML(xml, by_hand.DISK_ONLY)

    def internal(self, name: str) -> None:
        """With memory when it runs."""
        by_hand.internal(self.guest, name)

    def current(self, name: str) -> None:
        """The pointer."""
        by_hand.point_at(self.guest, name)

    def blockcommit(self, target: str) -> None:
        """One image down."""
        by_hand.merge_live(self.guest, target)

    def put_ledger(self, ledger: Ledger | None) -> None:
        """Into each definition."""
        if ledger is not None:
            self.bench.host.write_ledger(self.handle.uuid, ledger)
            return
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE if self.guest.is_running else 0
        kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
        self.guest.domain.setMetadata(kind, None, ledgers.PREFIX, ledgers.NAMESPACE, flags)


def fake_stage(version: int, folder: Path) -> FakeHands:
    """A guest that is off, on two empty images."""
    host = FakeHost()
    host.world.version = version
    images = {target: f"/images/{NAME}-{target}.qcow2" for target in TARGETS}
    domain = Administrator(host).define(NAME, images)
    domain.obedience = Obedience.NEVER
    desk = Desk(host, host.world.journal, folder / "fake")
    return FakeHands(FakeBench(host), Handle(domain.uuid, NAME, TARGETS), desk)


def real_stage(desk: Desk, bench: RealBench) -> RealHands:
    """The same on a real host."""
    images = desk.folder / "images"
    images.mkdir()
    guest = bench.lab.guest_of(tuple(_small(images, target) for target in TARGETS), NAME)
    uuid = DomainUuid(guest.uuid)
    bench.guests[uuid] = guest
    return RealHands(bench, Handle(uuid, NAME, TARGETS), desk, guest)


def _small(folder: Path, target: str) -> DiskSpec:
    path = folder / f"{NAME}-{target}.qcow2"
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M")
    return DiskSpec(source=path, target=target)
