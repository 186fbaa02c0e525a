"""The one who defines domains, switches them on and off, and loses what lies in their metadata."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.model.ledger import Ledger, LedgerProblem
from reconciler.model.names import DiskTarget, DomainName, DomainUuid, ImagePath
from tests.fakes import moments, power, snapshots
from tests.fakes.domain import FakeDefinition, FakeDisk, FakeDomain
from tests.fakes.host import FakeHost
from tests.fakes.storage import FakeFile


@dataclass
class Administrator:
    """What one does by hand to definitions and power."""

    host: FakeHost

    # Definitions

    def define(
        self,
        name: str,
        disks: Mapping[str, str],
        *,
        uuid: str | None = None,
        running: bool = False,
    ) -> FakeDomain:
        """A domain on images (made when they are not there), shut off unless *running*."""
        world = self.host.world
        for path in disks.values():
            if path not in world.storage.files:
                image_format = "qcow2" if path.endswith(".qcow2") else "raw"
                world.storage.add(FakeFile(path=ImagePath(path), format=image_format))
        number = len(world.domains) + 1
        domain = FakeDomain(
            name=DomainName(name),
            uuid=DomainUuid(uuid or f"00000000-0000-4000-8000-{number:012}"),
            persistent=FakeDefinition(
                disks=[
                    FakeDisk(
                        target=DiskTarget(target),
                        source=ImagePath(path),
                        format=world.storage.file(ImagePath(path)).format,
                    )
                    for target, path in disks.items()
                ]
            ),
        )
        world.domains[domain.uuid] = domain
        if running:
            self.start(name)
        return domain

    def undefine(self, name: str) -> None:
        """``undefine --snapshots-metadata`` of a domain that is on: it is transient from then on."""
        domain = self.host.domain(name)
        if domain.live is not None:
            domain.persistent = None

    def define_again(self, name: str) -> None:
        """``define`` from a ``dumpxml`` of now: a transient domain becomes persistent."""
        domain = self.host.domain(name)
        if domain.persistent is None and domain.live is not None:
            domain.persistent = domain.live.copied()

    def create_anew(self, name: str, disks: Mapping[str, str] | None = None) -> FakeDomain:
        """A transient domain stops, and is created again under its UUID.

        From a ``dumpxml`` of just before, or from an older file with *disks* and no ledger.
        """
        old = self.host.domain(name)
        assert old.live is not None
        dumped = old.live.copied()
        for disk in dumped.disks:
            disk.stated = None
        if disks is not None:
            dumped.ledger = None
            for target, path in disks.items():
                disk = dumped.disk(DiskTarget(target))
                assert disk is not None
                its_format = self.host.world.storage.file(ImagePath(path)).format
                snapshots.put_on(disk, ImagePath(path), its_format)
        power.shut_off(self.host.world, old)
        new = FakeDomain(name=old.name, uuid=old.uuid, persistent=dumped, agent=old.agent)
        new.obedience = old.obedience
        self.host.world.domains[new.uuid] = new
        power.start(self.host.world, new)
        new.persistent = None
        return new

    def define_anew(self, name: str) -> None:
        """``undefine --snapshots-metadata`` and ``define``: the records go, the ledger stays."""
        domain = self.host.domain(name)
        domain.records.clear()
        domain.current, domain.has_managed_save = None, False

    def define_older(
        self,
        name: str,
        older: FakeDefinition,
        *,
        is_first_undefined: bool = False,
        keeps_ledger: bool = False,
    ) -> None:
        """``define`` of what was dumped before, its metadata too unless *keeps_ledger*."""
        domain = self.host.domain(name)
        if domain.persistent is None or (is_first_undefined and domain.is_active):
            return
        if is_first_undefined:
            self.define_anew(name)
        moments.note_left(self.host.world, domain)
        present = domain.persistent.ledger
        domain.persistent = older.copied()
        if keeps_ledger:
            domain.persistent.ledger = present

    def attach_disk(self, name: str, target: str, path: str, *, cdrom: bool = False) -> None:
        """``attach-disk``, live and persistent; an image that is not there is made."""
        if path not in self.host.world.storage.files:
            image_format = "qcow2" if path.endswith(".qcow2") else "raw"
            self.host.world.storage.add(FakeFile(path=ImagePath(path), format=image_format))
        disk = FakeDisk(
            target=DiskTarget(target),
            source=ImagePath(path),
            format=self.host.world.storage.file(ImagePath(path)).format,
            device="cdrom" if cdrom else "disk",
            is_readonly=cdrom,
        )
        domain = self.host.domain(name)
        opened = replace(disk)
        if domain.live is not None:
            power.open_disk(self.host.world, opened)
            domain.live.disks.append(opened)
        if domain.persistent is not None:
            domain.persistent.disks.append(disk)

    def detach_disk(self, name: str, target: str) -> None:
        """``detach-disk``, live and persistent."""
        for definition in self.host.domain(name).definitions:
            definition.disks = [disk for disk in definition.disks if disk.target != target]

    def edit(self, name: str, target: str, path: str, *, stated: Iterable[str] = ()) -> None:
        """``virsh edit``: the persistent source, with the ``<backingStore>`` chain *stated*."""
        persistent = self.host.domain(name).persistent
        disk = persistent.disk(DiskTarget(target)) if persistent else None
        if disk is not None:
            moments.note_left(self.host.world, self.host.domain(name))
            file = self.host.world.storage.files.get(ImagePath(path))
            snapshots.put_on(disk, ImagePath(path), file.format if file else "qcow2")
            disk.stated = tuple(ImagePath(image) for image in stated) or None

    def change_hardware(self, name: str, to: str) -> None:
        """``virsh edit``: memory, processors, devices other than disks."""
        persistent = self.host.domain(name).persistent
        if persistent is not None:
            persistent.hardware = to

    # Power

    def start(self, name: str) -> None:
        """``start``: QEMU opens what the definition states, else what the headers say."""
        power.start(self.host.world, self.host.domain(name))

    def shut_off(self, name: str) -> None:
        """``shutdown`` or ``destroy``: its block jobs end where they are."""
        power.shut_off(self.host.world, self.host.domain(name))

    def pause(self, name: str) -> None:
        """``suspend``."""
        self.host.domain(name).is_paused = self.host.domain(name).is_active

    def resume(self, name: str) -> None:
        """``resume``."""
        self.host.domain(name).is_paused = self.host.domain(name).has_let_go = False

    def managed_save(self, name: str) -> None:
        """``managedsave``."""
        domain = self.host.domain(name)
        if domain.is_active and domain.persistent is not None:
            self.shut_off(name)
            self.host.domain(name).has_managed_save = True

    # Metadata

    def put_ledger(self, name: str, ledger: Ledger | None) -> None:
        """``virsh define`` with other metadata: an older ledger, somebody else's, or none."""
        for definition in self.host.domain(name).definitions:
            definition.ledger = ledger

    def lose_ledger(self, name: str) -> None:
        """``virsh define`` by a tool that drops metadata."""
        self.put_ledger(name, None)

    def lose_machine(self, name: str) -> None:
        """The machine's journal is gone."""
        self.host.world.journal.known.pop(self.host.domain(name).uuid, None)

    def spoil_ledger(self, name: str, problem: LedgerProblem) -> None:
        """The element is of a newer virtsnap, or does not parse."""
        self.host.domain(name).ledger_problem = problem

    def clone_metadata(self, name: str, to: str) -> None:
        """``virt-clone``: the other domain gets this one's ledger element."""
        self.put_ledger(to, self.host.domain(name).ledger)
