"""``virtsnap release``."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.ledger import LedgerRequest, RequestState
from reconciler.model.names import SnapshotName
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host, image, overlay, shut_off, unmanaged
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


BASE, S1 = image("base"), overlay("web01", "vda", "s1")


@pytest.fixture
def written(virtsnap: Command, declare: Callable[[str], Path]) -> Command:
    """What s1 froze has another time than it had when the ledger took note; s2 stands on it too."""
    virtsnap.host = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    declare(manifest("web01", "s1", "s2"))
    virtsnap.host.world.storage.file(BASE).clusters[7] = 7
    return virtsnap


def test_a_person_vouches_for_what_was_only_touched(written: Command) -> None:
    assert "SnapshotLost" in written("plan").out
    assert "managed, written since" in written("tree").out

    result = written("release", "web01/s1", "--as-recorded")

    assert result.code == 0, result.out + result.err
    assert "a person vouches for vda (base.qcow2) as it is now" in result.out
    plan = written("plan").out
    assert "cannot take s1" not in plan
    assert "cannot take s2" in plan, "each is vouched for by its name"
    assert written("release", "web01/s2", "--as-recorded").code == 0
    assert "No changes" in written("plan").out
    again = written("release", "web01/s2", "--as-recorded")
    assert (again.code, again.out) == (0, "web01/s2 is not in doubt: nothing to do\n")


def test_a_person_says_that_the_record_is_right_and_not_the_ledger(
    virtsnap: Command, declare: Callable[[str], Path]
) -> None:
    virtsnap.host = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    declare(manifest("web01", "s1", "s2"))
    Person(virtsnap.host).revert("web01", "s1", redefine_disks=True)
    Person(virtsnap.host).remove_file(overlay("web01", "vda", "s2"))
    virtsnap.host.world.storage.file(S1).clusters[7] = 7
    virtsnap.host.domain("web01").records[SnapshotName("s2")].disks["vda"].source = BASE
    assert "SnapshotUnproven" in virtsnap("plan").out
    assert "managed, unproven" in virtsnap("tree").out

    result = virtsnap("release", "web01/s2", "--as-recorded")

    assert result.code == 0, result.out + result.err
    assert "SnapshotUnproven" not in virtsnap("plan").out


def test_nobody_vouches_for_what_is_not_there(written: Command) -> None:
    written.host.world.storage.files.pop(BASE)
    before = written.host.read_ledger(written.host.domain("web01").uuid)

    result = written("release", "web01/s1", "--as-recorded")

    assert result.code == 5, result.out + result.err
    assert written.host.read_ledger(written.host.domain("web01").uuid) == before
