"""The ledger through libvirt's XML and back."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.hypervisor import ledger as codec
from reconciler.hypervisor.xml import parse, written
from reconciler.model.ledger import (
    CommitState,
    Consistency,
    EntryState,
    Fence,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    LedgerImage,
    LedgerProblem,
    LedgerRequest,
    RequestState,
)
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState
from tests.captures import capture

UUID = DomainUuid("7a1d4c2e-0000-4000-8000-000000000001")

#: Any text at all, with what XML cannot hold and what file names can be.
texts = st.text(max_size=12) | st.sampled_from(["]]>", "\x00", "\udcff", "<&>\"'", "ü/é ", ""])
paths = texts.map(lambda text: ImagePath(f"/{text}"))
targets = st.sampled_from([DiskTarget("vda"), DiskTarget("vdb")])
names = texts.map(SnapshotName)
zones = st.sampled_from([timezone(timedelta(hours=2)), timezone(timedelta(0))])

entries = st.builds(
    LedgerEntry,
    name=names,
    uid=texts,
    state=st.sampled_from(EntryState),
    created=st.none() | st.integers(min_value=0),
    consistency=st.none() | st.sampled_from(Consistency),
    source=st.none() | texts,
    manifest=st.none() | texts,
    revision=st.none() | texts,
    power=st.none() | st.sampled_from(PowerState),
    is_held=st.booleans(),
)
images = st.builds(LedgerImage, path=paths, disk=targets, snapshot=names, is_given_up=st.booleans())
commits = st.builds(
    LedgerCommit,
    disk=targets,
    base=st.just(ImagePath("base")),
    merged=st.lists(paths, min_size=1, max_size=3).map(tuple),
    snapshots=st.lists(names, max_size=3).map(tuple),
    state=st.sampled_from(CommitState),
)
times = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=zones,
)
fences = st.builds(Fence, holder=texts, plan_id=texts, until=times)
requests = st.builds(LedgerRequest, request=texts, to=names, state=st.sampled_from(RequestState))
debts = st.builds(
    PowerOwed,
    state=st.sampled_from((PowerState.RUNNING, PowerState.PAUSED)),
    memory=st.none() | paths,
    until=st.none() | times,
)
ledgers = st.builds(
    Ledger,
    uuid=st.just(UUID),
    serial=st.integers(min_value=0),
    entries=st.lists(entries, max_size=3).map(tuple),
    images=st.lists(images, max_size=3).map(tuple),
    commits=st.lists(commits, max_size=2).map(tuple),
    is_freezing=st.booleans(),
    requests=st.lists(requests, max_size=2).map(tuple),
    owed=st.none() | debts,
    definition=st.none() | names,
    fence=st.none() | fences,
)


@given(ledgers)
def test_what_is_written_is_read_back(ledger: Ledger) -> None:
    text = codec.encoded(ledger)

    reading = codec.decoded(parse(text), UUID)

    assert reading.problem is None
    assert reading.ledger == ledger
    assert codec.encoded(reading.ledger) == text


def test_the_text_is_canonical() -> None:
    entry = LedgerEntry(name=SnapshotName("s1"), uid="u", state=EntryState.TAKEN, created=5)

    assert codec.encoded(Ledger(uuid=UUID, serial=3, entries=(entry,))) == (
        f'<ledger xmlns="urn:virtsnap:ledger:1" uuid="{UUID}" serial="3" format="2">'
        '{"entries":[{"created":5,"name":"s1","state":"taken","uid":"u"}]}</ledger>'
    )


def test_a_ledger_of_before_definitions_and_given_up_images_is_read() -> None:
    content = (
        '{"images":[{"disk":"vda","path":"/images/a","snapshot":"s1"}],'
        '"requests":[{"request":"r1","state":"done","to":"s1"}]}'
    )
    element = parse(
        f"<ledger xmlns='{codec.NAMESPACE}' uuid='{UUID}' serial='1' format='1'>{content}</ledger>"
    )

    ledger = codec.decoded(element, UUID).ledger

    assert ledger is not None
    assert ledger.definition is None
    assert [image.is_given_up for image in ledger.images] == [False]
    assert content in codec.encoded(ledger)


@pytest.mark.parametrize(
    ("attributes", "content", "problem"),
    [
        ("uuid='another' serial='1' format='1'", "{}", LedgerProblem.FOREIGN),
        (f"uuid='{UUID}' serial='1' format='3'", "???", LedgerProblem.NEWER),
        (f"uuid='{UUID}' serial='1' format='1'", "", LedgerProblem.DAMAGED),
        (f"uuid='{UUID}' serial='1' format='1'", "[]", LedgerProblem.DAMAGED),
        (f"uuid='{UUID}' serial='1' format='1'", '{"later":1}', LedgerProblem.DAMAGED),
        (f"uuid='{UUID}' serial='1' format='1'", '{"entries":[{}]}', LedgerProblem.DAMAGED),
        (f"uuid='{UUID}' serial='x' format='1'", "{}", LedgerProblem.DAMAGED),
        (f"uuid='{UUID}' serial='1'", "{}", LedgerProblem.DAMAGED),
    ],
)
def test_what_cannot_be_used_says_why(
    attributes: str, content: str, problem: LedgerProblem
) -> None:
    element = parse(f"<ledger xmlns='urn:virtsnap:ledger:1' {attributes}>{content}</ledger>")

    reading = codec.decoded(element, UUID)

    assert (reading.ledger, reading.problem) == (None, problem)


def domain_with(*elements: str) -> str:
    return f"<domain><metadata>{''.join(elements)}</metadata></domain>"


def test_of_two_definitions_the_higher_serial_counts() -> None:
    older, newer = (Ledger(uuid=UUID, serial=serial) for serial in (9, 10))
    definitions = tuple(parse(domain_with(codec.encoded(ledger))) for ledger in (newer, older))

    assert codec.decided(definitions, UUID).ledger == newer
    assert codec.decided(definitions[::-1], UUID).ledger == newer


def test_a_damaged_copy_counts_only_where_it_is_the_later_one() -> None:
    good = parse(domain_with(codec.encoded(Ledger(uuid=UUID, serial=4))))
    damaged = parse(
        domain_with(f"<ledger xmlns='{codec.NAMESPACE}' uuid='{UUID}' serial='5' format='1'/>")
    )
    illegible = parse(domain_with(f"<ledger xmlns='{codec.NAMESPACE}' uuid='{UUID}'/>"))

    assert codec.decided((good, damaged), UUID).problem is LedgerProblem.DAMAGED
    assert codec.decided((good, illegible), UUID).ledger is not None


def test_a_newer_format_anywhere_forbids() -> None:
    good = parse(domain_with(codec.encoded(Ledger(uuid=UUID, serial=4))))
    later = parse(
        domain_with(f"<ledger xmlns='{codec.NAMESPACE}' uuid='{UUID}' serial='1' format='3'/>")
    )

    assert codec.decided((good, later), UUID).problem is LedgerProblem.NEWER


def test_no_ledger_is_no_problem() -> None:
    reading = codec.decided((parse("<domain/>"), parse("<domain><metadata/></domain>")), UUID)

    assert (reading.ledger, reading.problem) == (None, None)


def test_libvirt_gives_back_what_it_was_given() -> None:
    live, persistent = parse(capture("ledger/01-live")), parse(capture("ledger/02-persistent"))
    uuid = DomainUuid(live.findtext("uuid") or "")

    reading = codec.decided((live, persistent), uuid)

    assert reading.ledger is not None
    assert reading.ledger.serial == 7
    element = codec.element_of(persistent)
    assert element is not None
    assert "uid-of-s1" in written(element)
