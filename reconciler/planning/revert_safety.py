"""Law 1 for a revert: nothing is lost by going back, proven anew right before it."""

from reconciler.model.action import RevertInternal, RevertSnapshot
from reconciler.model.names import ImagePath, SnapshotName, base_name
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import DiskCapture
from reconciler.planning import capture, frozen, identity, oddities, readable, safety
from reconciler.planning.frozen import Standing
from reconciler.planning.world import World


def why_not_revert(world: World, action: RevertSnapshot) -> Refusal | None:
    """Why the disks cannot go back now, or what would be lost by it."""
    if world.domain.is_active:
        return _no_revert(action, f"{world.domain.name} is {world.domain.power}")
    doubt = _in_doubt(world, action)
    if doubt is not None:
        return doubt
    for new in action.disks:
        below = world.walk(new.frozen)
        changed = identity.changed(world, new.frozen)
        if changed is not None:
            return _no_revert(action, f"{changed}, which it froze, was written to since")
        unread = readable.why_not(world, action.snapshot, below, disk=new.target)
        odd = unread or oddities.why_not_disk(world, new.target, (action.snapshot,))
        if odd is not None:
            return Refusal(code=odd.code, snapshot=action.snapshot, facts=odd.facts)
        written = next((path for path in below if path in world.written), None)
        if written is not None:
            return _no_revert(action, f"{written} is written to")
        now = world.disk(new.target)
        if now is None or now.source is None:
            return _no_revert(action, f"the domain has no disk {new.target} any more")
        if not action.discards and not is_kept(world, now.source):
            return _no_revert(action, f"what was written to {now.source} would be lost")
    return None


def why_not_revert_internal(world: World, action: RevertInternal) -> Refusal | None:
    """Why libvirt must not rewrite the images now, or would not find what to put into them."""
    if world.domain.is_active:
        return _no_revert(action, f"{world.domain.name} is {world.domain.power}")
    doubt = _in_doubt(world, action)
    if doubt is not None:
        return doubt
    for target, path in action.images:
        disk, image = world.disk(target), world.image(path)
        if disk is None or disk.source != path:
            return _no_revert(action, f"{target} is not on {path} any more, which holds it")
        unread = readable.why_not(world, action.snapshot, world.walk(path), disk=target)
        hidden = unread or safety.hidden(world, path, disk=target)
        if hidden is not None:
            return Refusal(code=hidden.code, snapshot=action.snapshot, facts=hidden.facts)
        if image.internal_snapshots.count(action.snapshot) != 1:
            return _no_revert(action, f"{path} holds {action.snapshot} not exactly once")
        other = image.mistaken_for(action.snapshot)
        if other is not None:
            return _no_revert(action, capture.why_mistaken(path, action.snapshot, other))
        readers = world.readers_elsewhere(path)
        standing = [c for c in world.children.get(path, ()) if c not in world.emptied]
        if readers or standing:
            names = ", ".join(readers or map(base_name, standing))
            return _no_revert(action, f"{names} reads {path}, which would be rewritten")
        if action.kept_by is not None and not is_kept_inside(world, path):
            return _no_revert(action, f"what was written to {path} would be lost")
    return None


def _in_doubt(world: World, action: RevertSnapshot | RevertInternal) -> Refusal | None:
    """Which images it froze: ledger, record, headers and saved memory agree, or nothing is put back."""
    record = world.domain.record(action.snapshot)
    found = frozen.moments(world, record) if record is not None else ()
    doubted = next((m for m in found if m.standing is not Standing.AGREED), None)
    if doubted is None:
        disks = record.external_disks if record is not None else ()
        spoilt = (frozen.written(world, record, d.target) for d in disks if record is not None)
        path = next((path for path in spoilt if path is not None), None)
        return None if path is None else _no_revert(action, f"{path} was written to since")
    return _no_revert(action, f"of {doubted.disk.target} {frozen.told(doubted.says)}")


def _no_revert(action: RevertSnapshot | RevertInternal, cause: str) -> Refusal:
    return impossible(action.snapshot, action.request, cause)


def impossible(to: SnapshotName, request: str, cause: str) -> Refusal:
    """*request* is not fulfilled."""
    return refusal(RefusalCode.REVERT_NOT_POSSIBLE, snapshot=to, request=request, cause=cause)


def is_kept_inside(world: World, path: ImagePath) -> bool:
    """What the image of a shut-off disk holds now, a managed snapshot inside it holds too."""
    return any(
        record.name in world.image(path).unwritten_since
        for record in world.domain.records
        if world.is_managed(record) and record.name not in world.deleting
        if any(d.source == path and d.capture is DiskCapture.INTERNAL for d in record.disks)
    )


def is_kept(world: World, active: ImagePath) -> bool:
    """The data of the active image of a shut-off disk is in some snapshot: it holds none itself."""
    image = world.image(active)
    layers = {
        world.now_at(disk.source)
        for record in world.domain.records
        if world.is_managed(record)
        for disk in record.external_disks
        if disk.source is not None
    }
    return image.is_blank and image.backing in layers
