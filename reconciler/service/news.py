"""What of a controller's doings is worth a message to people; pure."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.controller import DomainState, Readiness, SourceState
from reconciler.model.plan import DomainPlan, Step
from reconciler.model.refusal import RefusalCode
from reconciler.model.secrets import without_secrets
from reconciler.report.refusals import explained
from reconciler.report.step_text import title


class Topic(enum.StrEnum):
    """What a message is about; the words of ``--notify-on``."""

    #: virtsnap will not do what is asked for
    REFUSED = "refused"
    #: a step waits for a person
    HELD = "held"
    FAILED = "failed"
    REVERTED = "reverted"
    #: a declared snapshot was taken and has vanished
    LOST = "lost"
    #: ready again after one of these
    HEALED = "healed"
    #: the manifests cannot be read, or can be again
    SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One message: a title of a few words, a body of a few lines."""

    topic: Topic
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What is wrong with a subject; the same *key* is told once until it is over."""

    key: str
    topic: Topic
    line: str


def complaints(state: DomainState) -> tuple[Complaint, ...]:
    """All that is wrong with a domain now."""
    return tuple(_complaints(state))


def _complaints(state: DomainState) -> Iterator[Complaint]:
    for each in state.refusals:
        words = explained(each, domain=state.domain)
        line = f"{words.message}\nhint: {words.hint}"
        is_lost = each.code is RefusalCode.SNAPSHOT_LOST
        topic = Topic.LOST if is_lost else Topic.REFUSED
        yield Complaint(key=f"refused {each.code} {each.snapshot or ''}", topic=topic, line=line)
    if not state.suspended_by:
        for held in state.held:
            if held.needs_person:
                line = f"{held.title} waits: {held.until}"
                yield Complaint(key=f"held {held.title}", topic=Topic.HELD, line=line)
    codes = {each.code for each in state.refusals}
    if "SnapshotLost" in state.drift and RefusalCode.SNAPSHOT_LOST not in codes:
        line = "a declared snapshot was taken and has vanished: virtsnap plan"
        yield Complaint(key="lost", topic=Topic.LOST, line=line)
    if state.failures:
        yield Complaint(key=f"failed {state.reason}", topic=Topic.FAILED, line=state.message)


def of_domain(state: DomainState, told: frozenset[str]) -> tuple[tuple[News, ...], frozenset[str]]:
    """What is new about a domain of which *told* was told, and what has been told then.

    Nothing is forgotten before it is ready, or stands still with other complaints: what comes and
    goes between two tries is one trouble.
    """
    now = complaints(state)
    name = f"{state.domain} on {state.host}"
    news: list[News] = []
    for topic in Topic:
        new = [each for each in now if each.topic is topic and each.key not in told]
        if new:
            body = "\n".join(without_secrets(each.line) for each in new)
            news.append(News(topic=topic, title=f"{name}: {topic}", body=body))
    keys = frozenset(each.key for each in now)
    if keys or state.readiness is not Readiness.READY:
        is_settled = state.readiness is Readiness.STALLED
        return tuple(news), keys if is_settled else keys | told
    if told:
        body = without_secrets(state.message) or "ready again"
        news.append(News(topic=Topic.HEALED, title=f"{name}: ready again", body=body))
    return tuple(news), frozenset()


def of_source(state: SourceState, told: frozenset[str]) -> tuple[tuple[News, ...], frozenset[str]]:
    """What is new about the source."""
    trouble = state.trouble
    name = without_secrets(state.id)
    if trouble is None:
        if not told or state.fetched is None:
            return (), told
        body = f"in force: revision {state.revision}" if state.revision else "it is read again"
        return (News(topic=Topic.SOURCE, title=f"{name}: read again", body=body),), frozenset()
    if trouble.message in told:
        return (), told
    lines = [f"{trouble.where}: {trouble.message}" if trouble.where else trouble.message]
    if trouble.hint:
        lines.append(f"hint: {trouble.hint}")
    lines.append("what was in force stays in force")
    body = without_secrets("\n".join(lines))
    new = News(topic=Topic.SOURCE, title=f"{name}: cannot be read", body=body)
    return (new,), told | {trouble.message}


def of_revert(plan: DomainPlan, step: Step) -> News:
    """A domain went back."""
    return News(
        topic=Topic.REVERTED,
        title=f"{plan.domain} on {plan.host}: reverted",
        body=f"{title(step)}: done",
    )
