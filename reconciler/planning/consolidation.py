"""Removing snapshots: internal ones first; then which images are merged, in how few passes, and what goes after."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.model.action import (
    Action,
    CommitMethod,
    CommitOverlays,
    ForgetSnapshot,
    RemovalCause,
    RemoveImage,
)
from reconciler.model.chain import Presence
from reconciler.model.ledger import MEMORY
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning import (
    branches,
    deleting,
    frozen,
    renamed,
    rewriting,
    safety,
    simulate,
)
from reconciler.planning.world import World

#: overlays of ours that no record accounts for, by disk
Loose = frozenset[tuple[DiskTarget, ImagePath]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidation:
    """The actions that remove snapshots and merge loose overlays, and what is refused."""

    actions: tuple[Action, ...] = ()
    refusals: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class _Round:
    """What can be done at once: merges per disk, images that are given up, snapshots that go."""

    going: set[SnapshotName]
    loose: set[tuple[DiskTarget, ImagePath]]
    refusals: list[Refusal] = field(default_factory=list)
    commits: list[CommitOverlays] = field(default_factory=list)
    abandoned: dict[ImagePath, tuple[DiskTarget, SnapshotName]] = field(default_factory=dict)


def consolidate(world: World, going: frozenset[SnapshotName], loose: Loose) -> Consolidation:
    """Remove *going*, merge *loose*; leaves off the live chain first, so that branches end."""
    actions: list[Action] = []
    refusals: list[Refusal] = []
    left, left_loose = set(going), set(loose)
    for deletion in tuple(deleting.deletions(world, going)):
        # before what stands on their images is merged: an image that holds one is never merged
        why = deleting.why_not_delete(world, deletion)
        left.discard(deletion.snapshot)
        if why is not None:
            refusals.append(why)
            continue
        actions.append(deletion)
        world = simulate.after(world, deletion)
    while left or left_loose:
        now = _round(world, left, left_loose)
        refusals += now.refusals
        refused = {r.snapshot for r in now.refusals if r.snapshot is not None}
        if not now.going and not now.loose and not left & refused:
            break
        for action in _actions(world, now):
            actions.append(action)
            world = simulate.after(world, action)
        left -= now.going | refused
        left_loose = {item for item in left_loose - now.loose if left}
    return Consolidation(actions=tuple(actions), refusals=tuple(refusals))


def _round(
    world: World, going: set[SnapshotName], loose: set[tuple[DiskTarget, ImagePath]]
) -> _Round:
    """The leaves off the live chain if there are any; else everything that is left."""
    leaves = {name for name in going if any(_abandons(world, name, going))}
    now = _Round(going=set(leaves or going), loose=set() if leaves else set(loose))
    while True:
        now.commits, now.abandoned = [], {}
        for name in sorted(now.going):
            for target, path in _abandons(world, name, going):
                now.abandoned[path] = (target, name)
        refused = [
            *_rewritten_children(world, now.going),
            *_holding_snapshots(world, now),
            *_merge_all(world, now),
        ]
        if not refused:
            return now
        for blamed, why in refused:
            now.refusals += [
                Refusal(code=why.code, snapshot=name, facts=why.facts)
                for name in sorted(blamed & now.going)
            ]
            now.going -= blamed
            if not blamed:
                now.loose.clear()
                now.refusals.append(why)


def _abandons(
    world: World, name: SnapshotName, going: set[SnapshotName]
) -> Iterator[tuple[DiskTarget, ImagePath]]:
    """Frozen layers of *name* that nothing stands on and only it reads: off the live chain."""
    for target, _, layer in _frozen_by(world, (name,)):
        if layer in world.in_own_chain or layer in _kept_frozen(world, going):
            continue
        standing = branches.standing_on(world, layer)
        if all(_is_given_up(world, image, going) for image in standing):
            yield from ((target, image) for image in standing)
            yield target, layer


def _is_given_up(world: World, image: ImagePath, going: set[SnapshotName]) -> bool:
    """An overlay of ours that a revert left behind: only records that go name it."""
    named = any(image in r.mentions for r in world.domain.records if r.name not in going)
    ours = image in world.ledger.image_paths
    return (
        ours
        and not named
        and branches.is_unread(world, image)
        and not branches.standing_on(world, image)
    )


def _kept_frozen(world: World, going: set[SnapshotName]) -> frozenset[ImagePath]:
    kept = (r for r in world.domain.records if r.name not in going)
    sources = (disk.source for record in kept for disk in record.external_disks)
    return frozenset(world.now_at(path) for path in sources if path is not None)


# --- merging


def _rewritten_children(
    world: World, going: set[SnapshotName]
) -> Iterator[tuple[frozenset[SnapshotName], Refusal]]:
    for name in sorted(going):
        why = why_not_forget(world, name) or _why_memory_stays(world, name)
        if why is not None:
            yield frozenset({name}), why


def _holding_snapshots(
    world: World, now: _Round
) -> Iterator[tuple[frozenset[SnapshotName], Refusal]]:
    """An image that would be given up, and holds internal snapshots that stay."""
    for path, (target, name) in sorted(now.abandoned.items()):
        why = safety.why_inside(world, path, disk=target)
        if why is not None:
            yield frozenset({name}), why


def _why_memory_stays(world: World, name: SnapshotName) -> Refusal | None:
    """Asked before anything is merged: the record waits for its memory image to go."""
    record = world.domain.record(name)
    removals = [] if record is None else [r for r in _memory_of(world, record) if r.is_present]
    return next((why for r in removals if (why := safety.why_not_remove(world, r))), None)


def why_not_forget(world: World, name: SnapshotName) -> Refusal | None:
    """A hold; or libvirt 9.0, which rewrites what children of a forgotten record froze (facts §4.4)."""
    why = safety.why_held(world, name) or frozen.why_unproven(world, name)
    if why is not None:
        return why
    record = world.domain.record(name)
    for disk in record.external_disks if record else ():
        for child in world.domain.records:
            touched = child.parent == name and child.frozen(disk.target) == disk.overlay
            if touched and disk.overlay is not None and not world.is_managed(child):
                return refusal(
                    RefusalCode.UNMANAGED_READER,
                    snapshot=name,
                    disk=disk.target,
                    image=disk.overlay,
                    kind="snapshot",
                    readers=child.name,
                )
    return None


@dataclass(slots=True)
class _Edges:
    """What is merged into what, by the image below; whose frozen layer that is, and on which disk."""

    above: dict[ImagePath, ImagePath] = field(default_factory=dict)
    owners: dict[ImagePath, set[SnapshotName]] = field(default_factory=lambda: defaultdict(set))
    disks: dict[ImagePath, DiskTarget] = field(default_factory=dict)


def _merge_all(world: World, now: _Round) -> Iterator[tuple[frozenset[SnapshotName], Refusal]]:
    """Fills ``now.commits``; yields who is refused, and why."""
    edges = _Edges()
    for target, name, layer in sorted(_frozen_by(world, now.going)):
        refused = _edge(world, now, target, name, layer, edges)
        if refused is not None:
            yield frozenset({name}), refused
    kept = _kept_frozen(world, now.going)
    for target, path in sorted(now.loose):
        below = world.image(path).backing
        if below is not None and below not in kept:
            edges.above[below] = path
            edges.disks[below] = target
    for run in sorted(_runs(edges.above), key=lambda run: edges.disks[run[0]]):
        action = _commit(world, edges.disks[run[0]], run, edges.owners)
        why = safety.why_not_commit(world, action, frozenset(now.going))
        if why is None:
            now.commits.append(action)
        else:
            yield frozenset(n for image in run[:-1] for n in edges.owners[image]), why


def _frozen_by(
    world: World, names: Iterable[SnapshotName]
) -> Iterator[tuple[DiskTarget, SnapshotName, ImagePath]]:
    """The frozen layers of *names* with the disk that each is on now.

    What was on a disk that is detached is left alone, and reported.
    """
    for name in names:
        record = world.domain.record(name)
        for disk in record.external_disks if record else ():
            layer = world.now_at(disk.source) if disk.source else None
            now = renamed.disk_of(world, disk.target, layer) if layer else None
            if layer is not None and now is not None:
                yield now.target, name, layer


def _edge(
    world: World,
    now: _Round,
    target: DiskTarget,
    name: SnapshotName,
    layer: ImagePath,
    edges: _Edges,
) -> Refusal | None:
    written = any(disk.source == layer for disk in world.domain.disks)
    gone = world.image(layer).presence is Presence.MISSING
    kept = layer in _kept_frozen(world, now.going)
    if written or gone or kept or layer in now.abandoned:
        return None  # merged already, nothing to merge, kept by somebody else, or given up
    standing = branches.standing_on(world, layer)
    if len(standing) > 1 or any(branches.is_unread(world, image) for image in standing):
        return branches.why_branched(world, target, standing, name)
    if standing:
        edges.above[layer] = standing[0]
        edges.owners[layer].add(name)
        edges.disks[layer] = target
    return None


def _runs(edges: dict[ImagePath, ImagePath]) -> Iterator[tuple[ImagePath, ...]]:
    """The longest paths over *edges*, lowest image first."""
    starts = sorted(set(edges) - set(edges.values()))
    for start in starts:
        run = [start]
        while run[-1] in edges:
            run.append(edges[run[-1]])
        yield tuple(run)


def _commit(
    world: World,
    target: DiskTarget,
    run: tuple[ImagePath, ...],
    owners: Mapping[ImagePath, set[SnapshotName]],
) -> CommitOverlays:
    base, top = run[0], run[-1]
    disk = world.disk(target)
    chain = disk.chain if disk else None
    in_live = world.domain.is_active and chain is not None and top in chain
    if in_live and chain is not None:
        method = CommitMethod.ACTIVE if chain.active == top else CommitMethod.LIVE
    else:
        method = CommitMethod.OFFLINE
    standing = branches.standing_on(world, top)
    moved_by_qemu = {chain.above(top)} if in_live and chain is not None else set()
    order = {record.name: n for n, record in enumerate(world.domain.records)}
    snapshots = {name for image in run[:-1] for name in owners.get(image, ())}
    return CommitOverlays(
        disk=target,
        base=base,
        base_format=rewriting.declared_format(world, target, base),
        merged=run[1:],
        method=method,
        snapshots=tuple(sorted(snapshots, key=lambda name: order[name])),
        rebased=tuple(image for image in standing if image not in moved_by_qemu),
        redefines=method is CommitMethod.OFFLINE and disk is not None and disk.source == top,
    )


# --- what follows the merges


def _memory_of(world: World, record: SnapshotRecord) -> Iterator[RemoveImage]:
    """Before the record: as long as it is there, everybody knows whose memory that is.

    Also that of a snapshot that was adopted: it is of no use without its snapshot, and libvirt's own
    delete takes it too (facts §4.1).  A file that another record names is that one's.
    """
    path = record.memory_file
    if path is None or safety.is_named_elsewhere(world, path, record.name):
        return
    is_present = world.image(path).presence is not Presence.MISSING
    if is_present or path in world.ledger.image_paths:
        yield RemoveImage(
            disk=MEMORY,
            path=path,
            cause=RemovalCause.MEMORY,
            snapshots=(record.name,),
            is_present=is_present,
        )


def _actions(world: World, now: _Round) -> Iterator[Action]:
    """Commit, put the remaining records right, forget, remove."""
    if not now.going and not now.loose:
        return
    yield from now.commits
    moved = {path: commit.base for commit in now.commits for path in commit.merged}
    begun = world.deleting - now.going
    settled = frozenset(r.name for r in world.domain.records) - begun
    yield from rewriting.rewrites(
        world, {**world.merged_by_us, **moved}, frozenset(now.going) | begun
    )
    # of those whose own removal waits, only what would name an image that goes now
    yield from rewriting.rewrites(world, moved, settled)
    for record in reversed(world.domain.records):
        if record.name in now.going:
            yield from _memory_of(world, record)
            left = tuple(sorted(p for p, (_, name) in now.abandoned.items() if name == record.name))
            yield ForgetSnapshot(snapshot=record.name, has_record=True, gives_up=left)
    for path, (target, name) in now.abandoned.items():
        if path in world.ledger.image_paths:
            yield RemoveImage(
                disk=target,
                path=path,
                cause=RemovalCause.ABANDONED,
                snapshots=(name,),
                is_present=world.image(path).presence is not Presence.MISSING,
            )
    for commit in now.commits:
        for path in reversed(commit.merged):
            yield RemoveImage(
                disk=commit.disk,
                path=path,
                cause=RemovalCause.EMPTIED,
                snapshots=commit.snapshots,
            )
