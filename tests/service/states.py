"""Random states of controllers, and one to change."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from reconciler.model.controller import (
    ControllerState,
    DomainState,
    HeldStep,
    HostState,
    Readiness,
    RunningStep,
    SourceState,
    Trouble,
)
from reconciler.model.names import HostName
from reconciler.model.refusal import Refusal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

#: text from anywhere, without what is taken for a password
_texts = st.text(st.characters(exclude_characters="=@", exclude_categories=("Cs",)), max_size=12)
_times = st.datetimes(timezones=st.just(UTC))
_troubles = st.none() | st.builds(Trouble, message=_texts, hint=_texts, where=_texts)
_numbers = st.integers(0, 2**63)
_facts = st.dictionaries(_texts, _texts, max_size=2).map(lambda found: tuple(found.items()))
_refusals = st.builds(Refusal, snapshot=st.none() | _texts, facts=_facts)  # type: ignore[arg-type]  # names are texts
_running = st.builds(
    RunningStep,
    title=_texts,
    snapshot=st.none() | _texts,
    begun=_times,
    done=_numbers,
    total=_numbers,
)
_domains = st.builds(
    DomainState,
    host=_texts.map(HostName),
    domain=_texts,
    since=_times,
    revision=st.none() | _texts,
    applied_revision=st.none() | _texts,
    observed=st.none() | _times,
    succeeded=st.none() | _times,
    failures=_numbers,
    retry_at=st.none() | _times,
    drift=st.lists(_texts, max_size=2).map(tuple),
    refusals=st.lists(_refusals, max_size=2).map(tuple),
    held=st.lists(st.builds(HeldStep, title=_texts, until=_texts), max_size=2).map(tuple),
    running=st.none() | _running,
    depth_limit=st.none() | _numbers,
    newest_snapshot=st.none() | _times,
    message=_texts,
    reason=_texts,
)
_sources = st.builds(
    SourceState,
    id=_texts,
    revision=st.none() | _texts,
    since=st.none() | _times,
    fetched=st.none() | _times,
    signed_by=st.none() | _texts,
    trouble=_troubles,
)
_hosts = st.builds(
    HostState, name=_texts.map(HostName), observed=st.none() | _times, trouble=_troubles
)
states = st.builds(
    ControllerState,
    version=_texts,
    holder=_texts,
    pid=_numbers,
    started=_times,
    at=_times,
    interval=st.floats(0, 1e9),
    is_report_only=st.booleans(),
    source=_sources,
    hosts=st.lists(_hosts, max_size=2).map(tuple),
    domains=st.lists(_domains, max_size=2).map(tuple),
    passes=_numbers,
    is_stopping=st.booleans(),
)


def domain_state(name: str = "web01", **facts: object) -> DomainState:
    """A domain in sync, but for *facts*."""
    known: dict[str, object] = {
        "host": HostName("local"),
        "domain": name,
        "uuid": None,
        "readiness": Readiness.READY,
        "reason": "InSync",
        "message": "all that is asked for is there",
        "since": NOON,
    }
    return DomainState(**(known | facts))  # type: ignore[arg-type]  # checked where it is built


def controller_state(*domains: DomainState, **facts: object) -> ControllerState:
    """A controller at rest, but for *facts*."""
    known: dict[str, object] = {
        "version": "0.1.0",
        "holder": "root@kvm01 4711",
        "pid": 4711,
        "started": NOON,
        "at": NOON,
        "interval": 60.0,
        "is_report_only": False,
        "source": SourceState(id="/srv/snapshots", revision="0123456789abcdef", fetched=NOON),
        "hosts": (HostState(name=HostName("local"), observed=NOON),),
        "domains": domains or (domain_state(),),
    }
    return ControllerState(**(known | facts))  # type: ignore[arg-type]  # checked where it is built
