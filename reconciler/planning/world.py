"""One domain with the images around it: what the differ, the planner and the safety rules look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from reconciler.model import ownership
from reconciler.model.chain import Image, Presence
from reconciler.model.domain import Disk, DiskKind, ObservedDomain, ObservedHost
from reconciler.model.ledger import (
    CommitState,
    EntryState,
    ImageIdentity,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    RequestState,
)
from reconciler.model.names import (
    DiskTarget,
    DomainName,
    ImagePath,
    SnapshotName,
    folder_of,
    plain_folder,
)
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning.index import HostIndex, Naming, Role, children_of, namings_of
from reconciler.planning.unseen import Unseen

_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class World:
    """A domain, the images that it, or somebody beside it, reads, and who else names them.

    *foreign* are namings by other domains of the host.  *declared_folders* are ``Host.spec.folders``
    with links followed.
    """

    host: ObservedHost
    domain: ObservedDomain
    images: Mapping[ImagePath, Image]
    foreign: Mapping[ImagePath, tuple[Naming, ...]]
    declared_folders: tuple[str, ...] = ()
    #: who on the host may read any image, as far as can be told
    unseen: tuple[Unseen, ...] = ()
    #: what ``once`` has found
    _found: dict[object, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    #: names of new files that the plans of several domains would make, and whose (``claims``)
    claimed: Mapping[str, frozenset[DomainName]] = field(default_factory=dict)

    def once(self, key: object, find: Callable[[], _Found]) -> _Found:
        """What *find* finds, which is asked for once: a world does not change, and is asked often.

        *key* says what is found, and by whom.
        """
        if key not in self._found:
            self._found[key] = find()
        found: _Found = self._found[key]
        return found

    @cached_property
    def children(self) -> dict[ImagePath, tuple[ImagePath, ...]]:
        """For each image those that stand on it."""
        return children_of(self.images, (self.domain,))

    @cached_property
    def namings(self) -> tuple[Naming, ...]:
        """Every naming by this domain."""
        return tuple(namings_of(self.domain))

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, an empty one where there is none.

        What was given up once and somebody has put back to use is not given up any more.
        """
        if self.domain.ledger is None:
            return Ledger(uuid=self.domain.uuid)
        return self.domain.ledger.using(self.in_own_chain)

    @cached_property
    def identities(self) -> dict[ImagePath, ImageIdentity]:
        """What images were like when managed snapshots came to stand on them."""
        return {identity.path: identity for identity in self.ledger.identities}

    def with_ledger(self, ledger: Ledger) -> "World":
        """The same world, of which *ledger* is known."""
        return replace(self, domain=replace(self.domain, ledger=ledger))

    @property
    def highest_serial(self) -> int:
        """The highest ledger serial that anything has seen.

        A seed, written ahead into the record that an unfinished revert of ours goes back to, was
        not in force.
        """
        seeds = {r.to for r in self.ledger.requests if r.state is RequestState.BEGUN}
        copies = (r.ledger_serial for r in self.domain.records if r.name not in seeds)
        return max(self.ledger.serial, self.domain.journal_serial, *copies, 0)

    # --- snapshots

    def agreeing_entry(self, record: SnapshotRecord) -> LedgerEntry | None:
        """The ledger entry that makes *record* managed."""
        return self.domain.agreeing_entry(record)

    def is_managed(self, record: SnapshotRecord) -> bool:
        """Ours to change."""
        return self.agreeing_entry(record) is not None

    def agreeing_record(self, entry: LedgerEntry) -> SnapshotRecord | None:
        """The record that *entry* speaks of."""
        record = self.domain.record(entry.name)
        return record if record and self.agreeing_entry(record) is entry else None

    def is_held(self, record: SnapshotRecord) -> bool:
        """A managed snapshot that no pruning may take."""
        return ownership.is_held(self.domain, record)

    @cached_property
    def deleting(self) -> frozenset[SnapshotName]:
        """Managed snapshots whose removal has begun, but for one that is still to be defined from."""
        return frozenset(
            record.name
            for record in self.domain.records
            if (entry := self.agreeing_entry(record)) and entry.state is EntryState.DELETING
        ) - {self.ledger.definition}

    # --- images

    def image(self, path: ImagePath) -> Image:
        """The image of that path; one nobody could look at is there, and unknown."""
        known = self.images.get(path)
        if known is not None:
            return known
        return Image(path=path, format="", presence=Presence.UNKNOWN, is_examined=False)

    def kind_of(self, path: ImagePath) -> DiskKind:
        """What a definition calls a disk whose active image is *path*."""
        return DiskKind.BLOCK if self.image(path).is_device else DiskKind.FILE

    def walk(self, top: ImagePath) -> tuple[ImagePath, ...]:
        """The images from *top* down, as far as they are known; *top* first."""
        return self.once(("walk", top), lambda: walk(self.images, top))

    def disk(self, target: DiskTarget) -> Disk | None:
        """The disk of that target as the guest sees it."""
        return self.domain.disk(target)

    @cached_property
    def own_chains(self) -> tuple[frozenset[ImagePath], ...]:
        """The chains of the own definitions, live and persistent."""
        return tuple(
            frozenset(disk.chain.images) if disk.chain else frozenset({disk.source})
            for disks in self.domain.definitions
            for disk in disks
            if disk.source is not None
        )

    @cached_property
    def in_own_chain(self) -> frozenset[ImagePath]:
        """Every image of an own definition's chain."""
        return frozenset(path for chain in self.own_chains for path in chain)

    @cached_property
    def written(self) -> frozenset[ImagePath]:
        """Images that some guest writes to, or will when it is started."""
        own = {n.path for n in self.namings if n.role is Role.ACTIVE and n.is_writable}
        other = {
            n.path
            for namings in self.foreign.values()
            for n in namings
            if n.role is Role.ACTIVE and n.is_writable
        }
        return frozenset(own | other)

    @cached_property
    def written_now(self) -> frozenset[ImagePath]:
        """Images that a running guest has as a disk it can write to."""
        others = (other for other in self.host.domains if other.uuid != self.domain.uuid)
        return frozenset(
            disk.source
            for domain in (self.domain, *others)
            for disk in domain.live or ()
            if disk.is_writable and disk.source is not None
        )

    def writers(self, path: ImagePath) -> tuple[str, ...]:
        """The domains whose definition has *path* as a disk that is written to."""
        namings = (*self.namings, *self.foreign.get(path, ()))
        active = (n for n in namings if n.path == path and n.role is Role.ACTIVE and n.is_writable)
        return tuple(sorted({naming.domain for naming in active}))

    def taken_in(self, folder: str) -> frozenset[ImagePath]:
        """Every path of *folder* that something has already."""
        others = {
            ImagePath(f"{folder.rstrip('/')}/{name}")
            for observed in self.host.folders
            if observed.path == folder
            for name in observed.others
        }
        listed = {image.path for image in self.host.images if folder_of(image.path) == folder}
        return frozenset(others | listed | set(self.images))

    # --- what has been merged

    def is_done(self, commit: LedgerCommit) -> bool:
        """*commit* has happened, and the chain agrees (facts §7.3: no job is no proof).

        The ledger says *merged* right before the chain is switched; where that was too late, only
        comparing the files proves it.  A chain without the top proves nothing by itself: somebody
        may have reverted by hand, and the top holds what no other image has.
        """
        if commit.top in self.in_own_chain:
            return False  # also when it was merged once: the guest has written to it since
        pair = (commit.top, commit.base)
        return commit.state is CommitState.MERGED or pair in self.domain.merged_by_hand

    @cached_property
    def merged_by_us(self) -> dict[ImagePath, ImagePath]:
        """Where commits of ours have put the content of images."""
        done = (commit for commit in self.ledger.commits if self.is_done(commit))
        return {path: commit.base for commit in done for path in commit.merged}

    @cached_property
    def moved(self) -> dict[ImagePath, ImagePath]:
        """Where the content of merged images is now: by commits of ours, or by hand."""
        by_hand = {top: base for top, base in self.domain.merged_by_hand if base in self.own_layers}
        return {**by_hand, **self.merged_by_us}

    @cached_property
    def own_layers(self) -> frozenset[ImagePath]:
        """Images we made, and those that managed snapshots froze; below them we never go."""
        frozen = {
            disk.source
            for record in self.domain.records
            if self.is_managed(record)
            for disk in record.external_disks
            if disk.source is not None
        }
        return frozenset(frozen) | self.ledger.image_paths

    @cached_property
    def frozen_layers(self) -> frozenset[ImagePath]:
        """What any snapshot froze as an image, where its content is now."""
        return frozenset(
            self.now_at(disk.source)
            for record in self.domain.records
            for disk in record.external_disks
            if disk.source is not None
        )

    def now_at(self, path: ImagePath) -> ImagePath:
        """The image that holds what *path* held."""
        return followed(path, self.moved)

    @cached_property
    def emptied(self) -> frozenset[ImagePath]:
        """Images that a commit of ours has merged down."""
        return frozenset(
            path
            for commit in self.ledger.commits
            if self.is_done(commit)
            for path in commit.merged
            if path not in self.in_own_chain
        )

    # --- proof

    def is_listed(self, path: ImagePath) -> bool:
        """Every file beside *path* was looked at."""
        folder = folder_of(path)
        return any(f.path == folder and f.is_listed for f in self.host.folders)

    def standing_alone(self, path: ImagePath) -> ImagePath | None:
        """*path*, if it could be given a copy of what it stands on: snapshots inside it would get none."""
        return None if self.image(path).internal_snapshots else path

    def readers_elsewhere(self, path: ImagePath) -> tuple[str, ...]:
        """Other domains that name *path* or an image standing on it."""
        found = set()
        todo, seen = [path], set()
        while todo:
            image = todo.pop()
            if image in seen:
                continue
            seen.add(image)
            found |= {naming.domain for naming in self.foreign.get(image, ())}
            todo += self.children.get(image, ())
        return tuple(sorted(found))


