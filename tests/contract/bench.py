"""What a contract test needs beside the port: domains to work on, and a way to see data."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import libvirt
from lxml import etree

from reconciler.engine.ports import Hypervisor
from reconciler.hypervisor import image_locks
from reconciler.model.action import CommitMethod, CommitOverlays, CreateSnapshot, NewOverlay
from reconciler.model.chain import Image
from reconciler.model.domain import Disk, DiskKind, ObservedDomain
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName, folder_of
from reconciler.model.snapshot import MemoryCapture, SnapshotRecord
from tests.fakes.administrator import Administrator
from tests.fakes.domain import FakeAgent, Obedience
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import CLUSTER, OVERLAYS, Content, FakeFile
from tests.lab.domain_xml import DiskSpec, block_device
from tests.lab.guest import Guest, Lab
from tests.lab.loop import LoopDevices

TARGETS = ("vda", "vdb", "vdc")
#: Images of shut-off domains hold this many clusters.
SIZE = 16 * CLUSTER


@dataclass(frozen=True, slots=True)
class Handle:
    """A domain of the bench."""

    uuid: DomainUuid
    name: str
    targets: tuple[DiskTarget, ...]


class Bench(Protocol):
    """A host with nothing on it but what the test asks for."""

    @property
    def host(self) -> Hypervisor:
        """What is tested."""

    def domain(self, *, disks: int = 1, running: bool = False, agent: bool = True) -> Handle:
        """A new domain on images of its own; a running one has a guest that works."""

    def on_device(self, *, running: bool = False) -> Handle:
        """A new domain whose one disk is a block device, raw; a running one stands still."""

    @property
    def overlays(self) -> str:
        """Where the overlays of block devices go."""

    def grow(self, path: ImagePath) -> None:
        """An image that nobody has open becomes twice as large."""

    def shut_off(self, handle: Handle) -> None:
        """The guest ends in good order."""

    def pause(self, handle: Handle) -> None:
        """Somebody suspends the running guest."""

    def managed_save(self, handle: Handle) -> None:
        """Somebody puts its memory to disk."""

    def turn_deaf(self, handle: Handle) -> None:
        """The running guest does not shut down when it is asked to."""

    def wait_until_up(self, handle: Handle) -> None:
        """The guest that was started has booted."""

    def resume(self, handle: Handle) -> None:
        """It goes on."""

    def undefine(self, handle: Handle) -> None:
        """Somebody undefines the running domain: it is transient."""

    def define_again(self, handle: Handle) -> None:
        """Somebody defines the transient domain as it is now."""

    def create_anew(self, handle: Handle) -> None:
        """The transient domain is dumped, stops, and is created from the dump."""

    def guest_works(self, handle: Handle) -> None:
        """The running guest writes to every disk."""

    def demand_whole(self, handle: Handle) -> None:
        """The running guest still reads all that it wrote."""

    def agent_hangs(self, handle: Handle) -> None:
        """It does not answer for a while."""

    def freeze(self, handle: Handle) -> None:
        """Somebody freezes the guest file systems."""

    def drop_record(self, handle: Handle, name: str) -> None:
        """Somebody forgets a snapshot by hand, with nothing put back afterwards."""

    def write(self, path: ImagePath, cluster: int, value: int) -> None:
        """Put *value* into a cluster of an image that nobody has open."""

    def content(self, path: ImagePath) -> Content:
        """What is read from an image of a shut-off domain."""

    def content_inside(self, path: ImagePath, name: str) -> Content:
        """What an internal snapshot of such an image holds."""

    def drop_inside(self, path: ImagePath, name: str) -> None:
        """Somebody deletes a snapshot from an image that nobody has open."""

    def change_hardware(self, handle: Handle, to: str) -> None:
        """Somebody edits the definition of a shut-off domain, secrets included."""

    def hardware(self, handle: Handle) -> str:
        """What it says there."""

    def overlay_on(self, backing: ImagePath, path: ImagePath) -> None:
        """An image that no definition knows."""

    def read_elsewhere(self, path: ImagePath) -> AbstractContextManager[None]:
        """Meanwhile a backup has *path* open, with QEMU's locks."""

    def put_file(self, path: ImagePath) -> None:
        """Some file."""

    def has_file(self, path: ImagePath) -> bool:
        """Whether it is there."""


