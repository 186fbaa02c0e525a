"""The ``Hypervisor`` that the engine asks for: one libvirt with its image files."""

from collections.abc import Callable
from typing import Any

from reconciler.errors import HypervisorError
from reconciler.hypervisor import (
    agent,
    block_job,
    commit_proof,
    create,
    definitions,
    image_files,
    internal,
    kept_definition,
    memory_image,
    native_revert,
    records,
    reserving,
    shutdown,
)
from reconciler.hypervisor.connection import Connection, Versions
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.host_events import HostEvents
from reconciler.hypervisor.observe import Observer
from reconciler.hypervisor.patience import SECONDS, NoAnswer, alive, bounded
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
from reconciler.model.ledger import Ledger, Remembered
from reconciler.model.names import DiskTarget, DomainUuid, HostName, ImagePath, SnapshotName
from reconciler.model.power import Stopped
from reconciler.model.reservation import Reservation
from reconciler.model.snapshot import MemoryCapture

#: Writing or reading the memory of a guest is at least as fast as this, in bytes a second.
_SLOWEST_MEMORY = 10 * 2**20
#: What libvirt may do inside qcow2 images, and a guest with much memory at its start, in seconds.
_SLOW_START = _SLOW_IMAGES = 600.0


def _nothing_written(_uuid: DomainUuid) -> Remembered:
    return Remembered()


