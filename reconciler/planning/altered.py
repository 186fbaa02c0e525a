"""The world with one thing changed: what every simulated step is made of."""

from dataclasses import replace

from reconciler.model.action import NewOverlay
from reconciler.model.chain import BackingChain, Image
from reconciler.model.domain import AgentState, Disk, DiskKind, ObservedDomain
from reconciler.model.names import DiskTarget, ImagePath
from reconciler.model.snapshot import SnapshotRecord
from reconciler.planning.world import World


def with_domain(world: World, **changes: object) -> World:
    """Facts of the domain."""
    return replace(world, domain=replace(world.domain, **changes))  # type: ignore[arg-type]


def with_records(world: World, records: tuple[SnapshotRecord, ...]) -> World:
    """A merge by hand is known by a record that still names its top: no such record, no merge."""
    named = {disk.source for record in records for disk in record.external_disks}
    merged = tuple(pair for pair in world.domain.merged_by_hand if pair[0] in named)
    return with_domain(world, records=records, merged_by_hand=merged)


def mapped_disks(domain: ObservedDomain, change: object) -> ObservedDomain:
    """*change* for every disk of both definitions."""
    assert callable(change)
    return replace(
        domain,
        live=tuple(map(change, domain.live)) if domain.live is not None else None,
        persistent=tuple(map(change, domain.persistent)) if domain.persistent is not None else None,
    )


def without_job(world: World, disk: DiskTarget) -> World:
    """The block job of that disk has ended."""
    return with_domain(world, jobs=tuple(job for job in world.domain.jobs if job.disk != disk))


def standing_on(disk: Disk, overlay: ImagePath, chain: BackingChain | None) -> Disk:
    """*disk* on an overlay of ours, which is a file, whatever lies below it."""
    return replace(
        disk, kind=DiskKind.FILE, source=overlay, format="qcow2", chain=chain, stated=None
    )


def blank(world: World, new: NewOverlay) -> Image:
    """The overlay as it is made: on its frozen layer, with nothing in it."""
    below = world.images.get(new.frozen)
    return Image(
        path=new.overlay,
        format="qcow2",
        backing=new.frozen,
        backing_format=new.frozen_format,
        virtual_size=below.virtual_size if below else None,
        allocated=0,
        is_blank=True,
    )


def unheard(domain: ObservedDomain) -> AgentState:
    """The agent is not connected while the guest is off, and until it has booted."""
    absent = domain.agent is AgentState.ABSENT
    return AgentState.ABSENT if absent else AgentState.DISCONNECTED
