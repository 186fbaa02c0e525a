"""One line for Nagios, Icinga and checkmk: a word, what is wrong, and numbers."""

import enum
from collections.abc import Iterator
from datetime import datetime

from reconciler.model.controller import ControllerState, DomainState, Readiness, SuspendedBy
from reconciler.model.drift import SnapshotLost
from reconciler.model.plan import HeldBecause
from reconciler.model.refusal import RefusalCode
from reconciler.model.secrets import without_secrets
from reconciler.report.lines import safe
from reconciler.report.units import count

#: Stalled, and nothing is wrong with the domain: it was meant so, or is told elsewhere in the line.
_MEANT_SO = frozenset({*(because.value for because in HeldBecause), "SourceNotReady"})
#: A controller that changes nothing has found something to do.
_REPORT_ONLY = "ReportOnly"
#: What is not looked at for so many intervals and seconds is old.
_INTERVALS, _SECONDS = 3, 300.0
#: Names in the line; the numbers have all of them.
_NAMED = 3


class Level(enum.IntEnum):
    """The exit code of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


#: How bad something is, and what it is.
_Finding = tuple[Level, str]


def nagios(state: ControllerState | None, *, now: datetime, is_running: bool) -> tuple[int, str]:
    """Exit code and line.  *state* is what the controller last knew; None: none has ever run here.

    Not running is critical, however well all was when it ended.
    """
    if state is None:
        return Level.UNKNOWN, _line(Level.UNKNOWN, "no controller has ever run here")
    found = sorted(_findings(state, now, is_running=is_running), key=lambda finding: -finding[0])
    level = found[0][0] if found else Level.OK
    words = [text for _, text in found] or [f"{count(len(state.domains), 'domain')} ready"]
    if not found and not _all_ready(state):
        words = [f"{_with(state, Readiness.READY)} of {count(len(state.domains), 'domain')} ready"]
    return level, f"{_line(level, '; '.join(words))} | {_numbers(state, now)}"


def _findings(state: ControllerState, now: datetime, *, is_running: bool) -> Iterator[_Finding]:
    if not is_running:
        yield Level.CRITICAL, f"no controller is running; the last was seen {_ago(now, state.at)}"
    yield from _of_source(state, now)
    for host in state.hosts:
        if host.trouble:
            yield Level.CRITICAL, f"host {host.name}: {host.trouble.message}"
        elif host.observed is None:
            yield Level.WARNING, f"host {host.name}: not observed yet"
        elif is_running and _is_old(state, now, host.observed):
            yield Level.WARNING, f"host {host.name} was last observed {_ago(now, host.observed)}"
    yield from _of_domains(state)


def _of_source(state: ControllerState, now: datetime) -> Iterator[_Finding]:
    source = state.source
    if source.trouble:
        where = f"{source.trouble.where}: " if source.trouble.where else ""
        yield Level.CRITICAL, f"source: {where}{source.trouble.message}"
    elif source.fetched is None:
        yield Level.CRITICAL, "source: not read yet"
    elif _is_old(state, now, source.fetched):
        yield Level.WARNING, f"the source was last read {_ago(now, source.fetched)}"


def _of_domains(state: ControllerState) -> Iterator[_Finding]:
    lost = [domain for domain in state.domains if _is_lost(domain)]
    yield from _named(Level.CRITICAL, "lost a snapshot", lost)
    stalled = [d for d in state.domains if _is_in_need(d) and not _is_lost(d)]
    yield from _named(Level.CRITICAL, "stalled", stalled, with_reason=True)
    reported = [d for d in state.domains if d.reason == _REPORT_ONLY]
    yield from _named(Level.WARNING, "only reported", reported)
    yield from _named(
        Level.WARNING,
        "failing",
        [d for d in state.domains if d.failures and d.readiness is not Readiness.STALLED],
        with_reason=True,
    )
    waiting = [d for d in state.domains if any(held.needs_person for held in d.held)]
    yield from _named(Level.WARNING, "held for a person", waiting)
    by_hand = [d for d in state.domains if SuspendedBy.HAND in d.suspended_by]
    yield from _named(Level.WARNING, "suspended by hand", by_hand)


def _named(
    level: Level, what: str, domains: list[DomainState], *, with_reason: bool = False
) -> Iterator[_Finding]:
    if not domains:
        return
    names = [
        f"{domain.domain} ({domain.reason})" if with_reason else domain.domain
        for domain in domains[:_NAMED]
    ]
    more = [f"{len(domains) - _NAMED} more"] if len(domains) > _NAMED else []
    yield level, f"{what}: {', '.join([*names, *more])}"


def _is_lost(domain: DomainState) -> bool:
    return SnapshotLost.kind in domain.drift or any(
        refusal.code is RefusalCode.SNAPSHOT_LOST for refusal in domain.refusals
    )


def _is_in_need(domain: DomainState) -> bool:
    return domain.readiness is Readiness.STALLED and domain.reason not in {
        *_MEANT_SO,
        _REPORT_ONLY,
    }


def _is_old(state: ControllerState, now: datetime, moment: datetime) -> bool:
    return (now - moment).total_seconds() > _INTERVALS * state.interval + _SECONDS


def _all_ready(state: ControllerState) -> bool:
    return _with(state, Readiness.READY) == len(state.domains)


def _with(state: ControllerState, readiness: Readiness) -> int:
    return sum(1 for domain in state.domains if domain.readiness is readiness)


def _numbers(state: ControllerState, now: datetime) -> str:
    """Performance data: ``name=value;warning;critical``, where there are such limits."""
    domains = state.domains
    numbers = [
        f"domains={len(domains)}",
        f"ready={_with(state, Readiness.READY)}",
        f"reconciling={_with(state, Readiness.RECONCILING)}",
        f"stalled={_with(state, Readiness.STALLED)}",
        f"lost={sum(1 for domain in domains if _is_lost(domain))};;0",
        f"failing={sum(1 for domain in domains if domain.failures)};0",
        f"suspended={sum(1 for domain in domains if domain.suspended_by)}",
        f"held_steps={sum(len(domain.held) for domain in domains)}",
        f"refusals={sum(len(domain.refusals) for domain in domains)}",
        f"depth={max((domain.depth for domain in domains), default=0)}",
    ]
    if state.source.fetched is not None:
        age = max(0, int((now - state.source.fetched).total_seconds()))
        numbers.append(f"source_age={age}s;{int(_INTERVALS * state.interval + _SECONDS)}")
    return " ".join(numbers)


def _ago(now: datetime, moment: datetime) -> str:
    seconds = max(0, int((now - moment).total_seconds()))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit} ago"
    return f"{seconds}s ago"


def _line(level: Level, words: str) -> str:
    """One line; what is behind a bar would be taken for numbers."""
    return f"VIRTSNAP {level.name}: {safe(without_secrets(' '.join(words.split())))}".replace(
        "|", "/"
    )
