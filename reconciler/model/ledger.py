"""What virtsnap remembers with the domain: the ledger (design §3)."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.model.chain import FileIdentity
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState

#: 2: what each snapshot froze is in it
LEDGER_FORMAT = 2
#: stands for a disk where a memory image is meant
MEMORY = DiskTarget("memory")


class EntryState(enum.StrEnum):
    """Where a managed snapshot stands."""

    CREATING = "creating"
    TAKEN = "taken"
    #: a commit of it has begun: its frozen layer is dirty, it can only be finished (facts §7.4)
    DELETING = "deleting"
    #: it vanished, or its record was forgotten, without our removing it
    LOST = "lost"


class Consistency(enum.StrEnum):
    """What was achieved when the snapshot was taken."""

    QUIESCED = "quiesced"
    CRASH = "crash"
    MEMORY = "memory"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenDisk:
    """The image that holds one disk of a managed snapshot (with all below it).

    It follows what commits of ours move; nobody else's word changes it.
    """

    disk: DiskTarget
    path: ImagePath
    #: as it was declared: never guessed from content
    format: str | None = None
    #: an internal snapshot in that image; else the image itself is frozen
    is_inside: bool = False
    #: what the saved memory calls the image, in the definition it was saved with
    in_memory: ImagePath | None = None
    #: somebody was seen to have written to it, or to what it stands on, since: for good
    is_written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIdentity:
    """What an image was like when a snapshot came to stand on it: none of it changes by itself.

    *backing* is what its header said.
    """

    path: ImagePath
    file: FileIdentity | None = None
    virtual_size: int | None = None
    backing: ImagePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One managed snapshot.  *created* is libvirt's ``creationTime`` (seconds), once known."""

    name: SnapshotName
    uid: str
    state: EntryState
    created: int | None = None
    consistency: Consistency | None = None
    #: ``source.id`` of the manifests that declared it
    source: str | None = None
    manifest: str | None = None
    revision: str | None = None
    #: what the domain did before virtsnap touched it for this snapshot; None: not known
    power: PowerState | None = None
    #: a hold: no pruning takes it, until it is released by its name
    is_held: bool = False
    #: by disk; empty where it is not known, or cannot be proven
    frozen: tuple[FrozenDisk, ...] = ()
    #: the memory image, where it has one
    memory: ImagePath | None = None

    def frozen_disk(self, target: DiskTarget) -> FrozenDisk | None:
        """What is remembered of that disk."""
        return next((disk for disk in self.frozen if disk.disk == target), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerImage:
    """A file that virtsnap made, until it is removed; a memory image has the disk ``memory``."""

    path: ImagePath
    disk: DiskTarget
    snapshot: SnapshotName
    #: a revert with `present: discard` left it: nobody is to read it any more
    is_given_up: bool = False


class CommitState(enum.StrEnum):
    """How far a block commit of ours got; the chain decides, this says what to look for."""

    STARTED = "started"
    #: everything is in the base: written right before the chain is switched to it
    MERGED = "merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCommit:
    """A block commit of ours, from before it starts until its images are removed.

    *merged* are the images above *base* up to and with the top, lowest first.
    """

    disk: DiskTarget
    base: ImagePath
    merged: tuple[ImagePath, ...]
    snapshots: tuple[SnapshotName, ...]
    state: CommitState = CommitState.STARTED

    def __post_init__(self) -> None:
        if not self.merged or self.base in self.merged:
            raise ValueError("a commit merges at least one image into another one")

    @property
    def top(self) -> ImagePath:
        """The uppermost image that is merged."""
        return self.merged[-1]


class RequestState(enum.StrEnum):
    """What is known of a revert request."""

    #: it is being carried out: its images may be there
    BEGUN = "begun"
    DONE = "done"
    #: the ledger was lost since it was asked for: it may have been done
    UNPROVEN = "unproven"
    #: the moment that bore the name when it was asked for has gone, and another bears it: never done
    VOID = "void"
    #: the memory that it went to did not load: nothing tries it again
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What a revert to a memory left, until the guest has gone on from that memory.

    *owed* is what the domain is to be there, *definition* the snapshot that holds the definition of
    before, where that went too; *discards*: the images are given up once there is no way back.
    """

    disks: tuple[tuple[DiskTarget, ImagePath], ...]
    owed: PowerOwed | None = None
    definition: SnapshotName | None = None
    discards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRequest:
    """A revert request, kept for ever: each is done once (law 3)."""

    request: str
    to: SnapshotName
    state: RequestState = RequestState.DONE
    back: WayBack | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Who is changing this domain, for controllers on other machines."""

    holder: str
    plan_id: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The whole memory of one domain.  *serial* only grows."""

    uuid: DomainUuid
    serial: int = 0
    entries: tuple[LedgerEntry, ...] = ()
    images: tuple[LedgerImage, ...] = ()
    commits: tuple[LedgerCommit, ...] = ()
    #: a freeze of ours may be in force: written before it, cleared after the thaw
    is_freezing: bool = False
    requests: tuple[LedgerRequest, ...] = ()
    owed: PowerOwed | None = None
    #: whose record holds the definition that is to be defined again: libvirt's own revert has put
    #: that of the snapshot in its place; cleared by the very define
    definition: SnapshotName | None = None
    fence: Fence | None = None
    #: by path, of all images that managed snapshots stand on, and of their memory images
    identities: tuple[ImageIdentity, ...] = ()

    def using(self, images: frozenset[ImagePath]) -> "Ledger":
        """The same, with none of *images* given up."""
        if not any(image.is_given_up and image.path in images for image in self.images):
            return self
        kept = tuple(
            replace(image, is_given_up=False) if image.path in images else image
            for image in self.images
        )
        return replace(self, images=kept)

    def called(self, name: Callable[[ImagePath], ImagePath]) -> "Ledger":
        """The same, with what snapshots stand on called by *name*; not the images we made."""

        def maybe(path: ImagePath | None) -> ImagePath | None:
            return None if path is None else name(path)

        entries = (
            replace(
                entry,
                frozen=tuple(
                    replace(disk, path=name(disk.path), in_memory=maybe(disk.in_memory))
                    for disk in entry.frozen
                ),
            )
            for entry in self.entries
        )
        identities = (
            replace(known, path=name(known.path), backing=maybe(known.backing))
            for known in self.identities
        )
        commits = (replace(commit, base=name(commit.base)) for commit in self.commits)
        return replace(
            self, entries=tuple(entries), identities=tuple(identities), commits=tuple(commits)
        )

    def request(self, value: str) -> LedgerRequest | None:
        """The revert request of that value, if it was ever asked for."""
        return next((r for r in self.requests if r.request == value), None)

    def entry(self, name: SnapshotName) -> LedgerEntry | None:
        """The entry of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    @property
    def is_unfinished(self) -> bool:
        """Something is owed to the guest, or files of ours are left."""
        debts = (self.owed, self.definition, *self.images, *self.commits)
        return self.is_freezing or any(debt is not None for debt in debts)

    @property
    def left_behind(self) -> frozenset[ImagePath]:
        """Images that a revert may have to go back to."""
        backs = (request.back for request in self.requests)
        return frozenset(path for back in backs if back is not None for _, path in back.disks)

    @property
    def image_paths(self) -> frozenset[ImagePath]:
        """Every image virtsnap made here and has not removed."""
        return frozenset(image.path for image in self.images)

    @property
    def emptied(self) -> frozenset[ImagePath]:
        """Images whose data a commit of ours has merged down."""
        return frozenset(
            path
            for commit in self.commits
            if commit.state is CommitState.MERGED
            for path in commit.merged
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What this machine's journal knows of a domain, whatever became of its ledger."""

    #: the highest ledger serial written from here, 0 for none
    serial: int = 0
    #: revert requests that were done
    requests: tuple[LedgerRequest, ...] = ()
    #: what was unfinished in the last ledger written from here, and the images in it, those that were
    #: frozen too
    last: Ledger | None = None


def unfinished(ledger: Ledger) -> Ledger:
    """What nothing but *ledger* knows: files without a record, what frozen images were like, what was
    begun, and what is owed."""
    return replace(
        ledger,
        entries=tuple(e for e in ledger.entries if e.state is EntryState.DELETING),
        requests=tuple(r for r in ledger.requests if r.state is RequestState.BEGUN),
        fence=None,
    )


def done_requests(ledger: Ledger) -> tuple[LedgerRequest, ...]:
    """The requests that *ledger* knows to be done."""
    return tuple(r for r in ledger.requests if r.state is RequestState.DONE)


class LedgerProblem(enum.StrEnum):
    """Why a ledger element in the domain's metadata is not used."""

    #: of another domain (a clone): no ledger
    FOREIGN = "foreign"
    #: of a newer virtsnap: nothing may be changed
    NEWER = "newer"
    #: it does not parse
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReading:
    """What the domain's metadata says."""

    ledger: Ledger | None = None
    problem: LedgerProblem | None = None
    #: another definition of the domain says another one, or none
    is_partial: bool = False
