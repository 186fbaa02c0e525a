"""Recordings of hosts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import VirtsnapError
from reconciler.model.chain import BackingChain, Image
from reconciler.model.domain import Disk, ObservedDomain, ObservedFolder, ObservedHost
from reconciler.model.ledger import Fence, Ledger, LedgerCommit, LedgerEntry
from reconciler.model.names import ImagePath
from reconciler.report.document import as_json
from reconciler.report.observation import observation_document, read_observation
from tests.drawing import domain, host, shut_off, unmanaged

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_numbers = st.none() | st.integers(0, 2**63 - 1)
_moments = st.datetimes(timezones=st.just(UTC))
_paths = st.lists(_text, min_size=1, max_size=4, unique=True).map(tuple)
_chains = st.none() | _paths.map(BackingChain)
_disks = st.builds(Disk, target=_text, source=st.none() | _text, chain=_chains, stated=_chains)
_definitions = st.none() | st.lists(_disks, max_size=2).map(tuple)
_commits = st.builds(LedgerCommit, base=st.just("/base"), merged=_paths)
_ledgers = st.none() | st.builds(
    Ledger,
    entries=st.lists(st.builds(LedgerEntry), max_size=2).map(tuple),
    commits=st.lists(_commits, max_size=2).map(tuple),
    fence=st.none() | st.builds(Fence, until=_moments),
)
_domains = st.builds(ObservedDomain, live=_definitions, persistent=_definitions, ledger=_ledgers)
_hosts = st.builds(
    ObservedHost,
    observed_at=_moments,
    domains=st.lists(_domains, max_size=2).map(tuple),
    images=st.lists(st.builds(Image, allocated=_numbers), max_size=2).map(tuple),
    folders=st.lists(st.builds(ObservedFolder, free=_numbers), max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(hosts=st.lists(_hosts, max_size=2))
def test_what_is_recorded_is_read_again(hosts: list[ObservedHost]) -> None:
    recorded = as_json(observation_document(hosts))

    assert read_observation(recorded, name="x") == tuple(hosts)


def test_a_drawn_host_is_read_again_from_yaml_too() -> None:
    seen = host(
        domain("web01", unmanaged("u1"), vda="base ← s1 ← u1"),
        domain("db", shut_off, vda="data ← a"),
    ).observe()
    data = observation_document([seen]).model_dump(mode="json", by_alias=True)

    assert read_observation(yaml.safe_dump(data), name="x") == (seen,)
    assert data["hosts"][0]["domains"][0]["ledger"]["isFreezing"] is False


def test_the_name_of_a_file_that_is_no_utf_8_is_recorded_too() -> None:
    seen = host(domain("web01", vda="base ← s1")).observe()
    odd = replace(
        seen, images=(*seen.images, Image(path=ImagePath("/images/\udcff.qcow2"), format="qcow2"))
    )
    recorded = as_json(observation_document([odd]))

    recorded.encode("utf-8")
    assert read_observation(recorded, name="x") == (odd,)


def test_times_are_utc() -> None:
    zone = datetime.fromisoformat("2026-03-01T12:00:00+02:00")
    seen = ObservedHost(name="kvm01", uri="", observed_at=zone, libvirt_version=1)  # type: ignore[arg-type]  # a name

    assert '"observedAt": "2026-03-01T10:00:00Z"' in as_json(observation_document([seen]))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it is no recording"),
        ("{", "neither JSON nor YAML"),
        ("a: [", "neither JSON nor YAML"),
        ("[]", "it is no recording"),
        ("hello", "it is no recording"),
        ('{"formatVersion": "1.0"}', "it is no recording"),
        ('{"formatVersion": "2.0", "hosts": []}', "its format is '2.0'"),
        ('{"formatVersion": "1.0", "hosts": [{}]}', "hosts.0.name: field required"),
        ('{"formatVersion": "1.0", "hosts": [], "x": 1}', "x: extra inputs"),
        ("{" * 5000, "neither JSON nor YAML"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(text: str, cause: str) -> None:
    with pytest.raises(VirtsnapError) as caught:
        read_observation(text, name="host.json")

    assert caught.value.message.startswith("cannot read recording host.json: ")
    assert cause in caught.value.message
    assert "\n" not in caught.value.message
    assert "virtsnap observe" in (caught.value.hint or "")


def test_an_unknown_key_deep_inside_is_told() -> None:
    seen = host(domain("web01", vda="base")).observe()
    data: dict[str, Any] = observation_document([seen]).model_dump(mode="json", by_alias=True)
    data["hosts"][0]["domains"][0]["colour"] = "red"

    with pytest.raises(VirtsnapError, match=r"hosts\.0\.domains\.0\.colour"):
        read_observation(yaml.safe_dump(data), name="x")


def test_a_chain_that_cannot_be_is_told() -> None:
    seen = host(domain("web01", vda="base")).observe()
    data: dict[str, Any] = observation_document([seen]).model_dump(mode="json", by_alias=True)
    data["hosts"][0]["domains"][0]["live"][0]["chain"]["images"] = ["/a", "/a"]

    with pytest.raises(VirtsnapError, match="names each image once"):
        read_observation(yaml.safe_dump(data), name="x")
