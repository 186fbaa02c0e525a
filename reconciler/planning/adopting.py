"""Snapshots that somebody else took and the manifest names: what makes them ours."""

import hashlib
from collections.abc import Iterable, Iterator

from reconciler.model.action import AdoptSnapshot
from reconciler.model.desired import DesiredDomain, Unmanaged
from reconciler.model.domain import ObservedDomain
from reconciler.model.drift import DanglingCause, Drift, RecordDangling, SnapshotUnmanaged
from reconciler.model.ledger import EntryState
from reconciler.model.names import ImagePath, SnapshotName, is_below_dev
from reconciler.model.plan import Reason
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import Selection
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.planning import capture, differ, readable, storage, transience
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.world import World

_DANGLING = {
    DanglingCause.WRITTEN: "written to since",
    DanglingCause.EXPOSED: "given to a guest as a disk that is written to",
    DanglingCause.MERGED: "merged into by hand",
    DanglingCause.DELETED: "rid of it by hand",
}


def adopt(builder: Builder, wish: Declared, selection: Selection, drift: Drift) -> None:
    """Each unmanaged snapshot that the manifest names becomes ours, or is refused by name.

    *drift* is as the plan found it: what is finished first may end the evidence of a merge by hand.
    """
    if wish.domain is None or wish.domain.unmanaged is not Unmanaged.ADOPT:
        return
    broken = tuple(d for d in drift.differences if isinstance(d, RecordDangling))
    for difference in differ.compare(wish, builder.world).differences:
        match difference:
            case SnapshotUnmanaged(snapshot=name, is_declared=True):
                record = builder.world.domain.record(name)
                if record is None or not selection.has_snapshot(builder.world.domain.name, name):
                    continue
                why = why_broken(record, broken) or why_not_adopted(builder.world, record)
                if why is not None:
                    builder.refuse(why.doing("adopt"))
                    continue
                action = _adoption(builder.world.domain, record, wish.domain)
                builder.add(action, Reason.DECLARED_UNMANAGED)
                builder.warn(transience.warning(builder.world))
            case _:
                pass


def _adoption(domain: ObservedDomain, record: SnapshotRecord, wish: DesiredDomain) -> AdoptSnapshot:
    """Its images are not claimed: we did not make them."""
    declared = wish.snapshot(record.name)
    return AdoptSnapshot(
        snapshot=record.name,
        uid=uid_of(domain, record),
        state=EntryState.TAKEN,
        created=record.created,
        consistency=None,
        is_held=declared is not None and declared.protect is True,
        writes_mark=True,
        manifest=wish.origin.manifest,
    )


def uid_of(domain: ObservedDomain, record: SnapshotRecord) -> str:
    """The same for the same snapshot, so that an adoption that was cut short goes on as it began."""
    text = f"{domain.uuid} {record.created} {record.name}"
    return "adopted-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def why_not_adopted(world: World, record: SnapshotRecord) -> Refusal | None:
    """Why *record*, which is nobody's, is left alone; None when it may become ours.

    Ours is what a plan may merge and remove: so only what is whole, and of the kind that it knows.
    """
    cause = next(_causes(world, record), None)
    if cause is not None:
        return refusal(RefusalCode.NOT_ADOPTABLE, snapshot=record.name, cause=cause)
    unread = readable.why_not(world, record.name, _images(world, record))
    return unread or why_broken(record, storage.dangling(world, frozenset()))


def why_broken(record: SnapshotRecord, dangling: Iterable[RecordDangling]) -> Refusal | None:
    """Its moment is not there, or out of sight."""
    for found in dangling:
        if found.snapshot != record.name:
            continue
        if found.cause is DanglingCause.MISSING:
            return refusal(RefusalCode.STORAGE_ABSENT, snapshot=record.name, image=found.image)
        cause = f"{found.image} was {_DANGLING[found.cause]}"
        return refusal(RefusalCode.NOT_ADOPTABLE, snapshot=record.name, cause=cause)
    return None


def candidates(world: World) -> dict[SnapshotName, Refusal | None]:
    """Every snapshot that is nobody's: None where it may become ours, else why not."""
    return {
        record.name: why_not_adopted(world, record)
        for record in world.domain.records
        if not world.is_managed(record)
    }


def _causes(world: World, record: SnapshotRecord) -> Iterator[str]:
    if world.ledger.entry(record.name) is not None:
        yield "virtsnap knows another one of that name, which is lost"
    if record.is_delete_unfinished:
        yield "a delete by libvirt of it was begun and is not finished"
    taken = [d for d in record.disks if d.capture is not DiskCapture.SKIPPED]
    if not taken:
        yield "it keeps no disk"
    elif record.is_external:
        yield from _causes_beside(world, record)
    elif all(disk.capture is DiskCapture.INTERNAL for disk in taken):
        yield from _causes_inside(world, record)
    else:
        kinds = ", ".join(f"{disk.target} {disk.capture}" for disk in taken)
        yield f"no manifest can ask for its kind: {kinds}, memory {record.memory}"


def _causes_beside(world: World, record: SnapshotRecord) -> Iterator[str]:
    """Of an external one, with or without a memory image."""
    for disk in record.external_disks:
        if disk.source is None or disk.overlay is None:
            yield f"its record does not name the images of {disk.target}"
    if record.memory is MemoryCapture.NONE:
        return
    if record.memory_file is None:
        yield "its record does not name the file of its memory"
    elif is_below_dev(record.memory_file):
        yield "its memory lies on a device, which no removal could take away"
    for other in world.domain.records:
        if other.name != record.name and other.memory_file == record.memory_file is not None:
            # libvirt writes over a file that exists (facts §1.1)
            yield f"{other.name} has the same memory file: one was written over the other"


def _causes_inside(world: World, record: SnapshotRecord) -> Iterator[str]:
    """Of an internal one: inside every disk that the guest could write to, once."""
    if record.memory is MemoryCapture.EXTERNAL:
        yield "its memory lies in a file, and its disks inside their images"
    for disk in record.disks:
        if disk.capture is DiskCapture.SKIPPED:
            if disk.is_writable:
                yield f"it leaves out {disk.target}, which no manifest can ask for"
        elif disk.source is None:
            yield f"its record does not name the image of {disk.target}"
        elif world.image(disk.source).internal_snapshots.count(record.name) > 1:
            yield f"{disk.source} holds several of that name"
        elif (other := world.image(disk.source).mistaken_for(record.name)) is not None:
            yield capture.why_mistaken(disk.source, record.name, other)


def _images(world: World, record: SnapshotRecord) -> Iterator[ImagePath]:
    """All that its moment is made of."""
    for disk in record.disks:
        if disk.source is None or disk.capture is DiskCapture.SKIPPED:
            continue
        taken = disk.capture is DiskCapture.EXTERNAL
        yield from world.walk(world.now_at(disk.source) if taken else disk.source)
    if record.memory_file is not None:
        yield record.memory_file