@dataclass
class FakeBench:
    """On the fake."""

    host: FakeHost = field(default_factory=FakeHost)
    _told: dict[tuple[str, str], Content] = field(default_factory=dict)

    def domain(self, *, disks: int = 1, running: bool = False, agent: bool = True) -> Handle:
        """Named by number."""
        name = f"guest-{len(self.host.world.domains) + 1}"
        images = {target: f"/images/{name}-{target}.qcow2" for target in TARGETS[:disks]}
        made = Administrator(self.host).define(name, images, running=running)
        if not agent:
            made.agent = FakeAgent(state=type(made.agent.state).ABSENT)
        return Handle(made.uuid, name, tuple(DiskTarget(target) for target in images))

    def on_device(self, *, running: bool = False) -> Handle:
        """A logical volume."""
        name = f"guest-{len(self.host.world.domains) + 1}"
        made = Administrator(self.host).define(name, {"vda": f"/dev/vg0/{name}"}, running=running)
        if running:
            Administrator(self.host).pause(name)
        return Handle(made.uuid, name, (DiskTarget("vda"),))

    @property
    def overlays(self) -> str:
        """Where all images are."""
        return OVERLAYS

    def grow(self, path: ImagePath) -> None:
        """Its header says so."""
        self.host.world.storage.file(path).virtual_size *= 2

    def shut_off(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).shut_off(handle.name)

    def pause(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).pause(handle.name)

    def managed_save(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).managed_save(handle.name)

    def turn_deaf(self, handle: Handle) -> None:
        """For ever."""
        self.host.domain(handle.name).obedience = Obedience.NEVER

    def wait_until_up(self, handle: Handle) -> None:
        """It is."""

    def resume(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).resume(handle.name)

    def undefine(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).undefine(handle.name)

    def define_again(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).define_again(handle.name)

    def create_anew(self, handle: Handle) -> None:
        """At once."""
        Administrator(self.host).create_anew(handle.name)

    def guest_works(self, handle: Handle) -> None:
        """Several times, so that there is something to copy."""
        for _ in range(4):
            self.host.guest_goes_on(handle.name)
        for target in handle.targets:
            self._told[handle.name, target] = self.host.guest_view(handle.name, target)

    def demand_whole(self, handle: Handle) -> None:
        """Exactly what was there after it worked."""
        for target in handle.targets:
            assert self.host.guest_view(handle.name, target) == self._told[handle.name, target]

    def agent_hangs(self, handle: Handle) -> None:
        """For three questions."""
        self.host.domain(handle.name).agent.silent_for = 3

    def freeze(self, handle: Handle) -> None:
        """At once."""
        self.host.domain(handle.name).agent.is_frozen = True

    def drop_record(self, handle: Handle, name: str) -> None:
        """A person does."""
        Person(self.host).snapshot_delete_metadata(handle.name, name)

    def write(self, path: ImagePath, cluster: int, value: int) -> None:
        """Into the file."""
        self.host.world.storage.file(path).clusters[cluster] = value

    def content(self, path: ImagePath) -> Content:
        """By the headers."""
        return self.host.content(path)

    def content_inside(self, path: ImagePath, name: str) -> Content:
        """By the headers too."""
        return self.host.world.storage.content_inside(path, name)

    def drop_inside(self, path: ImagePath, name: str) -> None:
        """From the file."""
        file = self.host.world.storage.file(path)
        file.inside = [(said, held) for said, held in file.inside if said != name]

    def change_hardware(self, handle: Handle, to: str) -> None:
        """At once."""
        Administrator(self.host).change_hardware(handle.name, to)

    def hardware(self, handle: Handle) -> str:
        """Of the persistent definition."""
        persistent = self.host.domain(handle.name).persistent
        assert persistent is not None
        return persistent.hardware

    def overlay_on(self, backing: ImagePath, path: ImagePath) -> None:
        """A person makes it."""
        Person(self.host).overlay_on(backing, path)

    @contextmanager
    def read_elsewhere(self, path: ImagePath) -> Iterator[None]:
        """A set of the world."""
        self.host.world.read_elsewhere.add(path)
        yield
        self.host.world.read_elsewhere.remove(path)

    def put_file(self, path: ImagePath) -> None:
        """An image without a backing file."""
        self.host.world.storage.add(FakeFile(path=path))

    def has_file(self, path: ImagePath) -> bool:
        """In the storage."""
        return path in self.host.world.storage.files


