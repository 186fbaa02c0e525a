"""The fence in the ledger: controllers on other machines see who is at work (design §3)."""

from dataclasses import replace
from datetime import timedelta

from reconciler.engine.ports import Clock, Hypervisor
from reconciler.errors import LockedError
from reconciler.model.ledger import Fence, Ledger
from reconciler.model.names import DomainUuid

#: a fence counts for so long after its holder last wrote to the ledger
LASTS = timedelta(minutes=15)
#: libvirt has no compare-and-set: two who write at once see each other after this long
SETTLES_AFTER = 1.0


def machine_of(holder: str) -> str:
    """The machine of ``user@machine pid``."""
    return holder.partition(" ")[0].partition("@")[2]


def is_held_elsewhere(ledger: Ledger | None, clock: Clock, holder: str) -> bool:
    """Somebody on another machine is at work; here, the lock file decides."""
    fence = ledger.fence if ledger else None
    if fence is None or machine_of(fence.holder) == machine_of(holder):
        return False
    return fence.until > clock.now()


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
    """Who holds the fence, and until when."""
    if fence is None:
        return LockedError(
            f"cannot change domain {domain}: our fence in its ledger has been taken away",
            hint="virtsnap plan, and look who else changes this domain",
        )
    return LockedError(
        f"cannot change domain {domain}: {fence.holder} is at work on it"
        f" until {fence.until:%Y-%m-%dT%H:%M:%SZ} at most",
        hint="wait for it to end, then try again",
    )