class LibvirtHost:
    """Observing and acting have connections of their own, and so has each long operation."""

    def __init__(
        self,
        name: HostName,
        uri: str,
        *,
        is_readonly: bool,
        extra_folders: tuple[str, ...] = (),
        remembered: Callable[[DomainUuid], Remembered] = _nothing_written,
        agent_timeout: int = 60,
        thaw_seconds: float = 60.0,
        patience: float = SECONDS,
    ) -> None:
        """*remembered* is the journal's; *agent_timeout* bounds a freeze, in seconds.

        After *patience* seconds without a sign of life from libvirt every method raises
        ``NoAnswer``, but for those whose time goes by in qemu-img and files.
        """
        self.name = name
        self.patience = patience
        self._connection = Connection(uri, is_readonly=is_readonly, patience=patience)
        self._observing = self._connection.another()
        self._observer = Observer(
            name, self._observing, extra_folders=extra_folders, remembered=remembered
        )
        self._events: HostEvents | None = None
        self._agent_timeout = agent_timeout
        self._thaw_seconds = thaw_seconds

    def close(self) -> None:
        """End the connections; the next call opens them again."""
        if self._events is not None:
            self._events.close()
        self._connection.close()
        self._observing.close()

    def listen(self, heard: Callable[[], None]) -> None:
        """Call *heard*, in libvirt's own thread, when a domain or a block job changes its state."""
        self._events = HostEvents(self._connection.another(), heard)

    @bounded
    def versions(self) -> Versions:
        """Binding, daemon, QEMU and hypervisor type."""
        return self._connection.versions()

    @property
    def is_local(self) -> bool:
        """The image files are on this machine."""
        return self._connection.is_local

    @bounded
    def observe(self) -> ObservedHost:
        """The whole host, afresh."""
        if self._events is not None:
            self._events.ensure()
        try:
            return self._observer.host()
        except NoAnswer:
            raise
        except HypervisorError:
            if self._observing.is_alive:
                raise
        # The daemon was restarted since we looked last: reading again does no harm.
        return self._observer.host()

    @bounded
    def write_ledger(self, domain: DomainUuid, ledger: Ledger) -> None:
        """Replace the ledger in every definition there is."""
        definitions.write_ledger(self._connection.domain(domain), ledger)

    @bounded
    def read_ledger(self, domain: DomainUuid) -> Ledger | None:
        """The ledger as it is now."""
        return definitions.read_ledger(self._connection.domain(domain), domain)

    def reserve(self, domain: DomainUuid, paths: tuple[ImagePath, ...]) -> Reservation:
        """Here; on another machine libvirt alone can make files."""
        what = f"make the new files of {self._connection.domain(domain).name()}"
        return reserving.reserve(paths if self.is_local else (), what)

    @bounded
    def create_snapshot(
        self,
        domain: DomainUuid,
        action: CreateSnapshot,
        *,
        quiesce: bool,
        reserved: Reservation | None = None,
    ) -> str:
        """Take the snapshot."""
        with self._connection.another() as connection:
            if quiesce:
                alive(for_seconds=self._agent_timeout + self._thaw_seconds)
            if action.memory is not MemoryCapture.NONE or action.internal:
                alive(for_seconds=_SLOW_IMAGES + _memory_seconds(connection.domain(domain)))
            return create.create(
                connection,
                domain,
                action,
                quiesce=quiesce,
                reserved=reserved,
                agent_timeout=self._agent_timeout,
                thaw_seconds=self._thaw_seconds,
            )

    @bounded
    def freeze_status(self, domain: DomainUuid) -> bool:
        """Whether the guest file systems are frozen now, or can be."""
        return agent.is_frozen_or_can_be(self._connection.domain(domain))

    @bounded
    def thaw(self, domain: DomainUuid) -> None:
        """Thaw, again and again."""
        alive(for_seconds=self._thaw_seconds)
        with self._connection.another() as connection:
            found = connection.domain(domain)
            with explaining(f"thaw the file systems of {found.name()}"):
                if found.isActive():
                    agent.limit_answers(found, agent.ASK_SECONDS)
                agent.thaw(found, seconds=self._thaw_seconds)

    @bounded
    def image_in_use(self, action: CommitOverlays | SwitchDisk) -> ImagePath | None:
        """Told by QEMU's locks, on this machine only."""
        return commit_proof.image_in_use(action) if self._connection.is_local else None

    def commit_live(
        self,
        domain: DomainUuid,
        action: CommitOverlays,
        *,
        bandwidth: int,
        progress: block_job.Progress,
        stop_asked: block_job.StopAsked,
    ) -> None:
        """Block commit up to *ready* (active) or to the end (live)."""
        with self._connection.another() as connection:
            block_job.commit(
                connection,
                domain,
                action,
                bandwidth=bandwidth,
                progress=progress,
                stop_asked=stop_asked,
            )

    @bounded
    def follow_job(
        self,
        domain: DomainUuid,
        action: FinishJob,
        *,
        progress: block_job.Progress,
        stop_asked: block_job.StopAsked,
    ) -> None:
        """Wait for a commit that is under way."""
        with self._connection.another() as connection:
            block_job.follow(connection, domain, action, progress=progress, stop_asked=stop_asked)

    @bounded
    def pivot(self, domain: DomainUuid, disk: DiskTarget) -> None:
        """Switch the guest over to the base."""
        with self._connection.another() as connection:
            block_job.pivot(connection.domain(domain), disk)

    @bounded
    def abort_job(self, domain: DomainUuid, disk: DiskTarget) -> None:
        """End a block job; the chain stays."""
        block_job.abort(self._connection.domain(domain), disk)

    def commit_offline(self, domain: DomainUuid, action: CommitOverlays) -> None:
        """Merge with qemu-img, then rebase."""
        image_files.commit(self._connection.domain(domain), action)

    def rebase_images(
        self,
        domain: DomainUuid,
        images: tuple[ImagePath, ...],
        *,
        base: ImagePath,
        base_format: str,
    ) -> None:
        """Point headers at *base*: content unchanged."""
        image_files.rebase(
            self._connection.domain(domain), images, base=base, base_format=base_format
        )

    @bounded
    def switch_disk(
        self, domain: DomainUuid, disk: DiskTarget, *, to: ImagePath, image_format: str
    ) -> None:
        """Point the persistent definition at *to*."""
        definitions.switch_disk(
            self._connection.domain(domain), disk, to=to, image_format=image_format
        )

    @bounded
    def delete_snapshot(self, domain: DomainUuid, action: DeleteSnapshot) -> None:
        """Delete an internal snapshot."""
        alive(for_seconds=_SLOW_IMAGES)
        with self._connection.another() as connection:
            internal.delete(connection, domain, action)

    def make_overlays(
        self,
        domain: DomainUuid,
        overlays: tuple[NewOverlay, ...],
        *,
        reserved: Reservation | None = None,
    ) -> None:
        """Make each overlay on its frozen layer."""
        image_files.make(self._connection.domain(domain), overlays, reserved=reserved)

    @bounded
    def define_reverted(self, domain: DomainUuid, action: RevertSnapshot, ledger: Ledger) -> None:
        """Disks and ledger in one define."""
        definitions.put_back(self._connection.domain(domain), action, ledger)

    @bounded
    def revert_internal(self, domain: DomainUuid, action: RevertInternal, ledger: Ledger) -> None:
        """libvirt's own revert."""
        with self._connection.another() as connection:
            found = connection.domain(domain)
            alive(for_seconds=_SLOW_IMAGES + _memory_seconds(found))
            native_revert.revert(found, action, ledger)

    @bounded
    def keep_definition(self, domain: DomainUuid, name: SnapshotName, *, created: int) -> None:
        """In a record without disks."""
        kept_definition.keep(self._connection.domain(domain), name, created=created)

    @bounded
    def define_kept(self, domain: DomainUuid, name: SnapshotName, ledger: Ledger) -> None:
        """What that record holds."""
        kept_definition.put_back(self._connection.domain(domain), name, ledger)

    @bounded
    def go_on_from(self, domain: DomainUuid, memory: ImagePath, *, is_paused: bool) -> None:
        """From a memory image."""
        with self._connection.another() as connection:
            found = connection.domain(domain)
            alive(for_seconds=_SLOW_START + _memory_seconds(found))
            memory_image.go_on(found, memory, is_paused=is_paused)

    @bounded
    def forget_snapshot(self, domain: DomainUuid, snapshot: SnapshotName) -> None:
        """Drop the record alone."""
        records.forget(self._connection.domain(domain), snapshot)

    @bounded
    def redefine_snapshot(self, domain: DomainUuid, action: RedefineSnapshot) -> None:
        """Write the record anew."""
        records.redefine(self._connection.domain(domain), action, is_local=self.is_local)

    @bounded
    def shut_down(
        self,
        domain: DomainUuid,
        *,
        timeout: float,
        then_destroy: bool,
        stop_asked: block_job.StopAsked,
    ) -> Stopped:
        """Ask the guest, wait, and destroy it if *then_destroy*."""
        with self._connection.another() as connection:
            return shutdown.shut_down(
                connection,
                domain,
                timeout=timeout,
                then_destroy=then_destroy,
                stop_asked=stop_asked,
            )

    @bounded
    def start(self, domain: DomainUuid, *, is_paused: bool) -> None:
        """Start a domain that is off."""
        alive(for_seconds=_SLOW_START)
        with self._connection.another() as connection:
            shutdown.start(connection.domain(domain), is_paused=is_paused)

    @bounded
    def mark_record(self, domain: DomainUuid, snapshot: SnapshotName, ledger: Ledger) -> None:
        """Replace the ledger copy in the record."""
        records.mark(self._connection.domain(domain), snapshot, ledger)

    def remove_image(self, path: ImagePath) -> None:
        """Unlink one file."""
        image_files.remove(path)


def _memory_seconds(domain: Any) -> float:
    with explaining(f"ask for the memory of {domain.name()}"):
        return float(domain.maxMemory() * 1024 / _SLOWEST_MEMORY)
