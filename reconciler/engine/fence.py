"""The fence in the ledger: controllers on other machines see who is at work (design §3)."""

from dataclasses import replace
from datetime import timedelta

from reconciler.engine.ports import Clock, Hypervisor
from reconciler.errors import LockedError
from reconciler.model.ledger import Fence, Ledger
from reconciler.model.names import DomainUuid
from reconciler.planning.world import World

#: a fence counts for so long after its holder last wrote to the ledger
LASTS = timedelta(minutes=15)
#: in a long step it is put off this often
RENEWED_AFTER = LASTS / 3
#: libvirt has no compare-and-set: two who write at once see each other after this long
SETTLES_AFTER = 1.0


def machine_of(holder: str) -> str:
    """The machine of ``user@name#id pid``."""
    return holder.partition(" ")[0].partition("@")[2]


def is_in_force(ledger: Ledger | None, clock: Clock, holder: str) -> bool:
    """Somebody on another machine has it; of those on this one the lock file tells."""
    theirs = _of_others(ledger, holder)
    return theirs is not None and theirs.until > clock.now()


def is_held_elsewhere(world: World, ledger: Ledger | None, clock: Clock, holder: str) -> bool:
    """Somebody on another machine is at work, or left a block job that is.

    Whoever holds it may be cut off from libvirt for longer than the fence lasts, and the job goes
    on meanwhile: it is theirs until it waits for a pivot.
    """
    if _of_others(ledger, holder) is None:
        return False
    merging = {commit.disk for commit in world.ledger.commits}
    is_merging = any(job.disk in merging and not job.is_ready for job in world.domain.jobs)
    return is_merging or is_in_force(ledger, clock, holder)


def _of_others(ledger: Ledger | None, holder: str) -> Fence | None:
    fence = ledger.fence if ledger else None
    if fence is None or machine_of(fence.holder) == machine_of(holder):
        return None
    return fence


def fenced(ledger: Ledger, clock: Clock, *, holder: str, plan_id: str) -> Ledger:
    """*ledger* with our fence, from now on."""
    fence = Fence(holder=holder, plan_id=plan_id, until=clock.now() + LASTS)
    return replace(ledger, fence=fence)


def check(host: Hypervisor, domain: DomainUuid, *, holder: str) -> None:
    """The fence is still ours, or ``LockedError``."""
    ledger = host.read_ledger(domain)
    fence = ledger.fence if ledger else None
    if fence is None or fence.holder != holder:
        raise locked(domain, fence)


def locked(domain: DomainUuid, fence: Fence | None) -> LockedError:
    """Who holds the fence, and since when nothing was heard of them."""
    if fence is None:
        return LockedError(
            f"cannot change domain {domain}: our fence in its ledger has been taken away",
            hint="virtsnap plan, and look who else changes this domain",
        )
    return LockedError(
        f"cannot change domain {domain}: {fence.holder} is at work on it, and wrote to its ledger"
        f" at {fence.until - LASTS:%Y-%m-%dT%H:%M:%SZ}; the fence lasts for"
        f" {LASTS.total_seconds() / 60:.0f} minutes",
        hint="wait for it to end (--lock-timeout 30m), then try again",
    )
