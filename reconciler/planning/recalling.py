"""What this machine's journal knows of a ledger that was lost or went back: images and debts.

A power cut may take the last write to the ledger with it; the journal is flushed.  Where nothing but
that one write can be missing, all that it said is taken over; each image needs the same proofs to be
removed as any other.  Else somebody may have shut the guest off himself since, gone back by hand, or
taken another snapshot of that name: then only images that hold nothing are.
"""

from dataclasses import replace
from shlex import quote

from reconciler.model.action import RenewLedger
from reconciler.model.ledger import EntryState, Ledger, LedgerRequest
from reconciler.model.names import ImagePath
from reconciler.planning.world import World


def recalled(world: World, known: frozenset[ImagePath]) -> RenewLedger:
    """The step that writes the ledger anew, with what the journal knows besides; it will list *known*."""
    last = _later(world)
    if last is None:
        return RenewLedger()
    # given up is what the ledger itself says: a define that was lost may have put them back to use
    images = tuple(replace(i, is_given_up=False) for i in last.images if i.path not in known)
    if not _lacks_one_write(world, last):
        # one that holds something may be what a guest had before somebody gave it an older definition
        return RenewLedger(images=tuple(i for i in images if world.image(i.path).is_blank))
    here = world.ledger
    deleting = {e.name for e in here.entries if e.state is EntryState.DELETING}
    owed = last.owed
    if owed is not None and world.domain.is_active and owed.until is None:
        owed = None
    return RenewLedger(
        images=images,
        begun=tuple(entry.name for entry in last.entries if entry.name not in deleting),
        commits=tuple(commit for commit in last.commits if commit not in here.commits),
        owed=owed,
        definition=last.definition,
    )


def begun_requests(world: World) -> tuple[LedgerRequest, ...]:
    """Reverts that were begun with the lost write, and go on as after any crash."""
    last = _later(world)
    if last is None or not _lacks_one_write(world, last):
        return ()
    done = {request.request for request in world.domain.journal_requests}
    return tuple(request for request in last.requests if request.request not in done)


def may_be_frozen(world: World) -> bool:
    """A freeze of ours may be in force, of which the lost write told."""
    last = _later(world)
    return last is not None and last.is_freezing and _lacks_one_write(world, last)


def unproven_debt(world: World) -> str | None:
    """Words for a person, where a guest is off and nobody can prove that it is ours to start."""
    last = _later(world)
    if last is None or last.owed is None or world.domain.is_active:
        return None
    if _lacks_one_write(world, last):
        return None
    name = world.domain.name
    return (
        f"{name} is off, and the journal says that virtsnap stopped it; its ledger went back further "
        f"than that, so that somebody else may have since: virsh start {quote(name)}, if it is to run"
    )


def _later(world: World) -> Ledger | None:
    last = world.domain.journal_last
    return last if last is not None and last.serial > world.ledger.serial else None


def _lacks_one_write(world: World, last: Ledger) -> bool:
    """What is there was right before *last*, and nobody has seen anything later.

    A record to which *last* was about to go back may have been given what will be true afterwards.
    """
    seeds = {request.to for request in last.requests}
    copies = (r.ledger_serial for r in world.domain.records if r.name not in seeds)
    highest = max(world.domain.journal_serial, *copies, 0)
    has_ledger = world.domain.ledger is not None
    return has_ledger and last.serial == world.ledger.serial + 1 and last.serial >= highest
