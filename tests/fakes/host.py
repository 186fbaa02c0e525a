"""The fake host: the port ``Hypervisor`` on an in-memory libvirt, and the oracles of its content."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from reconciler.engine.ports import Progress, StopAsked
from reconciler.errors import HypervisorError, MemoryNotLoadedError, StepRefused
from reconciler.model.action import (
    CommitOverlays,
    CreateSnapshot,
    DeleteSnapshot,
    FinishJob,
    NewOverlay,
    RedefineSnapshot,
    RevertInternal,
    RevertSnapshot,
    SwitchDisk,
)
from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import MEMORY, Ledger
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import Stopped
from reconciler.model.reservation import Reservation
from reconciler.model.snapshot import DiskCapture
from tests.fakes import agent, block_jobs, moments, observing, offline, power, snapshots
from tests.fakes.domain import FakeDomain
from tests.fakes.reserving import FakeReservation
from tests.fakes.storage import Content, ContentGone
from tests.fakes.world import LIBVIRT_10_9, World


@dataclass
class FakeHost:
    """Implements ``Hypervisor``.  ``world`` is its state; tests look and reach into it freely."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()

    def copied(self) -> "FakeHost":
        """An independent host in the same state (journal and clock too)."""
        with self._lock:
            return FakeHost(copy.deepcopy(self.world))

    # The port: looking

    def observe(self) -> ObservedHost:
        """The whole host, afresh."""
        with self._lock:
            power.settle(self.world)
            return observing.observed_host(self.world)

    def read_ledger(self, domain: DomainUuid) -> Ledger | None:
        """The ledger as it is now."""
        with self._lock:
            of = self.world.domain(domain)
            if of.ledger_problem is not None:
                raise HypervisorError(f"cannot read the ledger of {of.name}: {of.ledger_problem}")
            return of.ledger if of.ledger is not None and of.ledger.uuid == domain else None

    def freeze_status(self, domain: DomainUuid) -> bool:
        """Whether the guest file systems are frozen."""
        with self._lock:
            return agent.is_frozen(self.world.domain(domain))

    def image_in_use(self, action: CommitOverlays | SwitchDisk) -> ImagePath | None:
        """What a backup reads; what a guest has open, when no guest should."""
        with self._lock:
            images: tuple[ImagePath, ...] = (
                (action.image,)
                if isinstance(action, SwitchDisk)
                else (action.base, *action.merged, *action.rebased)
            )
            return next((path for path in images if path in self.world.read_elsewhere), None)

    # The port: changing

    def write_ledger(self, domain: DomainUuid, ledger: Ledger) -> None:
        """Into every definition."""
        with self._change("write_ledger"):
            self.world.domain(domain).ledger_problem = None
            for definition in self.world.domain(domain).definitions:
                definition.ledger = ledger

    def reserve(self, domain: DomainUuid, paths: tuple[ImagePath, ...]) -> Reservation:
        """All or none."""
        with self._change("reserve"):
            return FakeReservation(self.world, paths)

    def create_snapshot(
        self,
        domain: DomainUuid,
        action: CreateSnapshot,
        *,
        quiesce: bool,
        reserved: Reservation | None = None,
    ) -> str:
        """All disks at one moment, or none."""
        with self._change("create_snapshot"), self._reserved(action.new_files, reserved) as files:
            on = self.world.domain(domain)
            snapshots.demand_ready(self.world, on, action, files)
            return snapshots.create(
                self.world,
                on,
                action.snapshot,
                {each.target: each.overlay for each in action.overlays},
                description=action.description,
                quiesce=quiesce,
                kind=snapshots.Kind(
                    inside=frozenset(action.internal),
                    memory=action.memory,
                    memory_file=action.memory_file,
                    halts=action.halts,
                ),
            )

    def delete_snapshot(self, domain: DomainUuid, action: DeleteSnapshot) -> None:
        """An internal one, by its name."""
        with self._change("delete_snapshot"):
            snapshots.delete(self.world, self.world.domain(domain), action.snapshot)

    def thaw(self, domain: DomainUuid) -> None:
        """Until the agent answers."""
        with self._change("thaw"):
            agent.thaw(self.world.domain(domain))

    def commit_live(
        self,
        domain: DomainUuid,
        action: CommitOverlays,
        *,
        bandwidth: int,
        progress: Progress,
        stop_asked: StopAsked,
    ) -> None:
        """Up to ready, or to the end."""
        with self._change("commit_live"):
            on = self.world.domain(domain)
            block_jobs.demand_chain(on, action)
            job = block_jobs.begin(
                self.world, on, action.disk, base=action.base, top=action.top, method=action.method
            )
            self.world.point("during")
            block_jobs.run(self.world, on, job, progress=progress, stop_asked=stop_asked)

    def follow_job(
        self, domain: DomainUuid, action: FinishJob, *, progress: Progress, stop_asked: StopAsked
    ) -> None:
        """The same for a job that is under way; of one that has ended the chain tells how."""
        with self._change("follow_job"):
            on = self.world.domain(domain)
            job = on.jobs.get(action.disk)
            if job is not None:
                block_jobs.run(self.world, on, job, progress=progress, stop_asked=stop_asked)
            elif block_jobs.still_stands(on, action):
                raise HypervisorError(f"cannot follow the commit of {action.top}: it has ended")

    def pivot(self, domain: DomainUuid, disk: DiskTarget) -> None:
        """Over to the base."""
        with self._change("pivot"):
            block_jobs.pivot(self.world, self.world.domain(domain), disk)

    def abort_job(self, domain: DomainUuid, disk: DiskTarget) -> None:
        """The chain stays as it is."""
        with self._change("abort_job"):
            block_jobs.abort(self.world.domain(domain), disk)

    def commit_offline(self, domain: DomainUuid, action: CommitOverlays) -> None:
        """With qemu-img."""
        with self._change("commit_offline"):
            offline.commit(self.world, self.world.domain(domain), action)

    def rebase_images(
        self,
        domain: DomainUuid,
        images: tuple[ImagePath, ...],
        *,
        base: ImagePath,
        base_format: str,
    ) -> None:
        """Headers alone."""
        with self._change("rebase_images"):
            on = self.world.domain(domain)
            offline.rebase(self.world, on, images, base=base, base_format=base_format)

    def switch_disk(
        self, domain: DomainUuid, disk: DiskTarget, *, to: ImagePath, image_format: str
    ) -> None:
        """In the persistent definition of a shut-off domain."""
        with self._change("switch_disk"):
            found = self.world.domain(domain)
            if found.is_active:
                raise StepRefused(f"cannot switch {found.name}/{disk}: the domain is running")
            on = found.definition.disk(disk)
            if on is None:
                raise StepRefused(f"cannot switch {found.name}/{disk}: it has no such disk")
            snapshots.put_on(on, to, image_format)

    def make_overlays(
        self,
        domain: DomainUuid,
        overlays: tuple[NewOverlay, ...],
        *,
        reserved: Reservation | None = None,
    ) -> None:
        """Empty ones."""
        paths = tuple(new.overlay for new in overlays)
        with self._change("make_overlays"), self._reserved(paths, reserved) as files:
            offline.make(self.world, overlays, files)

    def define_reverted(self, domain: DomainUuid, action: RevertSnapshot, ledger: Ledger) -> None:
        """Disks and ledger at once."""
        with self._change("define_reverted"):
            offline.put_back(self.world.domain(domain), action, ledger)

    def revert_internal(self, domain: DomainUuid, action: RevertInternal, ledger: Ledger) -> None:
        """Native."""
        with self._change("revert_internal"):
            offline.revert_inside(self.world, self.world.domain(domain), action, ledger)

    def keep_definition(self, domain: DomainUuid, name: SnapshotName, *, created: int) -> None:
        """In a record of its own."""
        with self._change("keep_definition"):
            snapshots.keep_definition(self.world.domain(domain), name, created)

    def define_kept(self, domain: DomainUuid, name: SnapshotName, ledger: Ledger) -> None:
        """From there."""
        with self._change("define_kept"):
            offline.define_kept(self.world.domain(domain), name, ledger)

    def go_on_from(self, domain: DomainUuid, memory: ImagePath, *, is_paused: bool) -> None:
        """From a memory image."""
        with self._change("go_on_from"):
            found = self.world.domain(domain)
            if found.has_managed_save:
                raise StepRefused(f"cannot start {found.name}: it has a managed save image")
            file = self.world.storage.file(memory)
            of_other = file.saved is not None and file.saved.name != found.name
            if file.does_not_load or of_other or (file.saved is not None and file.saved.fault):
                raise MemoryNotLoadedError(f"cannot go on from {memory}: it does not load")
            moments.note_resume(self.world, found, memory)
            power.start(self.world, found, is_paused=is_paused)
            # QEMU 10.0, unlike 7.2, takes the images only when the guest goes on
            found.has_let_go = is_paused and self.world.version >= LIBVIRT_10_9
            found.went_on_from.append(memory)

    def forget_snapshot(self, domain: DomainUuid, snapshot: SnapshotName) -> None:
        """The record alone."""
        with self._change("forget_snapshot"):
            snapshots.forget_alone(self.world, self.world.domain(domain), snapshot)

    def redefine_snapshot(self, domain: DomainUuid, action: RedefineSnapshot) -> None:
        """The record anew."""
        with self._change("redefine_snapshot"):
            snapshots.redefine(
                self.world.domain(domain),
                action.snapshot,
                description=action.description,
                sources=action.sources,
                make_current=action.make_current,
            )

    def shut_down(
        self, domain: DomainUuid, *, timeout: float, then_destroy: bool, stop_asked: StopAsked
    ) -> Stopped:
        """Ask, wait, destroy."""
        with self._change("shut_down"):
            return power.shut_down(
                self.world,
                self.world.domain(domain),
                timeout=timeout,
                then_destroy=then_destroy,
                stop_asked=stop_asked,
            )

    def start(self, domain: DomainUuid, *, is_paused: bool) -> None:
        """Unless it is on."""
        with self._change("start"):
            power.start_again(self.world, self.world.domain(domain), is_paused=is_paused)

    def mark_record(self, domain: DomainUuid, snapshot: SnapshotName, ledger: Ledger) -> None:
        """The ledger copy alone."""
        with self._change("mark_record"):
            record = self.world.domain(domain).record(snapshot)
            record.ledger = ledger
            moments.note_adoption(self.world, self.world.domain(domain), record, ledger)

    def remove_image(self, path: ImagePath) -> None:
        """One file; gone already is gone."""
        with self._change("remove_image"):
            user = self.world.in_use_by(frozenset({path}))
            if user is not None:
                raise StepRefused(f"cannot remove image {path}: {user.name} has it open")
            file = self.world.storage.files.get(path)
            if file is not None and file.is_device:
                raise StepRefused(f"cannot remove image {path}: it is no regular file")
            if self.world.storage.files.pop(path, None) is not None:
                self.world.removed.append(path)

    @contextmanager
    def _reserved(
        self, paths: tuple[ImagePath, ...], reserved: Reservation | None
    ) -> Iterator[Reservation]:
        """*reserved*, or files of its own for this one call."""
        if reserved is not None:
            yield reserved
            return
        with FakeReservation(self.world, paths) as own:
            try:
                yield own
            finally:
                own.give_back()

    @contextmanager
    def _change(self, method: str) -> Iterator[None]:
        with self._lock:
            self.world.changes.append(method)
            self.world.point("before")
            yield
            self.world.point("after")

    # What the guest does, and what is really there

    def domain(self, name: str) -> FakeDomain:
        """The domain of that name or UUID."""
        return next(d for d in self.world.domains.values() if name in (d.name, d.uuid))

    def guest_writes(self, name: str, target: str, cluster: int, value: int) -> None:
        """The guest writes one cluster.  Shut off: somebody writes to its active image."""
        with self._lock:
            domain, disk = self.domain(name), DiskTarget(target)
            self.world.storage.file(domain.disk(disk).source).clusters[cluster] = value
            block_jobs.guest_wrote(domain, disk, cluster)

    def guest_goes_on(self, name: str) -> None:
        """Every writable disk gets a new value in its first cluster and in one more.

        One whose image others stand on is left alone: its guest is off, or they would be damaged.
        A paused guest that has let go of its images writes nothing.
        """
        if self.domain(name).has_let_go:
            return
        files = self.world.storage.files
        below = {file.backing for file in files.values()}
        for disk in self.domain(name).definition.disks:
            if disk.is_writable and disk.source in files and disk.source not in below:
                self.world.written += 1
                for cluster in (0, 1 + self.world.written % 6):
                    self.guest_writes(name, disk.target, cluster, self.world.written)

    def content(self, path: str) -> Content:
        """What is read from an image by the headers; ``ContentGone`` when it cannot be."""
        return self.world.storage.content(ImagePath(path))

    def guest_view(self, name: str, target: str) -> Content:
        """What the guest reads from a disk, now or at its next start."""
        return self.world.guest_view(self.domain(name), DiskTarget(target))

    def snapshot_view(self, name: str, snapshot: str, target: str) -> Content | None:
        """What a snapshot holds of a disk, or of the memory; None when it left it out."""
        memory = self.domain(name).record(SnapshotName(snapshot)).memory_file
        if target == MEMORY:
            return self.content(memory) if memory is not None else None
        disk = self.domain(name).record(SnapshotName(snapshot)).disks.get(DiskTarget(target))
        if disk is not None and disk.capture is DiskCapture.INTERNAL:
            return self.world.storage.content_inside(disk.source, snapshot)
        if disk is None or disk.capture is not DiskCapture.EXTERNAL:
            return None
        return self.content(disk.source)

    def views(self) -> dict[tuple[str, ...], Content | None]:
        """Every guest's and every snapshot's content, None where it cannot be read.

        Keys are ``(domain, target)`` and ``(domain, target, snapshot)``.
        """
        keys: list[tuple[str, ...]] = []
        for domain in self.world.domains.values():
            keys += [(domain.name, disk.target) for disk in domain.definition.disks]
            keys += [
                (domain.name, disk.target, record.name)
                for record in domain.records.values()
                for disk in record.disks.values()
                if disk.capture in (DiskCapture.EXTERNAL, DiskCapture.INTERNAL)
            ]
            keys += [
                (domain.name, MEMORY, record.name)
                for record in domain.records.values()
                if record.memory_file is not None
            ]
        return {key: self._readable(key) for key in keys}

    def _readable(self, key: tuple[str, ...]) -> Content | None:
        try:
            if len(key) == 2:
                return self.guest_view(*key)
            return self.snapshot_view(key[0], key[2], key[1])
        except ContentGone:
            return None

    # The ledger, as the executor will write it

    def remember(self, domain: DomainUuid, ledger: Ledger) -> Ledger:
        """Write *ledger* with the next serial, and have the journal know it."""
        highest = max(ledger.serial, self.world.journal.remembered(domain).serial)
        written = replace(ledger, serial=highest + 1)
        self.world.journal.intend(domain, step="test", ledger=written)
        self.write_ledger(domain, written)
        self.world.journal.confirm(domain, ledger=written)
        return written