@dataclass
class RealBench:
    """On a real libvirt with real guests.  *folder* is for images of shut-off domains."""

    host: Hypervisor
    lab: Lab
    folder: Path
    devices: LoopDevices = field(default_factory=LoopDevices)
    guests: dict[DomainUuid, Guest] = field(default_factory=dict)

    def domain(self, *, disks: int = 1, running: bool = False, agent: bool = True) -> Handle:
        """A lab guest, or a definition on small empty images."""
        if running:
            guest = self.lab.guest(disks=disks, agent=agent)
        else:
            specs = tuple(self._disk(target) for target in TARGETS[:disks])
            guest = self.lab.guest_of(specs)
        uuid = DomainUuid(guest.uuid)
        self.guests[uuid] = guest
        return Handle(uuid, guest.name, tuple(DiskTarget(target) for target in guest.disks))

    def _disk(self, target: str) -> DiskSpec:
        path = self.folder / f"{len(self.guests)}-{target}.qcow2"
        _run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE))
        return DiskSpec(source=path, target=target)

    def on_device(self, *, running: bool = False) -> Handle:
        """A loop device that is named as a logical volume is; nothing boots from it."""
        content = self.folder / f"{len(self.guests)}.raw"
        _run("truncate", "-s", str(SIZE), str(content))
        link = self.devices.named(content, self.folder / "dev" / "vg0" / content.stem)
        guest = self.lab.guest_of((block_device(link),))
        if running:
            guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        uuid = DomainUuid(guest.uuid)
        self.guests[uuid] = guest
        return Handle(uuid, guest.name, (DiskTarget("vda"),))

    @property
    def overlays(self) -> str:
        """The test's own folder."""
        return str(self.folder)

    def grow(self, path: ImagePath) -> None:
        """``qemu-img resize``."""
        _run("qemu-img", "resize", "-q", "-f", "qcow2", path, str(2 * SIZE))

    def shut_off(self, handle: Handle) -> None:
        """By the power button."""
        self.guests[handle.uuid].shut_down()

    def pause(self, handle: Handle) -> None:
        """``virsh suspend``."""
        self.guests[handle.uuid].domain.suspend()

    def managed_save(self, handle: Handle) -> None:
        """``virsh managedsave``."""
        self.guests[handle.uuid].domain.managedSave()

    def turn_deaf(self, handle: Handle) -> None:
        """Neither agent nor power button find what they run."""
        self.guests[handle.uuid].turn_deaf()

    def wait_until_up(self, handle: Handle) -> None:
        """Its agent answers."""
        self.guests[handle.uuid].wait_for_agent()

    def resume(self, handle: Handle) -> None:
        """``virsh resume``."""
        self.guests[handle.uuid].domain.resume()

    def undefine(self, handle: Handle) -> None:
        """``virsh undefine --snapshots-metadata``."""
        self.guests[handle.uuid].undefine()

    def define_again(self, handle: Handle) -> None:
        """``virsh define``."""
        guest = self.guests[handle.uuid]
        guest.domain.connect().defineXML(guest.dumped())

    def create_anew(self, handle: Handle) -> None:
        """``virsh destroy``, ``virsh create``."""
        self.guests[handle.uuid].create_anew(self.guests[handle.uuid].dumped())

    def guest_works(self, handle: Handle) -> None:
        """It fills files with known bytes."""
        for number, target in enumerate(handle.targets):
            self.guests[handle.uuid].fill(target, 3, seed=number + 1)

    def demand_whole(self, handle: Handle) -> None:
        """Its writer's journal and the files."""
        self.guests[handle.uuid].verify()

    def agent_hangs(self, handle: Handle) -> None:
        """Longer than one question may take."""
        self.guests[handle.uuid].hang_agent(14)

    def freeze(self, handle: Handle) -> None:
        """``virsh domfsfreeze``."""
        self.guests[handle.uuid].domain.fsFreeze()

    def drop_record(self, handle: Handle, name: str) -> None:
        """``virsh snapshot-delete --metadata``."""
        found = self.guests[handle.uuid].domain.snapshotLookupByName(name)
        found.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)

    def write(self, path: ImagePath, cluster: int, value: int) -> None:
        """With qemu-io."""
        command = f"write -q -P {value} {cluster * CLUSTER} {CLUSTER}"
        _run("qemu-io", "-f", _format_of(path), "-c", command, path)

    def content(self, path: ImagePath) -> Content:
        """The first byte of every cluster that is not zero."""
        return self._converted(path)

    def content_inside(self, path: ImagePath, name: str) -> Content:
        """``qemu-img convert -l``."""
        return self._converted(path, "-l", f"snapshot.name={name}")

    def _converted(self, path: ImagePath, *options: str) -> Content:
        raw = self.folder / "content.raw"
        shared = () if options else ("-U",)
        _run(
            "qemu-img",
            "convert",
            "-q",
            *shared,
            *options,
            "-f",
            _format_of(path),
            "-O",
            "raw",
            path,
            str(raw),
        )
        data = raw.read_bytes()
        raw.unlink()
        return {at // CLUSTER: data[at] for at in range(0, len(data), CLUSTER) if data[at]}

    def drop_inside(self, path: ImagePath, name: str) -> None:
        """``qemu-img snapshot -d``."""
        _run("qemu-img", "snapshot", "-d", name, path)

    def change_hardware(self, handle: Handle, to: str) -> None:
        """The password of its screen."""
        root = self._definition(handle)
        devices = root.find("devices")
        assert devices is not None
        for old in devices.findall("graphics"):
            devices.remove(old)
        etree.SubElement(devices, "graphics", type="vnc", port="-1", passwd=to)
        self.lab.connection.defineXML(etree.tostring(root, encoding="unicode"))

    def hardware(self, handle: Handle) -> str:
        """With SECURE."""
        graphics = self._definition(handle).find("devices/graphics")
        return "" if graphics is None else graphics.get("passwd", "")

    def _definition(self, handle: Handle) -> etree._Element:
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        return etree.fromstring(self.guests[handle.uuid].domain.XMLDesc(flags))

    def overlay_on(self, backing: ImagePath, path: ImagePath) -> None:
        """With qemu-img."""
        _run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, path)

    @contextmanager
    def read_elsewhere(self, path: ImagePath) -> Iterator[None]:
        """``qemu-io -r``, until it is killed."""
        before, deadline = image_locks.holders(Path(path)), time.monotonic() + 20
        command = ["qemu-io", "-r", "-f", _format_of(path), "-c", "sleep 600000", path]
        with subprocess.Popen(command) as backup:
            try:
                while image_locks.holders(Path(path)) <= before:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                yield
            finally:
                backup.kill()

    def put_file(self, path: ImagePath) -> None:
        """Not even an image."""
        Path(path).write_text("somebody's file")

    def has_file(self, path: ImagePath) -> bool:
        """On disk."""
        return Path(path).exists()


