"""A paused guest whose QEMU has let go of its images."""

from reconciler.model.names import SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.snapshot import MemoryCapture, SnapshotRecord
from reconciler.planning.world import World


def why_not(world: World, snapshot: SnapshotName | None) -> Refusal | None:
    """Once the memory of a paused guest was saved, QEMU has let go of its images.

    Until it is resumed no commit, no internal snapshot and no other save will do (E9, E11).  That
    it was resumed since is seen by QEMU's locks on the images; where these cannot be asked, by what
    it wrote: one that wrote nothing counts as not resumed.
    """
    domain = world.domain
    if domain.power is not PowerState.PAUSED or domain.holds_images:
        return None
    has_let_go = domain.holds_images is False or any(
        record.state == PowerState.PAUSED
        and record.memory is MemoryCapture.EXTERNAL
        and not _has_run_since(world, record)
        for record in domain.records
    )
    if not has_let_go:
        return None
    return refusal(
        RefusalCode.POWER_STATE,
        snapshot=snapshot,
        domain=domain.name,
        state=domain.power,
        cause="its memory was saved while it was paused: resume it first",
    )


def _has_run_since(world: World, record: SnapshotRecord) -> bool:
    """The guest wrote since *record* was taken, or is in another branch, so in another QEMU."""
    for disk in record.external_disks:
        now = world.disk(disk.target)
        if now is None or now.source is None or disk.source is None:
            continue
        chain, frozen = world.walk(now.source), world.now_at(disk.source)
        above = chain[: chain.index(frozen)] if frozen in chain else chain
        is_written = above == chain or any(not world.image(path).is_blank for path in above)
        if is_written and all(world.image(path).is_examined for path in chain):
            return True
    return False
