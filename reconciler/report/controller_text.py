"""What a controller knows, for people: a head, then a line or two a domain."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from reconciler.model.controller import (
    ControllerState,
    DomainState,
    Readiness,
    RunningStep,
    Trouble,
)
from reconciler.model.secrets import without_secrets
from reconciler.report.lines import Line, Tone, padded
from reconciler.report.units import count, joined, local_time, size

_TONES = {
    Readiness.READY: Tone.PLAIN,
    Readiness.RECONCILING: Tone.CHANGED,
    Readiness.STALLED: Tone.REFUSED,
}
_REVISION_LENGTH = 12
_WIDTH = max(len(readiness) for readiness in Readiness)


def head_lines(state: ControllerState | None, *, is_running: bool, now: datetime) -> Iterator[Line]:
    """Whether it runs, from which manifests, and what troubles it."""
    if state is None:
        yield Line("controller: runs, and has not yet said anything" if is_running else _NONE)
        return
    parts = [_running_since(state, is_running=is_running)]
    source = state.source
    parts.append(f"revision {source.revision[:_REVISION_LENGTH]}" if source.revision else source.id)
    if source.fetched is not None:
        parts.append(f"read {_ago(source.fetched, now)}")
    if source.signed_by:
        parts.append(f"signed by {source.signed_by}")
    if state.is_report_only:
        parts.append("report only")
    if state.is_stopping and is_running:
        parts.append("stopping")
    tone = Tone.STRONG if is_running else Tone.WARNING
    yield Line(without_secrets(f"controller: {', '.join(parts)}"), tone)
    yield from trouble_lines(state)


_NONE = "controller: does not run"


def trouble_lines(state: ControllerState) -> Iterator[Line]:
    """What keeps it from its source and its hosts."""
    if state.source.trouble is not None:
        yield from _trouble("source", state.source.trouble)
    for host in state.hosts:
        if host.trouble is not None:
            yield from _trouble(f"host {host.name}", host.trouble)


def domains_lines(domains: Sequence[DomainState], *, now: datetime) -> Iterator[Line]:
    """A table without a head: domain, readiness, why."""
    if not domains:
        yield Line("no domains", Tone.QUIET)
    width = max((len(_name(domain)) for domain in domains), default=0)
    for domain in domains:
        yield domain_line(domain, now=now, width=width)


def domain_line(domain: DomainState, *, now: datetime, width: int = 0) -> Line:
    """One domain; its name is filled up to *width*."""
    head = f"{padded(_name(domain), width)}  {padded(domain.readiness, _WIDTH)}"
    return Line(f"{head}  {said_of(domain, now=now)}", _TONES[domain.readiness])


def tone_of(domain: DomainState) -> Tone:
    """How its line stands out."""
    return _TONES[domain.readiness]


def said_of(domain: DomainState, *, now: datetime) -> str:
    """``DisruptionNever: …, retry in 2m, suspended by manifest, create s1 312 MiB of 1.2 GiB``."""
    facts = [f"{domain.reason}: {domain.message}" if domain.message else domain.reason]
    if domain.running is not None:
        facts.append(_step(domain.running))
    if domain.failures:
        again = f", again {_in(domain.retry_at, now)}" if domain.retry_at else ""
        facts.append(f"failed {count(domain.failures, 'time')}{again}")
    if domain.suspended_by:
        facts.append(f"suspended by {joined([str(who) for who in domain.suspended_by])}")
    if domain.held:
        facts.append(f"{count(len(domain.held), 'step')} held")
    if domain.readiness is not Readiness.READY:
        facts.append(f"for {about((now - domain.since).total_seconds())}")
    return without_secrets("; ".join(facts))


def about(seconds: float) -> str:
    """``5s``, ``90s``, ``3m``, ``2h``, ``4d``: of one unit at least two."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def _running_since(state: ControllerState, *, is_running: bool) -> str:
    if is_running:
        return f"runs since {local_time(state.started)}"
    return f"does not run, its last word is of {local_time(state.at)}"


def _name(domain: DomainState) -> str:
    return f"{domain.domain} on {domain.host}"


def _step(step: RunningStep) -> str:
    if not step.total:
        return f"doing: {step.title}"
    return f"doing: {step.title}, {size(step.done)} of {size(step.total)}"


def _trouble(where: str, trouble: Trouble) -> Iterator[Line]:
    place = f" ({trouble.where})" if trouble.where else ""
    yield Line(without_secrets(f"  ! {where}: {trouble.message}{place}"), Tone.REFUSED)
    if trouble.hint:
        yield Line(without_secrets(f"    hint: {trouble.hint}"), Tone.QUIET)


def _ago(moment: datetime, now: datetime) -> str:
    return f"{about((now - moment).total_seconds())} ago"


def _in(moment: datetime, now: datetime) -> str:
    seconds = (moment - now).total_seconds()
    return f"in {about(seconds)}" if seconds > 0 else "now"
