"""``virtsnap release``."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.ledger import LedgerRequest, RequestState
from reconciler.model.names import SnapshotName
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host, unmanaged
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.person import Person


@pytest.fixture
def held(virtsnap: Command) -> Command:
    """web01 has s1, held, s2, and one of somebody else's on top."""
    virtsnap.host = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← s2 ← u1"))
    Controller(virtsnap.host).hold("web01", "s1")
    virtsnap.host.world.changes.clear()
    return virtsnap


def test_a_hold_is_ended_and_said_so(held: Command) -> None:
    assert "managed, held" in held("tree", "web01").out
    assert "(2 managed, 1 held)" in held("status").out

    result = held("release", "web01/s1")

    assert result.code == 0, result.err
    assert "release s1" in result.out
    assert result.out.endswith("Done: 1 step on 1 domain.\n")
    assert "held" not in held("tree", "web01").out
    ledger = held.host.read_ledger(held.host.domain("web01").uuid)
    assert ledger is not None
    assert ledger.fence is None


def test_where_there_is_none_there_is_nothing_to_do(held: Command) -> None:
    result = held("release", "web01/s2")

    assert (result.code, result.out) == (0, "web01/s2 is not held: nothing to do\n")
    assert not held.host.world.changes


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("web01", 64, "cannot release web01: name a domain and a snapshot of it"),
        ("web01/", 64, "cannot release web01/: name a domain and a snapshot of it"),
        ("wbe01/s1", 1, "there is no such domain (did you mean 'web01'?)"),
        (
            "web01/s11",
            1,
            "cannot release web01/s11: there is no such snapshot (did you mean 's1'?)",
        ),
        ("web01/u1", 1, "cannot release web01/u1: virtsnap does not manage it"),
    ],
)
def test_what_cannot_be_released_is_an_error(
    held: Command, words: str, code: int, said: str
) -> None:
    result = held("release", words)

    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert "hint: virtsnap " in result.err
    assert not held.host.world.changes


def test_without_a_ledger_to_go_by_it_is_written_anew_first(held: Command) -> None:
    Administrator(held.host).lose_ledger("web01")

    result = held("release", "web01/s1")

    assert result.code == 1
    assert "what virtsnap remembers of the domain is lost or outdated" in result.err
    assert "hint: virtsnap plan" in result.err


def test_while_a_backup_is_at_work_it_is_refused(held: Command) -> None:
    Person(held.host).domain_job("web01", "backup")

    result = held("release", "web01/s1")

    assert result.code == 5
    assert "refused DomainBusy" in result.out
    assert not held.host.world.changes


def test_as_a_document_it_is_the_outcome_of_a_plan(held: Command) -> None:
    done = json.loads(held("release", "web01/s1", "-o", "json").out)
    again = json.loads(held("release", "web01/s1", "-o", "json").out)

    (domain_done,) = done["domains"]
    assert (domain_done["status"], domain_done["stepsDone"]) == ("applied", 1)
    assert (done["exitCode"], again["exitCode"]) == (0, 0)
    assert not again["domains"]


def test_a_request_in_doubt_counts_as_done(
    virtsnap: Command, declare: Callable[[str], Path]
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    declare(
        manifest("web01", "s1").replace(
            "snapshots:", "revert: {to: s1, request: INC-1}, snapshots:"
        )
    )
    Administrator(virtsnap.host).lose_ledger("web01")
    virtsnap("apply", "--auto-approve")
    refused = virtsnap("plan")
    assert "virtsnap release web01 --request INC-1" in refused.out

    assert virtsnap("release", "web01", "--request", "INC-1").code == 0

    assert "in sync" in virtsnap("status").out
    again = virtsnap("release", "web01", "--request", "INC-1")
    assert (again.code, again.out) == (0, "INC-1 is not in doubt: nothing to do\n")
    assert virtsnap("release", "web01/s1", "--request", "INC-1").code == 64


@pytest.mark.parametrize("words", [("web01/s1",), ("web01", "--request", "INC-7")])
def test_a_suspended_domain_is_left_alone_unless_no_manifest_is_asked(
    held: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    domain = held.host.domain("web01")
    ledger = held.host.read_ledger(domain.uuid)
    assert ledger is not None
    doubt = LedgerRequest(request="INC-7", to=SnapshotName("s1"), state=RequestState.UNPROVEN)
    held.host.remember(domain.uuid, replace(ledger, requests=(doubt,)))
    held.host.world.changes.clear()
    path = tmp_path / "suspended.yaml"
    spec = {"suspend": True, "snapshots": [{"name": "s1"}]}
    metadata = {"name": "web01"}
    document = {"apiVersion": "virtsnap/v1", "kind": "DomainSnapshots", "metadata": metadata}
    path.write_text(json.dumps({**document, "spec": spec}))

    result = held("release", *words, "-f", str(path))

    assert result.code == 5
    assert "the manifest says `suspend: true`, nothing is changed" in result.out
    assert not held.host.world.changes
    assert held("release", *words).code == 0
    assert held.host.world.changes
