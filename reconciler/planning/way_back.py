"""Where a domain goes when the memory that a revert went to does not load: back to where it was.

Until the guest has gone on from that memory, the ledger knows what its disks stood on, and nothing of
that is removed.
"""

from dataclasses import replace

from reconciler.model.desired import DesiredRevert, RevertConfig
from reconciler.model.ledger import Ledger, LedgerRequest, RequestState, WayBack
from reconciler.model.names import DiskTarget, ImagePath
from reconciler.model.power import PowerOwed
from reconciler.planning.world import World


def of(
    before: World,
    world: World,
    wanted: DesiredRevert,
    left: tuple[tuple[DiskTarget, ImagePath], ...],
) -> WayBack | None:
    """From *world*, where the guest is off and its present kept, to *before*; *left* are its images.

    None where a disk is on no overlay: nothing could be put there that is one again.
    """
    if any(world.image(path).backing is None for _, path in left):
        return None
    owed = world.ledger.owed
    if owed is None and before.domain.is_active:
        owed = PowerOwed(state=before.domain.power)
    # the snapshot that keeps the present was the last to be taken
    current = world.domain.current
    is_whole = wanted.config is RevertConfig.WHOLE and not wanted.discards
    return WayBack(
        disks=left,
        owed=owed,
        definition=current.name if is_whole and current is not None else None,
        discards=wanted.discards,
    )


# --- what the ledger says of it


def kept(ledger: Ledger, request: str, back: WayBack | None) -> Ledger:
    """*request* is done, and there is a way back still."""
    return replace(
        ledger,
        requests=tuple(
            replace(known, back=back) if known.request == request else known
            for known in ledger.requests
        ),
    )


def settled(ledger: Ledger) -> Ledger:
    """The domain runs, there or here: there is no way back any more, and nothing is kept for it."""
    for request in ledger.requests:
        back = request.back
        if back is not None and back.discards and request.state is RequestState.DONE:
            ledger = giving_up(ledger, tuple(path for _, path in back.disks))
    return none_in(ledger)


def none_in(ledger: Ledger) -> Ledger:
    """The same without a way back."""
    return replace(ledger, requests=tuple(replace(r, back=None) for r in ledger.requests))


def giving_up(ledger: Ledger, paths: tuple[ImagePath, ...]) -> Ledger:
    """Nobody is to read *paths* any more."""
    images = tuple(
        replace(image, is_given_up=True) if image.path in paths else image
        for image in ledger.images
    )
    return replace(ledger, images=images)


def failing(ledger: Ledger, world: World, memory: ImagePath) -> Ledger:
    """*memory* did not load: the request that went there has failed.

    Without a way back the domain stays as it is, off, and owes nothing.
    """
    for known in reversed(ledger.requests):
        record = world.domain.record(known.to)
        is_there = record is not None and record.memory_file == memory
        if is_there and known.state is RequestState.DONE:
            others = tuple(r for r in ledger.requests if r is not known)
            failed = replace(known, state=RequestState.FAILED)
            owed = ledger.owed if known.back is not None else None
            return replace(ledger, requests=(*others, failed), owed=owed)
    return ledger


def failed(world: World) -> LedgerRequest | None:
    """The request whose memory did not load, while the domain is off where it led."""
    if world.domain.is_active:
        return None
    for request in world.ledger.requests:
        if request.state is RequestState.FAILED and request.back is not None:
            now = [world.disk(target) for target, _ in request.back.disks]
            is_unused = all(d and d.source and world.image(d.source).is_blank for d in now)
            return request if is_unused else None  # somebody has booted it there since
    return None
