"""Block commits of a running domain (facts §7)."""

from collections.abc import Callable

from reconciler.errors import CommitNotBegun, HypervisorError, Interrupted, StepRefused
from reconciler.model.action import CommitMethod, CommitOverlays, FinishJob
from reconciler.model.domain import JobKind
from reconciler.model.names import DiskTarget, ImagePath
from tests.fakes.domain import FakeDisk, FakeDomain, FakeJob
from tests.fakes.storage import CLUSTER
from tests.fakes.world import LIBVIRT_9_9, World


def begin(
    world: World,
    domain: FakeDomain,
    target: DiskTarget,
    *,
    base: ImagePath,
    top: ImagePath,
    method: CommitMethod,
) -> FakeJob:
    """Start a commit; its first cluster is copied at once, so the base is dirty from now on."""

    def refuse(cause: str, code: int) -> CommitNotBegun:
        return CommitNotBegun(f"cannot commit {top} on {domain.name}/{target}: {cause}", code=code)

    if domain.has_let_go:
        raise refuse("block node is read-only", 1)
    if domain.live is None:
        raise refuse("the domain is not running", 55)
    disk = domain.disk(target)
    if target in domain.jobs:
        raise refuse("a block job runs already", 83)
    if domain.domain_job is not None:
        raise refuse("cannot acquire the state change lock", 68)
    chain = disk.stated or (disk.source,)
    if top not in chain or base not in chain or chain.index(base) >= chain.index(top):
        raise refuse(f"{base} is not below it in the chain", 8)
    if (method is CommitMethod.ACTIVE) is not (top == disk.source):
        raise refuse("an active commit is of the active layer, and no other is", 8)
    for path in chain:
        world.storage.file(path)
    merged = chain[chain.index(base) + 1 : chain.index(top) + 1]
    user = world.in_use_by(frozenset({base, *merged}), besides=domain)
    if user is not None:
        raise refuse(f"failed to get 'write' lock, {user.name} has it", 1)
    if base in world.read_elsewhere:
        raise refuse("failed to get 'write' lock", 1)
    world.storage.demand_room(base, top)
    pending = sorted(world.storage.overlaid(merged))
    job = FakeJob(
        disk=target,
        kind=JobKind.ACTIVE_COMMIT if method is CommitMethod.ACTIVE else JobKind.COMMIT,
        base=base,
        base_format=world.storage.file(base).format,
        top=top,
        merged=merged,
        pending=pending,
        total=len(pending) * CLUSTER,
    )
    domain.jobs[target] = job
    copy_one(world, job)
    return job


def pull(world: World, domain: FakeDomain, target: DiskTarget, *, base: ImagePath | None) -> None:
    """``blockpull`` of the active layer, at once: it stands on *base* then, or on nothing."""
    disk = domain.disk(target)
    if domain.live is None or target in domain.jobs or domain.has_let_go:
        raise HypervisorError(f"cannot pull into {target} of {domain.name}", code=55)
    chain = disk.stated or (disk.source,)
    for path in chain:
        world.storage.file(path)
    start = chain.index(base) + 1 if base is not None else 0
    top = world.storage.file(disk.source)
    top.clusters = world.storage.overlaid(chain[start:])
    top.backing = base
    top.backing_format = world.storage.file(base).format if base is not None else None
    disk.stated = (*chain[:start], disk.source)
    in_file = domain.persistent.disk(target) if domain.persistent else None
    if in_file is not None and in_file.source == disk.source and in_file.stated is not None:
        in_file.stated = disk.stated


def demand_chain(domain: FakeDomain, action: CommitOverlays) -> None:
    """The port demands that exactly the merged images stand above the base."""
    if domain.live is None:
        raise StepRefused(f"cannot commit {action.top}: {domain.name} is not running")
    disk = domain.disk(action.disk)
    chain = disk.stated or (disk.source,)
    at = chain.index(action.base) + 1 if action.base in chain else len(chain)
    if chain[at : at + len(action.merged)] != action.merged:
        raise StepRefused(f"cannot commit {action.top}: the live chain is {chain}")


def still_stands(domain: FakeDomain, action: FinishJob) -> bool:
    """The chain has images that the job was to merge, or nobody can tell any more."""
    disk = domain.live.disk(action.disk) if domain.live is not None else None
    return disk is None or bool(set(action.merged) & set(disk.stated or (disk.source,)))


