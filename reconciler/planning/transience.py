"""Domains that no definition outlives: what is refused to them, and what is said."""

from reconciler.model.names import SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning.world import World


def why_not(world: World, cause: str, *, snapshot: SnapshotName | None = None) -> Refusal | None:
    """Of a transient domain the refusal of what would end it, for *cause*; else None."""
    domain = world.domain
    if not domain.is_transient:
        return None
    return refusal(RefusalCode.DOMAIN_TRANSIENT, snapshot=snapshot, domain=domain.name, cause=cause)


def warning(world: World) -> str | None:
    """What becomes of snapshots of a transient domain: libvirt drops their records with it, the
    ledger too, and the overlays stay (facts §1.3)."""
    name = world.domain.name
    if not world.domain.is_transient:
        return None
    return (
        f"{name} is transient: when it stops, its snapshots and what virtsnap knows of them vanish, and"
        " their overlays stay, with all that it wrote since; define it, or create it anew only from a"
        f" `virsh dumpxml {name}` made after this"
    )
