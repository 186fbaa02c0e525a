"""The snapshot tree and the backing chains of a domain, as a person would draw them."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from reconciler.model.chain import Presence
from reconciler.model.domain import ON_STORAGE
from reconciler.model.names import ImagePath, base_name
from reconciler.model.ownership import Mark
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from reconciler.report.lines import Line, Tone, padded
from reconciler.report.tree_documents import (
    DiskDocument,
    DomainTreeDocument,
    LinkDocument,
    MemoryDocument,
    SnapshotDocument,
)
from reconciler.report.units import joined, local_time, size

_TONES = {
    Mark.MANAGED: Tone.PLAIN,
    Mark.UNMANAGED: Tone.PLAIN,
    Mark.CREATING: Tone.CHANGED,
    Mark.DELETING: Tone.REMOVED,
    Mark.LOST: Tone.REFUSED,
}

#: So many readers of an image are named, and the others counted.
_NAMED_READERS = 3


def tree_lines(
    tree: DomainTreeDocument, *, zone: tzinfo | None = None, is_verbose: bool = False
) -> Iterator[Line]:
    """One domain.  With *is_verbose* images by their whole path, and descriptions."""
    says_more = tree.power_detail not in ("", str(tree.power))
    detail = f" ({tree.power_detail})" if says_more else ""
    yield Line(f"{tree.domain} on {tree.host}: {tree.power}{detail}", Tone.STRONG)
    if tree.job is not None:
        yield Line(
            f"  {tree.job} is under way: this may be another when it has ended", Tone.WARNING
        )
    if tree.snapshots:
        yield from _snapshots(tree.snapshots, zone=zone, is_verbose=is_verbose)
    else:
        yield Line("  no snapshots", Tone.QUIET)
    for disk in tree.disks:
        yield from _disk(disk, is_verbose=is_verbose)


def _snapshots(
    snapshots: Sequence[SnapshotDocument], *, zone: tzinfo | None, is_verbose: bool
) -> Iterator[Line]:
    drawn = list(_drawn(snapshots, "  "))
    width = max(len(head) for head, _ in drawn)
    for head, snapshot in drawn:
        yield Line(f"{padded(head, width)}   {_facts(snapshot, zone)}", _tone(snapshot))
        if is_verbose and snapshot.description:
            yield Line(f"{padded('', width)}   {snapshot.description}", Tone.QUIET)


def _tone(snapshot: SnapshotDocument) -> Tone:
    return Tone.REFUSED if snapshot.doubt else _TONES[snapshot.mark]


def _drawn(
    snapshots: Sequence[SnapshotDocument], indent: str
) -> Iterator[tuple[str, SnapshotDocument]]:
    """Each snapshot with its branch drawn, children after their parent.

    No recursion: a chain of snapshots may be hundreds deep.
    """
    names = {snapshot.name for snapshot in snapshots}
    children: dict[str | None, list[SnapshotDocument]] = {}
    for snapshot in snapshots:
        # a parent that is not there makes a root
        above = snapshot.parent if snapshot.parent in names - {snapshot.name} else None
        children.setdefault(above, []).append(snapshot)
    waiting = [(child, indent) for child in reversed(children.get(None, []))]
    last = {siblings[-1].name for siblings in children.values()}
    while waiting:
        snapshot, indent = waiting.pop()
        is_last = snapshot.name in last
        current = "* " if snapshot.is_current else ""
        yield f"{indent}{'└─' if is_last else '├─'} {current}{snapshot.name}", snapshot
        deeper = indent + ("   " if is_last else "│  ")
        waiting += [(child, deeper) for child in reversed(children.get(snapshot.name, []))]


def _facts(snapshot: SnapshotDocument, zone: tzinfo | None) -> str:
    """When, what was captured, in which state, whose."""
    parts = [local_time(snapshot.created_at, zone)] if snapshot.created_at else []
    parts += [text for text in (_captured(snapshot), _state(snapshot)) if text]
    if snapshot.consistency:
        parts.append(snapshot.consistency)
    parts.append(snapshot.mark)
    if snapshot.is_held:
        parts.append("held")
    if snapshot.doubt:
        parts.append(snapshot.doubt)
    if not snapshot.has_record:
        parts.append("no record")
    if snapshot.is_current:
        parts.append("current")
    return ", ".join(parts)


def _captured(snapshot: SnapshotDocument) -> str:
    by_kind: dict[DiskCapture, list[str]] = {}
    for target, disk in snapshot.disks.items():
        by_kind.setdefault(disk.capture, []).append(target)
    parts = [joined(by_kind[DiskCapture.EXTERNAL])] if DiskCapture.EXTERNAL in by_kind else []
    for kind in (DiskCapture.INTERNAL, DiskCapture.MANUAL):
        if kind in by_kind:
            parts.append(f"{joined(by_kind[kind])} {kind}")
    if snapshot.memory is not MemoryCapture.NONE:
        parts.append(f"memory {snapshot.memory}{_memory(snapshot.memory_image)}")
    return ", ".join(parts)


def _memory(image: MemoryDocument | None) -> str:
    if image is None:
        return ""
    if image.presence is Presence.MISSING:
        return " (MISSING)"
    return "" if image.allocated is None else f" ({size(image.allocated)})"


def _state(snapshot: SnapshotDocument) -> str:
    # libvirt's word for external disk-only says no more than the disks do
    return "" if snapshot.state == "disk-snapshot" else snapshot.state


def _disk(disk: DiskDocument, *, is_verbose: bool) -> Iterator[Line]:
    target = f"  {padded(disk.target, 4)} "
    rest = " " * len(target)
    if not disk.chain:
        what = "is read only" if not disk.is_writable else "has no image"
        yield Line(f"{target}{disk.kind} disk, {what}", Tone.QUIET)
        return
    is_broken = not disk.is_whole and disk.kind in ON_STORAGE
    unknown = "? ← " if is_broken else ""
    tone = Tone.REFUSED if is_broken or _has_missing(disk.chain) else Tone.PLAIN
    yield Line(f"{target}{unknown}{_chain(disk.chain, is_verbose=is_verbose)}", tone)
    for branch in disk.branches:
        tone = Tone.REFUSED if _has_missing(branch) else Tone.QUIET
        drawn = _chain(branch, is_verbose=is_verbose)
        yield Line(f"{rest}{drawn}, off the live chain", tone)
    if disk.next_active:
        after = disk.next_active if is_verbose else base_name(ImagePath(disk.next_active))
        yield Line(f"{rest}after the next start: {after}", Tone.WARNING)


def _has_missing(chain: Sequence[LinkDocument]) -> bool:
    return any(link.presence is Presence.MISSING for link in chain)


def _chain(chain: Sequence[LinkDocument], *, is_verbose: bool) -> str:
    return " ← ".join(_link(link, is_verbose=is_verbose) for link in chain)


def _some(names: Sequence[str], *, is_verbose: bool) -> str:
    """A template has many readers."""
    more = 0 if is_verbose or len(names) <= _NAMED_READERS + 1 else len(names) - _NAMED_READERS
    return f"{', '.join(names[:_NAMED_READERS])} and {more} more" if more else joined(names)


def _link(link: LinkDocument, *, is_verbose: bool) -> str:
    name = link.path if is_verbose else base_name(ImagePath(link.path))
    facts = []
    if link.presence is Presence.MISSING:
        facts.append("MISSING")
    elif link.allocated is not None:
        facts.append(size(link.allocated))
    if link.snapshots:
        facts.append(f"holds {joined(link.snapshots)}")
    if link.is_active:
        facts.append("active")
    if link.readers:
        facts.append(f"read by {_some(link.readers, is_verbose=is_verbose)}")
    return f"{name} ({', '.join(facts)})" if facts else name