def copy_one(world: World, job: FakeJob) -> None:
    """Copy the next cluster down."""
    if job.pending and job.base is not None:
        cluster = job.pending.pop(0)
        world.storage.file(job.base).clusters[cluster] = world.storage.overlaid(job.merged)[cluster]


def run(
    world: World,
    domain: FakeDomain,
    job: FakeJob,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> None:
    """Copy until the job is ready (active) or over (live); asked to stop before, abort it."""
    while job.pending:
        if stop_asked():
            abort(domain, job.disk)
            raise Interrupted(
                f"cannot finish the block commit on {domain.name}/{job.disk}: stopped"
            )
        copy_one(world, job)
        progress(job.total - len(job.pending) * CLUSTER, job.total)
        world.point("during")
        if world.meanwhile is not None:
            world.meanwhile(domain)
        if domain.jobs.get(job.disk) is not job:
            raise HypervisorError(
                f"cannot commit on {domain.name}/{job.disk}: the job ended", code=9
            )
    if job.kind is JobKind.ACTIVE_COMMIT:
        job.is_ready = True
    else:
        _finish(world, domain, job)


def guest_wrote(domain: FakeDomain, target: DiskTarget, cluster: int) -> None:
    """An active commit has to copy what the guest writes meanwhile."""
    job = domain.jobs.get(target)
    if job is not None and job.kind is JobKind.ACTIVE_COMMIT and cluster not in job.pending:
        job.pending.append(cluster)


def pivot(world: World, domain: FakeDomain, target: DiskTarget) -> None:
    """Switch the guest over to the base."""
    job = domain.jobs.get(target)
    if job is None:
        raise HypervisorError(f"cannot pivot {domain.name}/{target}: no block job", code=8)
    if job.kind is not JobKind.ACTIVE_COMMIT:
        raise HypervisorError(f"cannot pivot {domain.name}/{target}: it is no mirror", code=8)
    # Not ready yet becomes ready while one waits.
    while job.pending:
        copy_one(world, job)
    _finish(world, domain, job)


def abort(domain: FakeDomain, target: DiskTarget) -> None:
    """End the job, if there is one; what was copied stays copied."""
    domain.jobs.pop(target, None)


def _finish(world: World, domain: FakeDomain, job: FakeJob) -> None:
    """The merged images leave the chain, in QEMU, in both definitions and in the header above."""
    if job.base is None or job.top is None or domain.live is None:
        raise HypervisorError(f"cannot finish the job on {domain.name}/{job.disk}", code=9)
    live = domain.disk(job.disk)
    chain = live.stated or (live.source,)
    above = next((i for i in chain if chain.index(i) == chain.index(job.top) + 1), None)
    if above is not None:
        header = world.storage.file(above)
        header.backing, header.backing_format = job.base, job.base_format
    old_source = live.source
    left = tuple(image for image in chain if image not in job.merged)
    for definition in domain.definitions:
        disk = definition.disk(job.disk)
        if disk is not None and disk.source == old_source:
            is_spelled = definition is domain.live or _is_spelled(
                world, disk, chain, left, job.base
            )
            _leave(disk, left if is_spelled else None, job)
    del domain.jobs[job.disk]


def _is_spelled(
    world: World,
    disk: FakeDisk,
    chain: tuple[ImagePath, ...],
    left: tuple[ImagePath, ...],
    base: ImagePath,
) -> bool:
    """Whether a persistent definition spells *left* out: it did, down to *base*, and a rest of it.

    One that leaves the chain to the headers goes on doing so; 9.0 says of a single image that is
    left that nothing is below it.
    """
    end = disk.spelled_above
    if disk.stated is None or end is None or end not in chain:
        return disk.stated is not None or (len(left) == 1 and world.version < LIBVIRT_9_9)
    return chain.index(base) >= chain.index(end) and left[-1] != end


def _leave(disk: FakeDisk, left: tuple[ImagePath, ...] | None, job: FakeJob) -> None:
    disk.stated = left
    if disk.source in job.merged and job.base is not None:
        disk.source, disk.format = job.base, job.base_format
