"""What people are told: what is new, once, until it is over; and not too much of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.controller import DomainState, HeldStep, SuspendedBy
from reconciler.model.plan import HeldBecause
from reconciler.service.news import News, Topic, of_domain, of_source
from reconciler.service.outbox import Outbox
from tests.service.drawn import READY, RECONCILING, STALLED, domain, lost, no_space, source


def heard(*states: DomainState) -> list[str]:
    """The topics of what is told, one state after the other."""
    told: frozenset[str] = frozenset()
    topics = []
    for state in states:
        news, told = of_domain(state, told)
        topics += [each.topic.value for each in news]
    return topics


def held(
    because: HeldBecause = HeldBecause.NEEDS_APPROVAL,
    title: str = "commit s1",
    until: str = "approval",
) -> HeldStep:
    return HeldStep(title=title, because=because, until=until)


REFUSED = domain(readiness=STALLED, reason="NoSpace", refusals=(no_space(),))
HELD = domain(readiness=STALLED, reason="NeedsApproval", held=(held(),))
FAILED = domain(readiness=RECONCILING, reason="Failed", message="cannot commit: x", failures=1)
LOST = domain(readiness=STALLED, drift=("SnapshotLost",))
WELL = domain()


@pytest.mark.parametrize(
    ("state", "topic"),
    [(REFUSED, "refused"), (HELD, "held"), (FAILED, "failed"), (LOST, "lost")],
    ids=["refused", "held", "failed", "lost"],
)
def test_trouble_is_told_once_and_its_end_once(state: DomainState, topic: str) -> None:
    states = (state, state, WELL, WELL)

    assert heard(WELL, *states) == [topic, "healed"]
    assert heard(*states, *states) == [topic, "healed"] * 2


def test_a_try_in_between_is_no_end() -> None:
    trying = domain(readiness=RECONCILING, reason="Progressing")

    assert heard(REFUSED, trying, REFUSED, trying, FAILED, REFUSED) == ["refused", "failed"]


def test_more_of_the_same_is_new() -> None:
    more = replace(REFUSED, refusals=(no_space(), lost()))

    assert heard(REFUSED, more, REFUSED, more) == ["refused", "lost", "lost"]


def test_a_lost_snapshot_that_is_refused_is_told_as_one() -> None:
    both = replace(LOST, refusals=(lost(),))
    ((news,), _) = of_domain(both, frozenset())

    assert news.topic is Topic.LOST
    assert "s1" in news.body


@pytest.mark.parametrize(
    ("because", "until"),
    [
        (HeldBecause.WINDOW_CLOSED, "2026-11-29T02:00:00+01:00"),
        (HeldBecause.BEHIND_HELD, "approval"),
        (HeldBecause.DEPENDS_ON, "dependency"),
        (HeldBecause.SUSPENDED, "resume"),
        (HeldBecause.DELETION_BUDGET, "next-pass"),
    ],
)
def test_what_waits_for_nobody_is_no_news(because: HeldBecause, until: str) -> None:
    assert heard(replace(HELD, held=(held(because, until=until),))) == []


def test_what_somebody_suspended_is_not_asked_for() -> None:
    assert heard(replace(HELD, suspended_by=(SuspendedBy.HAND,))) == []


def test_the_words_say_what_and_what_next() -> None:
    ((news,), _) = of_domain(REFUSED, frozenset())

    assert news.title == "web01 on local: refused"
    assert news.body.startswith("cannot change web01: not enough space in /srv, 2 KiB needed")
    assert "\nhint: " in news.body


def test_passwords_are_not_told() -> None:
    state = replace(FAILED, message="cannot reach qemu+tls://u:hunter2@h/system")
    ((news,), _) = of_domain(state, frozenset())

    assert "hunter2" not in news.body


def test_a_source_is_told_when_it_fails_otherwise_or_is_back() -> None:
    told: frozenset[str] = frozenset()
    topics = []
    for state in (source(), source(None, "a"), source(None, "a"), source(None, "b"), source()):
        news, told = of_source(state, told)
        topics += [each.title for each in news]

    name = "/srv/snapshots"
    assert topics == [f"{name}: cannot be read"] * 2 + [f"{name}: read again"]


def news(name: str) -> News:
    return News(topic=Topic.FAILED, title=f"{name}: failed", body=f"body of {name}")


def test_the_last_message_of_a_minute_says_what_else_there_was() -> None:
    outbox = Outbox(per_minute=3)
    for number in range(20):
        outbox.add(news(f"web{number:02}"))

    sent = [outbox.take(0.0) for _ in range(4)]

    titles = [message.title for message in sent if message is not None]
    assert titles == ["web00: failed", "web01: failed", "web02: failed, and 17 more"]
    assert sent[2] is not None
    assert sent[2].body.splitlines() == [
        "body of web02",
        "",
        *(f"web{number:02}: failed" for number in range(3, 13)),
        "and 7 more",
    ]
    assert sent[3] is None
    assert outbox.wait(0.0) is None
    outbox.add(news("later"))
    assert outbox.wait(15.0) == 45.0
    assert outbox.take(59.9) is None
    message = outbox.take(60.0)
    assert message is not None
    assert message.title == "later: failed"


@given(
    st.integers(1, 5),
    st.lists(st.one_of(st.just("add"), st.floats(0.1, 70.0)), max_size=80),
)
def test_nothing_is_lost_and_no_minute_has_too_many(
    per_minute: int, happenings: list[str | float]
) -> None:
    outbox, now, added = Outbox(per_minute), 0.0, 0
    told: list[str] = []
    times: list[float] = []
    for each in [*happenings, 61.0, 61.0]:
        if isinstance(each, str):
            outbox.add(news(f"n{added}"))
            added += 1
        else:
            now += each
        while (message := outbox.take(now)) is not None:
            told += [one.title for one in message.news]
            times.append(now)
    assert told == [f"n{number}: failed" for number in range(added)]
    assert all(sum(t - 60.0 < at <= t for at in times) <= per_minute for t in times)


def test_what_is_beyond_all_measure_is_only_counted() -> None:
    outbox = Outbox(per_minute=1)
    for number in range(600):
        outbox.add(news(f"n{number}"))

    message = outbox.take(0.0)

    assert message is not None
    assert message.title == "n0: failed, and 599 more"
    assert outbox.is_empty


def test_ready_is_the_only_end() -> None:
    assert heard(FAILED, domain(readiness=STALLED, reason="X"), WELL) == ["failed"]
    assert READY is WELL.readiness
