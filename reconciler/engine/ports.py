"""What the engine needs from the world.  The fake and the real host both keep to this."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

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
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import Stopped
from reconciler.model.reservation import Reservation

#: Called with bytes done and bytes in all while a block job runs.
Progress = Callable[[int, int], None]
#: Asked at every safe point; True ends the work there.
StopAsked = Callable[[], bool]


class Hypervisor(Protocol):
    """One libvirt with its image files.

    Every method raises ``HypervisorError`` (or its kin) with libvirt's cause; after any error the
    caller observes again before it decides (facts §10).  Each does one thing and is safe to repeat.
    """

    def observe(self) -> ObservedHost:
        """The whole host, afresh."""

    def write_ledger(self, domain: DomainUuid, ledger: Ledger) -> None:
        """Replace the ledger in every definition there is (live and persistent)."""

    def read_ledger(self, domain: DomainUuid) -> Ledger | None:
        """The ledger as it is now; for the fence."""

    def reserve(self, domain: DomainUuid, paths: tuple[ImagePath, ...]) -> Reservation:
        """Make an empty file of each path, exclusively, all or none: ``PathTaken``."""

    def create_snapshot(
        self,
        domain: DomainUuid,
        action: CreateSnapshot,
        *,
        quiesce: bool,
        reserved: Reservation | None = None,
    ) -> str:
        """Take the snapshot.  With *quiesce* an agent that fails raises ``AgentError``, and nothing
        is taken; what it says against a thaw that was done all the same is handed back.

        Its files are those that are *reserved*, or are reserved first.  No other file that exists
        is written to: ``StepRefused``.
        """

    def freeze_status(self, domain: DomainUuid) -> bool:
        """Whether the guest file systems are frozen now; ``AgentError`` if the agent is silent, and
        ``AgentUnableError`` if it may not freeze or thaw them."""

    def thaw(self, domain: DomainUuid) -> None:
        """Thaw, again and again until the agent answers or the time for it is over."""

    def image_in_use(self, action: CommitOverlays | SwitchDisk) -> ImagePath | None:
        """One that *action* writes to, reads, or gives to a guest, and that a process besides the
        domain's own QEMU has open as QEMU does; None also where that cannot be told."""

    def commit_live(
        self,
        domain: DomainUuid,
        action: CommitOverlays,
        *,
        bandwidth: int,
        progress: Progress,
        stop_asked: StopAsked,
    ) -> None:
        """Block commit on an active domain up to *ready* (active) or to the end (live).

        ``Interrupted`` when stopped before it was (almost) done; the job is aborted then.
        ``CommitNotBegun`` when it failed, and is proven to have written nothing.
        """

    def follow_job(
        self, domain: DomainUuid, action: FinishJob, *, progress: Progress, stop_asked: StopAsked
    ) -> None:
        """Wait for a commit that is under way, as ``commit_live`` does."""

    def pivot(self, domain: DomainUuid, disk: DiskTarget) -> None:
        """Switch the guest over to the base of an active commit that is ready."""

    def abort_job(self, domain: DomainUuid, disk: DiskTarget) -> None:
        """End a block job; the chain stays as it is."""

    def commit_offline(self, domain: DomainUuid, action: CommitOverlays) -> None:
        """Merge with qemu-img, then point *rebased* at the base; nothing is redefined yet.

        Repeats itself while somebody wrote to the images meanwhile; ``StepRefused`` when the
        domain was started, ``CommitNotBegun`` as for ``commit_live``.
        """

    def rebase_images(
        self,
        domain: DomainUuid,
        images: tuple[ImagePath, ...],
        *,
        base: ImagePath,
        base_format: str,
    ) -> None:
        """Point the headers of *images*, which no QEMU has open, at *base*: content unchanged."""

    def switch_disk(
        self, domain: DomainUuid, disk: DiskTarget, *, to: ImagePath, image_format: str
    ) -> None:
        """Point the persistent definition of a shut-off domain at *to*, with no stale chain."""

    def delete_snapshot(self, domain: DomainUuid, action: DeleteSnapshot) -> None:
        """Delete an internal snapshot with what its images hold of it; no other, no child."""

    def make_overlays(
        self,
        domain: DomainUuid,
        overlays: tuple[NewOverlay, ...],
        *,
        reserved: Reservation | None = None,
    ) -> None:
        """Make each overlay, empty, on its frozen layer, in the files that are *reserved* or are
        reserved first."""

    def define_reverted(self, domain: DomainUuid, action: RevertSnapshot, ledger: Ledger) -> None:
        """Switch the disks of a shut-off domain to the overlays and write *ledger*, in one define.

        ``StepRefused`` when the domain was started.
        """

    def revert_internal(self, domain: DomainUuid, action: RevertInternal, ledger: Ledger) -> None:
        """Native revert of a shut-off domain, which installs the ledger that lies in the target's
        record; then the present definition is defined again, with *ledger*, but for ``config: whole``.

        ``StepRefused`` when the domain was started.
        """

    def keep_definition(self, domain: DomainUuid, name: SnapshotName, *, created: int) -> None:
        """Make a record *name* that takes no disk and holds the present persistent definition.

        Neither another record nor the current mark changes.
        """

    def define_kept(self, domain: DomainUuid, name: SnapshotName, ledger: Ledger) -> None:
        """Define what the record *name* holds and write *ledger*, in one define.

        ``StepRefused`` when a disk that the guest can write to is on another image than there.
        """

    def go_on_from(self, domain: DomainUuid, memory: ImagePath, *, is_paused: bool) -> None:
        """Start a domain that is off from a memory image, on the images it has now.

        ``StepRefused`` when there is a managed save image; ``MemoryNotLoadedError`` when it does
        not load, and the domain is off.
        """

    def forget_snapshot(self, domain: DomainUuid, snapshot: SnapshotName) -> None:
        """Drop the record alone; the records of its children say what they said."""

    def redefine_snapshot(self, domain: DomainUuid, action: RedefineSnapshot) -> None:
        """Write the record anew (read with SECURE, never logged)."""

    def shut_down(
        self, domain: DomainUuid, *, timeout: float, then_destroy: bool, stop_asked: StopAsked
    ) -> Stopped:
        """Ask the guest to shut down and wait; after *timeout* seconds, or at once when it is
        paused, destroy it if *then_destroy*.

        ``Interrupted`` when stopped meanwhile (the guest was asked all the same); ``StepRefused``
        for a transient domain, and when somebody saved its memory instead.
        """

    def start(self, domain: DomainUuid, *, is_paused: bool) -> None:
        """Start a domain that is off, paused before it boots if *is_paused*; active it is left alone.

        ``StepRefused`` when there is a managed save image: it would go on from that.
        """

    def mark_record(self, domain: DomainUuid, snapshot: SnapshotName, ledger: Ledger) -> None:
        """Replace the ledger copy in the record, in each inner definition; the rest of it stays.

        A revert to the snapshot installs that copy; nothing else of the host changes.
        """

    def remove_image(self, path: ImagePath) -> None:
        """Unlink one file."""


class Journal(Protocol):
    """The write-ahead record on this machine, one per domain, fsynced."""

    def remembered(self, domain: DomainUuid) -> Remembered:
        """What was written from here."""

    def intend(self, domain: DomainUuid, *, step: str, ledger: Ledger) -> None:
        """*step* is about to happen, with *ledger* written."""

    def confirm(self, domain: DomainUuid, *, ledger: Ledger) -> None:
        """The step of the last ``intend`` is done, *ledger* is written."""


class Locks(Protocol):
    """One writer a domain on this machine."""

    def hold(
        self, domain: DomainUuid, *, plan_id: str, patience: float, stop_asked: StopAsked
    ) -> AbstractContextManager[None]:
        """Hold the lock, for which *patience* seconds are waited.

        ``LockedError`` says who has it, and since when; ``Interrupted`` when stopped meanwhile.
        """


class Clock(Protocol):
    """Time and waiting."""

    def now(self) -> datetime:
        """Now, in UTC."""

    def wait(self, seconds: float) -> None:
        """Let *seconds* go by."""


class Identity(Protocol):
    """What is made up."""

    def uid(self) -> str:
        """A new name nobody else has."""

    def holder(self) -> str:
        """Who this is, for fences and locks: ``user@machine pid``."""