def _format_of(path: ImagePath) -> str:
    return "raw" if Path(path).is_block_device() else "qcow2"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


# --- short forms


def seen(bench: Bench, handle: Handle) -> ObservedDomain:
    """The domain as it is now."""
    found = bench.host.observe().domain(handle.uuid)
    assert found is not None
    return found


def disk(bench: Bench, handle: Handle, target: str = "vda") -> Disk:
    """A disk the guest sees."""
    found = seen(bench, handle).disk(DiskTarget(target))
    assert found is not None
    return found


def active(bench: Bench, handle: Handle, target: str = "vda") -> ImagePath:
    """The image the guest writes to."""
    source = disk(bench, handle, target).source
    assert source is not None
    return source


def chain(bench: Bench, handle: Handle, target: str = "vda") -> tuple[ImagePath, ...]:
    """Base first."""
    found = disk(bench, handle, target).chain
    assert found is not None
    return found.images


def record(bench: Bench, handle: Handle, name: str) -> SnapshotRecord:
    """The record of that name."""
    found = seen(bench, handle).record(name)
    assert found is not None
    return found


def snapshot_of(
    bench: Bench, handle: Handle, name: str, targets: Sequence[str] | None = None
) -> CreateSnapshot:
    """The action that takes a snapshot of *targets* as the domain is now."""
    domain = seen(bench, handle)
    taken = tuple(handle.targets if targets is None else map(DiskTarget, targets))
    return CreateSnapshot(
        snapshot=SnapshotName(name),
        description=f"about {name}",
        overlays=tuple(_overlay(bench, handle, target, name) for target in taken),
        skipped=tuple(target for target in handle.targets if target not in taken),
        parent=domain.current.name if domain.current else None,
        quiesce=False,
        may_degrade=False,
        consistency=Consistency.CRASH,
        power=domain.power,
        manifest=None,
    )


