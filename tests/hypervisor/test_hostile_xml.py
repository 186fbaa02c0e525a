"""XML and ledgers that somebody forged: nothing is fetched or expanded, and nothing but an answer comes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import HypervisorError
from reconciler.hypervisor import ledger as codec
from reconciler.hypervisor.xml import parse, text_of
from reconciler.model.ledger import LedgerProblem
from reconciler.model.names import DomainUuid, SnapshotName

UUID = DomainUuid("7a1d4c2e-0000-4000-8000-000000000001")
_HEAD = f"<ledger xmlns='{codec.NAMESPACE}' uuid='{UUID}'"


def read(text: str, *, attributes: str = "serial='1' format='1'") -> Any:
    """What a ledger of this text says; read as the one of a domain and as the one of a record."""
    element = parse(
        f"<domain><metadata>{_HEAD} {attributes}>{escape(text)}</ledger></metadata></domain>"
    )
    codec.intent((element,), UUID, SnapshotName("s1"), 0)
    return codec.decided((element,), UUID)


def test_an_entity_is_not_expanded_and_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    text = (
        f"<!DOCTYPE domain [<!ENTITY x SYSTEM 'file://{secret}'><!ENTITY y 'inside'>]>"
        "<domain><name>a&x;</name><title>b&y;</title></domain>"
    )

    root = parse(text)

    assert text_of(root, "name") == "a"
    assert text_of(root, "title") == "b"


def test_entities_in_entities_do_not_grow() -> None:
    lines = ["<!ENTITY a0 'aaaaaaaaaa'>"]
    lines += [f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 20)]

    assert refused_or_empty(f"<!DOCTYPE x [{''.join(lines)}]><x>&a19;</x>")


def test_a_dtd_elsewhere_is_not_fetched() -> None:
    # nobody answers at that address, and nobody is asked
    assert refused_or_empty("<!DOCTYPE x SYSTEM 'http://192.0.2.1/x.dtd'><x/>")


def refused_or_empty(text: str) -> bool:
    """libxml2 by its version refuses it, or reads an element with nothing in it."""
    try:
        return text_of(parse(text), ".") == ""
    except HypervisorError:
        return True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "<x",
        "<x>\0</x>",
        "<x>&y;</x>",
        "<a>" * 300 + "</a>" * 300,
        "<x a='" + "y" * 11_000_000 + "'/>",
    ],
    ids=["empty", "text", "torn", "NUL", "unknown entity", "deep", "wide"],
)
def test_what_is_no_xml_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(HypervisorError, match="cannot read libvirt's XML"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"entries":' + "[" * 5000 + "]" * 5000 + "}",
        '{"entries":{"a":1}}',
        '{"entries":"taken"}',
        '{"entries":[1e999]}',
        '{"entries":[{"name":"s1","uid":"u","state":"taken","created":1e999}]}',
        '{"entries":[{"name":"s1","uid":"u","state":"taken","created":NaN}]}',
        '{"entries":[{"name":"s1","uid":"u","state":"taken","created":"x"}]}',
        '{"entries":[{"name":"s1","uid":"u","state":["taken"]}]}',
        '{"entries":[{"name":["s1"],"uid":"u","state":"taken"}]}',
        '{"images":"/etc/passwd"}',
        '{"commits":[{"disk":"vda","base":"/b","merged":"/x","snapshots":[],"state":"begun"}]}',
        '{"commits":[{"disk":"vda","base":"/b","merged":[],"snapshots":[],"state":"begun"}]}',
        '{"fence":{"holder":"h","plan":"p","until":"2026-01-01T00:00:00"}}',
        '{"fence":{"holder":"h","plan":"p","until":"0001-01-01T00:00:00+14:00"}}',
        '{"fence":{"holder":"h","plan":"p","until":5}}',
        '{"fence":[]}',
        '{"owed":{"state":"running","until":"2026-01-01T00:00:00"}}',
        '{"owed":{"state":"shut off"}}',
        '{"requests":[{"request":"r","to":"s1","state":"?"}]}',
        "9" * 5000,
        "null",
        "{}{}",
        '{"__class__":1}',
    ],
)
def test_a_forged_ledger_is_damaged(text: str) -> None:
    assert read(text).problem is LedgerProblem.DAMAGED


@pytest.mark.parametrize(
    "attributes",
    [
        "serial='1e9' format='1'",
        f"serial='{'9' * 5000}' format='1'",
        "serial='' format=''",
        f"serial='1' format='{'9' * 5000}'",
    ],
)
def test_forged_numbers_are_damaged(attributes: str) -> None:
    assert read("{}", attributes=attributes).problem is LedgerProblem.DAMAGED


def test_a_ledger_of_a_hundred_thousand_entries_is_read() -> None:
    entry = {"name": "s1", "uid": "u", "state": "taken", "created": 5}
    reading = read(json.dumps({"entries": [entry] * 100_000}))

    assert len(reading.ledger.entries) == 100_000


def test_of_a_key_twice_the_last_one_counts_as_json_has_it() -> None:
    entry = '{"name":"s1","uid":"u","state":"taken"}'
    reading = read(f'{{"entries":[],"entries":[{entry}]}}')

    assert [each.uid for each in reading.ledger.entries] == ["u"]


_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["taken", "running", "begun", "vda", "s1", "2026-01-01T00:00:00+00:00"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "entries",
                    "images",
                    "commits",
                    "requests",
                    "owed",
                    "fence",
                    "freezing",
                    "name",
                    "uid",
                    "state",
                    "created",
                    "path",
                    "disk",
                    "snapshot",
                    "base",
                    "merged",
                    "snapshots",
                    "until",
                    "holder",
                    "plan",
                    "request",
                    "to",
                    "memory",
                    "power",
                    "held",
                    "consistency",
                ]
            ),
            below,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(_json)
def test_any_ledger_is_read_or_damaged(value: Any) -> None:
    reading = read(json.dumps(value))

    assert reading.ledger is not None or reading.problem is LedgerProblem.DAMAGED
    if reading.ledger is not None:
        codec.encoded(reading.ledger)
        if reading.ledger.fence is not None:
            assert reading.ledger.fence.until > datetime(1, 1, 1, tzinfo=UTC)
