"""What a plan stands on, as a hash: if it changes, the plan is stale."""

import hashlib
import json
from dataclasses import replace

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from reconciler.model.chain import Image
from reconciler.model.domain import BlockJob, ObservedDomain
from reconciler.model.ledger import Ledger, LedgerProblem
from reconciler.model.plan import Step
from reconciler.model.snapshot import DiskCapture, SnapshotRecord
from reconciler.planning.world import World


def of(world: World) -> str:
    """Everything of this domain that decides; not sizes, progress, serials, the fence.

    Other readers are left out: neighbours on one template change by themselves, and whether a
    step is safe is proven again right before it.
    """
    domain = world.domain
    # no ledger, and that of another domain, are the same as an empty one
    foreign = domain.ledger_problem is LedgerProblem.FOREIGN
    still = replace(
        domain,
        jobs=tuple(BlockJob(disk=job.disk, kind=job.kind) for job in domain.jobs),
        ledger=_without_memory(world.ledger),
        ledger_problem=None if foreign else domain.ledger_problem,
        is_ledger_partial=False,  # the fence itself is written into both
        journal_serial=0,
        journal_requests=(),
        journal_last=None,
        power_detail="",
        holds_images=None,
        memory_bytes=None,
        records=tuple(replace(record, ledger_serial=0) for record in domain.records),
    )
    return digest([still, _images(world), world.host.libvirt_version])


def of_steps(fingerprint: str, steps: tuple[Step, ...]) -> str:
    """The plan id of a domain: its steps and what they stand on."""
    return digest([fingerprint, [(step.action.name, step.action) for step in steps]])


def digest(value: object) -> str:
    """``sha256:…`` of the JSON form of *value*."""
    return "sha256:" + hashlib.sha256(_as_json(value)).hexdigest()


def _as_json(value: object) -> bytes:
    try:
        return to_json(value)
    except PydanticSerializationError:
        # the name of a file that is no UTF-8
        return json.dumps(to_jsonable_python(value)).encode("ascii")


def _without_memory(ledger: Ledger) -> Ledger:
    """What was frozen is completed with any write; what does not fit it is drift, asked for anew
    before each step."""
    entries = tuple(replace(entry, frozen=(), memory=None) for entry in ledger.entries)
    return replace(ledger, serial=0, fence=None, entries=entries, identities=())


def _images(world: World) -> list[Image]:
    """What the domain names or made, and all below."""
    named = {naming.path for naming in world.namings} | world.ledger.image_paths
    own = {path for top in named for path in world.walk(top)}
    return [
        replace(world.images[path], allocated=None, is_blank=False, unwritten_since=(), file=None)
        for path in sorted(own & set(world.images))
    ]


def shape(world: World) -> dict[str, object]:
    """What a step's outcome is compared by: names, paths and links, no sizes, uids or times."""
    domain = world.domain
    return {
        "live": _disks(domain, is_live=True),
        "persistent": _disks(domain, is_live=False),
        "jobs": [(job.disk, job.kind.value) for job in domain.jobs],
        "records": sorted(_record(record) for record in domain.records),
        "entries": sorted((e.name, e.state.value, e.is_held) for e in world.ledger.entries),
        "images of ours": sorted(world.ledger.image_paths),
        "internal snapshots": sorted(
            (image.path, sorted(image.internal_snapshots))
            for image in map(world.image, world.in_own_chain)
            if image.internal_snapshots
        ),
        "commits": sorted((c.base, c.merged, c.state.value) for c in world.ledger.commits),
        "requests": sorted((r.request, r.to, r.state.value) for r in world.ledger.requests),
    }


def _disks(domain: ObservedDomain, *, is_live: bool) -> list[tuple[object, ...]] | None:
    disks = domain.live if is_live else domain.persistent
    if disks is None:
        return None
    return sorted(
        (disk.target, disk.source, disk.chain.images if disk.chain else None) for disk in disks
    )


def _record(record: SnapshotRecord) -> tuple[object, ...]:
    disks = sorted(
        (d.target, d.capture.value, d.source or "", d.overlay or "")
        for d in record.disks
        if d.capture is not DiskCapture.SKIPPED
    )
    memory = (record.memory.value, record.memory_file or "")
    said = (record.is_current, record.description, record.is_held)
    return (record.name, record.parent or "", *said, memory, tuple(disks))