def followed(path: ImagePath, moved: Mapping[ImagePath, ImagePath]) -> ImagePath:
    """Where *path* has been moved to in the end."""
    seen = {path}
    while path in moved and moved[path] not in seen:
        path = moved[path]
        seen.add(path)
    return path


def resolved(host: ObservedHost, folder: str) -> str:
    """*folder* with links followed, as far as the host was asked to look there."""
    plain = plain_folder(folder)
    return next((seen.path for seen in host.folders if plain in seen.links), plain)


def walk(images: Mapping[ImagePath, Image], top: ImagePath) -> tuple[ImagePath, ...]:
    """The images from *top* down, by header; a loop ends it."""
    found: list[ImagePath] = []
    path: ImagePath | None = top
    while path is not None and path not in found:
        found.append(path)
        image = images.get(path)
        path = image.backing if image else None
    return tuple(found)


def world_of(
    index: HostIndex, domain: ObservedDomain, declared_folders: tuple[str, ...] = ()
) -> World:
    """*domain* with its neighbourhood: all it names, all below that, and all that stands on those."""
    start = {naming.path for naming in namings_of(domain)}
    if domain.ledger:
        start |= domain.ledger.image_paths
        for commit in domain.ledger.commits:
            start |= {commit.base, *commit.merged}
    below = {image for path in start for image in walk(index.images, path)}
    near, todo = set(), list(below)
    while todo:
        path = todo.pop()
        if path not in near:
            near.add(path)
            todo += index.children.get(path, ())
    foreign = {
        path: others
        for path in near
        if (others := tuple(n for n in index.namings.get(path, ()) if n.uuid != domain.uuid))
    }
    return World(
        host=index.host,
        domain=domain,
        images={path: index.images[path] for path in sorted(near) if path in index.images},
        foreign=foreign,
        declared_folders=tuple(resolved(index.host, folder) for folder in declared_folders),
        unseen=index.unseen,
    )
