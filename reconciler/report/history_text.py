"""The history for people: a line for each entry, its steps and troubles below."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from reconciler.model.outcome import DomainStatus
from reconciler.report.history_document import (
    DomainEntryDocument,
    HistoryStepDocument,
    SourceEntryDocument,
)
from reconciler.report.lines import Line, Tone
from reconciler.report.units import count

_TONES = {
    DomainStatus.APPLIED: Tone.PLAIN,
    DomainStatus.IN_SYNC: Tone.PLAIN,
    DomainStatus.HELD: Tone.CHANGED,
}
#: of a revision; git's own short form has seven and grows
_REVISION = 12


def history_lines(
    entries: Sequence[DomainEntryDocument | SourceEntryDocument], zone: tzinfo | None = None
) -> Iterator[Line]:
    """*entries* as they come."""
    for entry in entries:
        if isinstance(entry, SourceEntryDocument):
            yield from _of_source(entry, zone)
        else:
            yield from _of_domain(entry, zone)


def _of_domain(entry: DomainEntryDocument, zone: tzinfo | None) -> Iterator[Line]:
    done = sum(step.done for step in entry.steps)
    facts = [str(entry.status)]
    if entry.steps:
        facts.append(f"{count(done, 'step')} in {_length(entry.seconds)}")
    if entry.held:
        facts.append(f"{entry.held} held")
    facts.append(f"by {entry.by}")
    if entry.revision:
        facts.append(f"revision {_short(entry.revision)}")
    yield Line(
        f"{_moment(entry.at, zone)}  {entry.domain} on {entry.host}: {', '.join(facts)}",
        _TONES.get(entry.status, Tone.REFUSED),
    )
    for step in entry.steps:
        yield Line(f"    {_step(step)}", Tone.PLAIN if step.done else Tone.REFUSED)
    for refused in entry.refusals:
        yield Line(f"    ! {refused.code}: {_one_line(refused.message)}", Tone.REFUSED)
    if entry.error:
        yield Line(f"    ! {_one_line(entry.error)}", Tone.REFUSED)


def _of_source(entry: SourceEntryDocument, zone: tzinfo | None) -> Iterator[Line]:
    head = f"{_moment(entry.at, zone)}  source {entry.source}"
    if entry.message is None:
        what = f"revision {_short(entry.revision)}" if entry.revision else "read"
        yield Line(f"{head}: {what}", Tone.STRONG)
        return
    where = f"{entry.where}: " if entry.where else ""
    yield Line(f"{head}: not read", Tone.REFUSED)
    yield Line(f"    ! {where}{_one_line(entry.message)}", Tone.REFUSED)


def _step(step: HistoryStepDocument) -> str:
    end = _length(step.seconds) if step.done else f"not done, {_length(step.seconds)}"
    return f"{step.title}: {end}" + (f", {step.note}" if step.note else "")


def _moment(moment: datetime, zone: tzinfo | None) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _length(seconds: float) -> str:
    """``0.3s``, ``41s``, ``1h 4m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _short(revision: str) -> str:
    name, dash, rest = revision.partition("-")
    return name[:_REVISION] + dash + rest


def _one_line(text: str) -> str:
    return text.replace("\n", "; ")
