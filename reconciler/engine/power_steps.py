"""Shutting a guest down and starting it again: the debt is written down before, cleared after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from reconciler.errors import HypervisorError, MemoryNotLoadedError
from reconciler.model.action import ShutDownDomain, StartDomain
from reconciler.model.ledger import Ledger
from reconciler.model.names import ImagePath
from reconciler.model.plan import Step
from reconciler.model.power import PowerState, Stopped
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.planning import bookkeeping, powering, way_back
from reconciler.planning.world import World

if TYPE_CHECKING:
    from reconciler.engine.domain_work import DomainWork


def shut_down(work: DomainWork, step: Step, action: ShutDownDomain, world: World) -> str | Refusal:
    """Off, with the debt in the ledger; or a refusal, and the debt stays until it cannot obey any more.

    Whoever is interrupted while it waits has asked already: the guest may obey one full timeout
    after the wait would have ended.
    """
    patience = timedelta(seconds=action.timeout)
    owing = bookkeeping.intended(world.ledger, action, bookkeeping.Provenance(uid=""))
    work.write(_late(owing, work, 2 * patience), world, step=step)
    stopped = work.port.shut_down(
        work.uuid,
        timeout=action.timeout,
        then_destroy=action.then_destroy,
        stop_asked=work.stop_asked,
    )
    if stopped is Stopped.NOT_YET:
        work.write(_late(owing, work, patience), world)
        return refusal(
            RefusalCode.SHUT_DOWN_REFUSED,
            domain=work.plan.domain,
            cause=f"it runs still, {action.timeout} s after it was asked",
        )
    work.write(bookkeeping.confirmed(work.ledger or owing, action), world)
    work.was_forced = stopped is Stopped.BY_FORCE
    return "destroyed: it did not shut down by itself" if work.was_forced else ""


def _late(owing: Ledger, work: DomainWork, patience: timedelta) -> Ledger:
    assert owing.owed is not None
    return replace(owing, owed=replace(owing.owed, until=work.tools.clock.now() + patience))


def start(work: DomainWork, action: StartDomain, world: World) -> str | Refusal:
    """The guest is on, and the debt is gone; one that somebody else started is left as it is."""
    if not world.domain.is_active:
        is_paused = action.state is PowerState.PAUSED
        if action.memory is not None and powering.fits(world, action.memory):
            _go_on_from(work, action.memory, world, is_paused=is_paused)
        else:
            work.port.start(work.uuid, is_paused=is_paused)
        if not work.observe().domain.is_active:
            raise HypervisorError(
                f"cannot start {work.plan.domain}: it stopped again at once",
                hint=f"virsh domstate --reason {quote(work.plan.domain)}",
            )
    work.write(bookkeeping.confirmed(work.ledger or world.ledger, action), world)
    return ""


def _go_on_from(work: DomainWork, memory: ImagePath, world: World, *, is_paused: bool) -> None:
    """Where it does not load the revert to it has failed, which is written down: no pass tries it
    again, and what is owed from now on is the way back."""
    try:
        work.port.go_on_from(work.uuid, memory, is_paused=is_paused)
    except MemoryNotLoadedError as error:
        before = work.ledger or world.ledger
        failed = way_back.failing(before, world, memory)
        if failed != before:
            work.write(failed, world)
            error.hint = "it goes on where it was; `power: off` goes back without that memory"
        raise
