"""A snapshot as libvirt records it."""

import enum
from dataclasses import dataclass

from reconciler.model.ledger import LedgerRequest
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName


class DiskCapture(enum.StrEnum):
    """What a snapshot did with one disk (``snapshot=`` in libvirt's XML)."""

    EXTERNAL = "external"
    INTERNAL = "internal"
    SKIPPED = "no"
    MANUAL = "manual"


class MemoryCapture(enum.StrEnum):
    """Where a snapshot keeps the memory of the domain."""

    NONE = "no"
    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDisk:
    """One disk of a snapshot.

    *source* is what the inner ``<domain>`` says the disk was: the frozen layer when the disk was
    captured externally, a mere mention otherwise (facts §2).  *overlay* is from ``<disks>``.
    """

    target: DiskTarget
    capture: DiskCapture
    source: ImagePath | None = None
    source_format: str | None = None
    overlay: ImagePath | None = None
    #: the overlay in use after a native revert to a non-leaf (libvirt 9.9 and newer)
    revert_overlay: ImagePath | None = None
    #: the guest could write to it at that moment
    is_writable: bool = True
    #: what made it more, or less, than all of a plain image
    oddity: str | None = None

    @property
    def goes_on_in(self) -> ImagePath | None:
        """What libvirt believes was written after the snapshot: a native revert away from it removes
        that (facts §5.3)."""
        return self.revert_overlay or self.overlay


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord:
    """libvirt's record of a snapshot.  *created* is ``creationTime``, seconds since the epoch."""

    name: SnapshotName
    created: int
    #: ``running``, ``paused``, ``shutoff``, ``disk-snapshot`` …, in libvirt's words
    state: str
    description: str = ""
    parent: SnapshotName | None = None
    is_current: bool = False
    memory: MemoryCapture = MemoryCapture.NONE
    memory_file: ImagePath | None = None
    disks: tuple[SnapshotDisk, ...] = ()
    #: images that only the inner ``<inactiveDomain>`` names, no disk of ``<domain>``
    inactive_sources: tuple[ImagePath, ...] = ()
    #: sources in it whose place nobody can tell
    unresolved: tuple[str, ...] = ()
    #: the uid of our intent that names this very snapshot, from the ledger copy it was born with
    uid: str | None = None
    #: a hold lies in that copy: no pruning takes it, until it is released by its name
    is_held: bool = False
    #: image paths that intent named
    intent_images: tuple[ImagePath, ...] = ()
    #: revert requests that the ledger copy in the record knows to be done
    requests: tuple[LedgerRequest, ...] = ()
    #: serial of the ledger copy in the record, 0 for none
    ledger_serial: int = 0
    #: libvirt's own delete was interrupted (``snapshotDeleteInProgress``)
    is_delete_unfinished: bool = False

    @property
    def external_disks(self) -> tuple[SnapshotDisk, ...]:
        """The disks whose moment is a frozen layer."""
        return tuple(d for d in self.disks if d.capture is DiskCapture.EXTERNAL)

    @property
    def is_external(self) -> bool:
        """Taking it put an overlay on every disk it took, with or without the memory beside."""
        return (
            self.memory is not MemoryCapture.INTERNAL
            and bool(self.external_disks)
            and all(d.capture in (DiskCapture.EXTERNAL, DiskCapture.SKIPPED) for d in self.disks)
        )

    def disk(self, target: DiskTarget) -> SnapshotDisk | None:
        """The disk of that target, as this snapshot saw it."""
        return next((disk for disk in self.disks if disk.target == target), None)

    def frozen(self, target: DiskTarget) -> ImagePath | None:
        """The image that holds this snapshot's content of *target* (with all below it)."""
        disk = self.disk(target)
        return disk.source if disk and disk.capture is DiskCapture.EXTERNAL else None

    @property
    def mentions(self) -> frozenset[ImagePath]:
        """Every image path in the record, captured or not."""
        paths = {d.source for d in self.disks} | {d.overlay for d in self.disks}
        paths |= {d.revert_overlay for d in self.disks} | set(self.inactive_sources)
        paths |= {self.memory_file}
        return frozenset(path for path in paths if path is not None)
