"""Whether a guest can go on from a memory image: looked at before it is stopped for it."""

from reconciler.model.chain import SavedMemory
from reconciler.model.desired import DesiredRevert, RevertConfig
from reconciler.model.names import ImagePath, SnapshotName, folder_of
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning import frozen
from reconciler.planning.world import World

_WITHOUT = "`power: off` goes back without that memory"
_LOOK = "; virtsnap tree {domain!q} shows what can be gone back to"


def why_not(
    world: World, wanted: DesiredRevert, record: SnapshotRecord, memory: ImagePath
) -> Refusal | None:
    """Why nothing can go on from *memory*, as far as the file itself tells."""
    saved = world.image(memory).saved
    if saved is None:
        return refusal(
            RefusalCode.NEEDS_LOCAL_ACCESS,
            snapshot=wanted.to,
            image=memory,
            folder=folder_of(memory),
        )
    if saved.fault:
        return _refused(wanted, f"its memory does not load: {memory}: {saved.fault}", _WITHOUT)
    domain = world.domain
    if saved.uuid != domain.uuid:
        return _refused(wanted, f"the memory in {memory} is of another domain", _WITHOUT)
    if saved.name != domain.name:
        cause = (
            f"its memory is of {saved.name}, as {domain.name} was named then, and libvirt gives it"
            " back under no other name"
        )
        way = f"{_WITHOUT}; or virsh domrename {{domain!q}} {{then!q}}, while it is shut off"
        return _refused(wanted, cause, way, then=str(saved.name))
    doubt = frozen.why_not_resumed(world, record)
    if doubt is not None:
        return _refused(
            wanted, f"its memory may be of another moment than its disks: {doubt}", _WITHOUT
        )
    absent = _absent(world, wanted, record, saved)
    if absent:
        cause = f"its memory is of a guest with the disk {absent}, and the domain has none"
        return _refused(wanted, cause, f"{_WITHOUT}, or attach {{disk}} again", disk=absent)
    return None


def _absent(
    world: World, wanted: DesiredRevert, record: SnapshotRecord, saved: SavedMemory
) -> str | None:
    whole = wanted.config is RevertConfig.WHOLE
    there = {disk.target for disk in (record.disks if whole else world.domain.persistent or ())}
    return next((target for target, _ in saved.disks if target not in there), None)


def did_not_load(wanted: DesiredRevert, to: SnapshotName) -> Refusal:
    """The request was tried once."""
    way = f"give a new wish a new `request`; {_WITHOUT}"
    return _refused(wanted, f"the memory of {to} did not load when it was tried", way)


def _refused(wanted: DesiredRevert, cause: str, way: str, **facts: str) -> Refusal:
    return refusal(
        RefusalCode.REVERT_NOT_POSSIBLE,
        snapshot=wanted.to,
        request=wanted.request,
        cause=cause,
        way=way + _LOOK,
        **facts,
    )