def _overlay(bench: Bench, handle: Handle, target: DiskTarget, name: str) -> NewOverlay:
    below = disk(bench, handle, target)
    assert below.source is not None
    part = name.replace(" ", "_")
    is_file = below.kind is not DiskKind.BLOCK
    folder = folder_of(below.source) if is_file else bench.overlays
    return NewOverlay(
        target=target,
        frozen=below.source,
        frozen_format=below.format,
        overlay=ImagePath(f"{folder}/{handle.name}-{target}-{part}.qcow2"),
    )


def take(
    bench: Bench,
    handle: Handle,
    name: str,
    targets: Sequence[str] | None = None,
    *,
    quiesce: bool = False,
) -> CreateSnapshot:
    """Take an external snapshot of the disks alone."""
    action = snapshot_of(bench, handle, name, targets)
    bench.host.create_snapshot(handle.uuid, action, quiesce=quiesce)
    return action


def with_memory(bench: Bench, handle: Handle, name: str, *, halts: bool = False) -> CreateSnapshot:
    """The action that takes an external snapshot of every disk, with memory."""
    action = snapshot_of(bench, handle, name)
    folder = folder_of(action.overlays[0].overlay)
    return replace(
        action,
        memory=MemoryCapture.EXTERNAL,
        memory_file=ImagePath(f"{folder}/{handle.name}-memory-{name}.save"),
        halts=halts,
    )


def inside(bench: Bench, handle: Handle, name: str, *, halts: bool = False) -> CreateSnapshot:
    """The action that takes an internal snapshot, with memory if the domain is active."""
    is_active = seen(bench, handle).is_active
    return replace(
        snapshot_of(bench, handle, name),
        overlays=(),
        internal=handle.targets,
        memory=MemoryCapture.INTERNAL if is_active else MemoryCapture.NONE,
        halts=halts,
    )


def image(bench: Bench, path: ImagePath) -> Image:
    """An image as it is observed."""
    return next(i for i in bench.host.observe().images if i.path == path)


def commit(
    base: ImagePath,
    *merged: ImagePath,
    method: CommitMethod,
    target: str = "vda",
    base_format: str = "qcow2",
    rebased: tuple[ImagePath, ...] = (),
) -> CommitOverlays:
    """Merge *merged* into *base*."""
    return CommitOverlays(
        disk=DiskTarget(target),
        base=base,
        base_format=base_format,
        merged=merged,
        method=method,
        snapshots=(),
        rebased=rebased,
    )


def nothing(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def go_on() -> bool:
    """Nobody asks to stop."""
    return False
