"""Block jobs: which are ours."""

from reconciler.model.action import CommitMethod
from reconciler.model.domain import BlockJob, JobKind
from reconciler.model.ledger import LedgerCommit
from reconciler.planning.world import World


def commit_of(world: World, job: BlockJob) -> LedgerCommit | None:
    """The commit of ours that *job* is: same disk, kind, and ends as far as libvirt tells them."""
    method = method_of(job.kind)
    if method is None:
        return None
    for commit in world.ledger.commits:
        if commit.disk != job.disk:
            continue
        disk = world.disk(job.disk)
        if disk is None or disk.chain is None or commit.top not in disk.chain:
            continue
        is_active = disk.chain.active == commit.top
        if is_active != (method is CommitMethod.ACTIVE):
            continue
        if job.destination is not None and job.destination != commit.base:
            continue
        return commit
    return None


def method_of(kind: JobKind) -> CommitMethod | None:
    """The commit method that shows as a job of this kind."""
    match kind:
        case JobKind.ACTIVE_COMMIT:
            return CommitMethod.ACTIVE
        case JobKind.COMMIT:
            return CommitMethod.LIVE
        case JobKind.PULL | JobKind.COPY | JobKind.BACKUP | JobKind.OTHER:
            return None
