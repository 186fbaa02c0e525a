"""``virtsnap doctor`` with a fake host behind it."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from reconciler.cli.schema import document_schema
from reconciler.model.domain import AgentState
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host, image, overlay
from tests.fakes.person import Person

Declare = Callable[..., Path]


def test_a_clean_host_needs_no_manifest(virtsnap: Command) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    result = virtsnap("doctor")

    assert (result.code, result.out) == (0, "No findings. 1 domain looked at.\n")
    assert virtsnap.opened == [("local", "qemu:///system", True)]


def test_warnings_alone_end_with_0_and_problems_with_5(virtsnap: Command) -> None:
    virtsnap.host = host(domain("web01", AgentState.ABSENT, vda="base ← s1"), domain("db", vda="d"))
    warned = virtsnap("doctor")
    Person(virtsnap.host).blockcommit(
        "web01", "vda", base=image("base"), top=overlay("web01", "vda", "s1")
    )
    found = virtsnap("doctor")

    assert warned.code == 0
    assert "0 problems, 1 warning. 2 domains looked at." in warned.out
    assert found.code == 5
    assert "! problem RecordDangling: the snapshot s1 no longer holds vda" in found.out
    assert virtsnap("doctor", "db").code == 0


def test_domains_are_chosen_like_those_of_tree(virtsnap: Command) -> None:
    virtsnap.host = host(
        domain("web01", AgentState.ABSENT, vda="a"), domain("db01", AgentState.ABSENT, vda="b")
    )

    assert "db01" not in virtsnap("doctor", "web*").out
    assert "web01" not in virtsnap("doctor", "--exclude", "web*").out
    unknown = virtsnap("doctor", "web02")
    assert unknown.code == 1
    assert unknown.err == (
        "cannot examine web02: there is no such domain (did you mean 'web01'?)\n"
        "hint: virtsnap doctor web01\n"
    )


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_documents_fit_their_schema(virtsnap: Command, output: str) -> None:
    virtsnap.host = host(domain("web01", AgentState.ABSENT, vda="base"))
    result = virtsnap("doctor", "-o", output)

    if output == "json":
        document = json.loads(result.out)
        jsonschema.validate(document, document_schema("doctor"))
        assert document["warnings"] == 1
        assert document["findings"][0]["code"] == "AgentAbsent"
    else:
        assert "code: AgentAbsent" in result.out


def test_what_manifests_ask_for_counts(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", AgentState.ABSENT, vda="base"))
    declare(manifest("web01", "s1").replace("{name: s1}", "{name: s1, quiesce: required}"))
    result = virtsnap("doctor")

    assert result.code == 5
    assert "and s1 says `quiesce: required`" in result.out


def test_manifests_that_lie_there_broken_do_not_prevent_it(
    virtsnap: Command, declare: Declare
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare("nonsense: true\n")
    result = virtsnap("doctor")

    assert result.code == 0
    assert result.err.startswith("manifests are not used: ")
    assert virtsnap("doctor", "-f", "manifests").code != 0


def test_a_state_folder_that_cannot_be_made_is_a_problem(
    virtsnap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIRTSNAP_STATE_DIR", str(tmp_path / "file" / "state"))
    virtsnap.host = host(domain("web01", vda="base"))
    result = virtsnap("doctor")

    assert result.code == 5
    assert "problem StateNotWritable" in result.out


def test_nothing_is_made_or_changed(virtsnap: Command, tmp_path: Path) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    virtsnap("doctor")

    assert virtsnap.host.world.changes == []
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "run").exists()
