"""Snapshots that somebody else took and the manifest names: what makes them ours."""

import hashlib
from collections.abc import Iterable, Iterator

from reconciler.model.action import AdoptSnapshot
from reconciler.model.chain import Presence
from reconciler.model.desired import DesiredDomain, Unmanaged
from reconciler.model.domain import ObservedDomain
from reconciler.model.drift import DanglingCause, Drift, RecordDangling, SnapshotUnmanaged
from reconciler.model.ledger import EntryState
from reconciler.model.names import ImagePath, SnapshotName, folder_of
from reconciler.model.plan import Reason
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import Selection
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from reconciler.planning import differ, storage
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.world import World

_DANGLING = {
    DanglingCause.WRITTEN: "written to since",
    DanglingCause.MERGED: "merged into by hand",
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
                why = _why_broken(record, broken) or why_not_adopted(builder.world, record)
                if why is not None:
                    builder.refuse(why)
                    continue
                action = _adoption(builder.world.domain, record, wish.domain)
                builder.add(action, Reason.DECLARED_UNMANAGED)
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
    for path in _images(world, record):
        image = world.image(path)
        if image.presence is Presence.MISSING:
            return refusal(RefusalCode.STORAGE_ABSENT, snapshot=record.name, image=path)
        if not image.is_examined:
            return refusal(
                RefusalCode.NEEDS_LOCAL_ACCESS,
                snapshot=record.name,
                image=path,
                folder=folder_of(path),
            )
    return _why_broken(record, storage.dangling(world, frozenset()))


def _why_broken(record: SnapshotRecord, dangling: Iterable[RecordDangling]) -> Refusal | None:
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
    if world.domain.persistent is None:
        yield "the domain is transient, and its snapshots go when it stops"
    if world.ledger.entry(record.name) is not None:
        yield "virtsnap knows another one of that name, which is lost"
    if record.is_delete_unfinished:
        yield "a delete by libvirt of it was begun and is not finished"
    if record.memory is not MemoryCapture.NONE:
        yield "it keeps the memory"
    other = [d.target for d in record.disks if d.capture is DiskCapture.INTERNAL]
    if other:
        yield f"it lies inside the image of {', '.join(other)}"
    if not record.is_external:
        yield "it is no external snapshot"
    for disk in record.external_disks:
        if disk.source is None or disk.overlay is None:
            yield f"its record does not name the images of {disk.target}"


def _images(world: World, record: SnapshotRecord) -> Iterator[ImagePath]:
    """All that its moment is made of."""
    for disk in record.external_disks:
        if disk.source is not None:
            yield from world.walk(world.now_at(disk.source))
