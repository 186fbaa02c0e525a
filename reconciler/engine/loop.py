"""When to pass: on a change of the source, every interval, until asked to stop."""

import threading
from collections.abc import Callable, Iterable

import structlog

from reconciler.errors import VirtsnapError
from reconciler.model.outcome import DomainOutcome, DomainStatus

#: one pass over everything; raises when nothing can be planned (law 8)
OnePass = Callable[[], tuple[DomainOutcome, ...]]

_QUIET = (DomainStatus.IN_SYNC,)


def run(
    one_pass: OnePass,
    causes: Iterable[str],
    stop: threading.Event,
    *,
    listener: Callable[[str, tuple[DomainOutcome, ...]], None] | None = None,
) -> None:
    """A pass for each of *causes* (``start``, ``changed``, ``interval``), never two at once.

    A pass that fails is logged and the next cause tries again: the old state stays.
    """
    log = structlog.get_logger("virtsnap")
    for cause in causes:
        if stop.is_set():
            return
        try:
            outcomes = one_pass()
        except VirtsnapError as error:
            log.error("no pass", cause=cause, error=error.message, hint=error.hint)
            continue
        for outcome in outcomes:
            _tell(log, cause, outcome)
        if listener is not None:
            listener(cause, outcomes)


def _tell(log: structlog.stdlib.BoundLogger, cause: str, outcome: DomainOutcome) -> None:
    """An idle domain says nothing."""
    if outcome.status in _QUIET:
        log.debug("in sync", domain=outcome.domain, host=outcome.host, cause=cause)
        return
    refused = sorted({refusal.code.value for refusal in outcome.refusals})
    held = len(outcome.plan.held)
    facts = {
        "domain": outcome.domain,
        "host": outcome.host,
        "cause": cause,
        "status": outcome.status.value,
        "steps": outcome.steps_done,
        "refused": refused or None,
        "held": held or None,
        "waits_for": [awaited.domain for awaited in outcome.waits_for] or None,
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    if outcome.error is not None:
        log.error("domain failed", error=outcome.error.message, hint=outcome.error.hint, **facts)
    else:
        log.info("domain", **facts)
