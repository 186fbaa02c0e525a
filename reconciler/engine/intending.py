"""What a step is about to do, written into the ledger first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.ledger import Ledger
from reconciler.model.plan import Step
from reconciler.planning import bookkeeping, completion
from reconciler.planning.world import World

if TYPE_CHECKING:
    from reconciler.engine.domain_work import DomainWork


def intend(
    work: DomainWork, step: Step, world: World, uid: str = "", moment: int | None = None
) -> Ledger:
    """The ledger as it is written before *step* begins."""
    provenance = bookkeeping.Provenance(
        uid=uid, moment=moment, source=work.desired.source, revision=work.desired.revision
    )
    ledger = bookkeeping.intended(completion.completed(world), step.action, provenance)
    return work.write(ledger, world, step=step)
