"""What the verbs print, with a fake host behind them."""

import json
import sys
import threading
from collections.abc import Callable
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import jsonschema
import pytest

from reconciler.cli import wiring
from reconciler.cli.schema import document_schema
from reconciler.errors import HypervisorError
from reconciler.source import stillness
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host, shut_off, unmanaged

Declare = Callable[..., Path]


def test_validate_says_what_is_there(virtsnap: Command, declare: Declare) -> None:
    declare(manifest("web01", "s1", "s2"))

    assert virtsnap("validate").out == "Valid: 1 host, 1 domain, 2 snapshots.\n"
    assert json.loads(virtsnap("validate", "-o", "json").out)["snapshots"] == 2
    assert not virtsnap.opened


def test_plan_reads_only(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1 ← s2"))
    declare(manifest("web01", "s3", prune="auto"))
    result = virtsnap("plan")

    assert result.code == 0
    assert "+ create  s3" in result.out
    assert "not in the manifest (prune: auto)" in result.out
    assert result.out.splitlines()[-1].startswith("Plan: 1 to create, 2 to remove, 0 refused.")
    assert virtsnap.opened == [("local", "qemu:///system", True)]


def test_a_plan_document_fits_its_schema(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(
        domain("web01", unmanaged("u1"), vda="base ← s1 ← s2 ← u1"), domain("db", vda="d ← a")
    )
    declare(manifest("web01", "u1", "s3", prune="auto"))
    document = json.loads(virtsnap("plan", "-o", "json").out)

    jsonschema.validate(document, document_schema("plan"))
    assert document["source"].endswith("/manifests")


def test_detailed_exit_codes(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← u1"))

    for snapshots, code in ((("s1",), 0), (("s1", "s2"), 2), (("s1", "u1"), 5)):
        declare(manifest("web01", *snapshots))
        assert virtsnap("plan", "--detailed-exitcode").code == code
        assert virtsnap("plan").code == 0


def test_a_recording_is_planned_against_without_any_libvirt(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    declare(manifest("web01", "s2"))
    recording = tmp_path / "host.json"
    recording.write_text(virtsnap("observe", "-o", "json").out)
    live = virtsnap("plan").out
    virtsnap.opened.clear()

    assert virtsnap("plan", "--observed", str(recording)).out == live
    assert not virtsnap.opened


def test_a_recording_of_another_host_is_said(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        declare(
            f"apiVersion: virtsnap/v1\nkind: Host\nmetadata: {{name: {name}}}\nspec: {{}}\n",
            f"{name}.yaml",
        )
    virtsnap.host = host(domain("web01", vda="base"))
    recording = tmp_path / "host.json"
    recording.write_text(virtsnap("observe", "-c", "test:///x", "-o", "json").out)
    result = virtsnap("plan", "--observed", str(recording))

    assert result.code == 1
    assert "has no recording of it" in result.err


def test_manifests_come_from_stdin(virtsnap: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    text = manifest("web01", "s1").encode()
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text)))

    assert "+ create  s1" in virtsnap("-f", "-", "plan").out


def test_a_target_narrows_the_plan(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base"), domain("db", vda="data"))
    declare(manifest("web01", "s1"))
    declare(manifest("db", "s1"), "db.yaml")
    result = virtsnap("plan", "--target", "web*")

    assert "web01 on local" in result.out
    assert "db on local" not in result.out


def test_tree_needs_no_manifest_and_takes_globs(virtsnap: Command) -> None:
    virtsnap.host = host(
        domain("web01", vda="base ← s1"), domain("web02", vda="b2"), domain("db", vda="data")
    )

    assert virtsnap("tree").out.count(" on local: ") == 3
    assert virtsnap("tree", "web*").out.count(" on local: ") == 2
    result = virtsnap("tree", "web01", "-o", "json")
    document = json.loads(result.out)
    jsonschema.validate(document, document_schema("tree"))
    assert [tree["domain"] for tree in document["domains"]] == ["web01"]
    assert virtsnap("tree", "web*", "nix").code == 1


def test_looking_is_not_prevented_by_a_bad_manifest(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare("kind: Nonsense\n")
    result = virtsnap("tree")

    assert result.code == 0
    assert "web01 on local" in result.out
    assert result.err.startswith("manifests are not used: manifests/web01.yaml:1:")
    assert virtsnap("tree", "-f", "manifests").code == 1


def test_status_is_one_line_a_domain(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(
        domain("web01", vda="base ← s1"), domain("db", shut_off, vda="data"), domain("x", vda="y")
    )

    assert virtsnap("status").out.count("\n") == 3
    declare(manifest("web01", "s1"))
    declare(manifest("db", "s1"), "db.yaml")
    declare(manifest("gone", "s1"), "gone.yaml")
    lines = virtsnap("status").out.splitlines()
    assert [line.split(" on local")[0] for line in lines] == ["db", "web01", "x", "gone"]
    assert "drifted" in lines[0]
    assert "in sync" in lines[1]
    assert "unmanaged" in lines[2]
    assert "missing" in lines[3]
    document = json.loads(virtsnap("status", "-o", "json").out)
    jsonschema.validate(document, document_schema("status"))


def test_observe_is_a_drawing_or_a_document(virtsnap: Command) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))

    assert "/images/base.qcow2" in virtsnap("observe").out
    document = json.loads(virtsnap("observe", "-o", "json").out)
    jsonschema.validate(document, document_schema("observation"))
    assert virtsnap("observe", "-o", "yaml").out.startswith("formatVersion: '1.0'\n")


def test_schema_lists_kinds_and_prints_one(virtsnap: Command) -> None:
    names = virtsnap("schema").out.split()

    assert {"Host", "DomainSnapshots", "plan", "observation"} <= set(names)
    for name in names:
        jsonschema.Draft202012Validator.check_schema(json.loads(virtsnap("schema", name).out))
    assert not virtsnap.opened


def test_version_says_what_can_be_said(virtsnap: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "versions", lambda uri, patience: (11_003_000, 10_000_002))
    for arguments in (("--version",), ("plan", "--version")):
        result = virtsnap(*arguments)
        assert result.code == 0
        assert result.out.startswith("virtsnap 0.")
        assert result.out.endswith("libvirt 11.3.0\nqemu 10.0.2\n")

    def fail(uri: str, *, patience: float) -> tuple[int, int]:
        raise HypervisorError(f"cannot connect to {uri}: no such file")

    monkeypatch.setattr(wiring, "versions", fail)
    result = virtsnap("--version", "-c", "qemu:///session")
    assert result.code == 0
    assert "libvirt of qemu:///session: not reachable (cannot connect" in result.out


class Terminal(StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_apply_without_a_terminal_does_nothing(
    virtsnap: Command, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    monkeypatch.setattr(sys, "stdin", StringIO("yes\n"))
    result = virtsnap("apply")

    assert result.code == 1
    assert "+ create  s1" in result.out
    assert "hint: virtsnap apply --auto-approve" in result.err
    assert not virtsnap.host.world.changes


@pytest.mark.parametrize("answer", ["no\n", "y\n", "YES\n", ""])
def test_only_yes_is_yes(
    virtsnap: Command, declare: Declare, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    result = virtsnap("apply")

    assert result.code == 1
    assert "Only 'yes' will be accepted" in result.err
    assert "Nothing was done." in result.err
    assert not virtsnap.host.world.changes


def test_apply_does_what_was_agreed_and_a_second_one_nothing(
    virtsnap: Command, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1 ← s2"))
    declare(manifest("web01", "s3", prune="auto"))
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    result = virtsnap("apply")

    assert result.code == 0, result
    assert "web01: create s3: done\n" in result.out
    assert "web01: commit s1, s2 on vda: done\n" in result.out
    assert virtsnap.opened == [("local", "qemu:///system", False)]
    again = virtsnap("apply")
    assert again.code == 0
    assert again.out.endswith("No changes. 1 domain is in sync.\n")


@pytest.mark.parametrize("half", ["", manifest("web01", prune="auto")])
def test_apply_takes_nothing_away_for_a_manifest_that_is_being_written(
    virtsnap: Command, declare: Declare, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    monkeypatch.setattr(stillness, "STILL", 0.6)
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    whole = manifest("web01", "s1", prune="auto")
    path = declare(whole)
    path.write_text(half)
    writer = threading.Timer(0.3, path.write_text, [whole])
    writer.start()
    try:
        result = virtsnap("apply", "--auto-approve")
    finally:
        writer.join()

    assert result.code == 0, result
    assert virtsnap.host.observe().domains[0].record("s1") is not None


def test_apply_takes_away_what_stands_still(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    declare(manifest("web01", prune="auto"))

    assert virtsnap("apply", "--auto-approve").code == 0
    assert virtsnap.host.observe().domains[0].record("s1") is None


@pytest.mark.parametrize("name", ["web01.YAML", "web01.json", "web01"])
def test_a_manifest_by_another_name_takes_nothing_away(
    virtsnap: Command, declare: Declare, name: str
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"), domain("web02", vda="other"))
    declare(manifest("web01", prune="auto"), name)
    declare(manifest("web02"), "web02.yaml")
    declare(
        "{apiVersion: virtsnap/v1, kind: Host, metadata: {name: local}, spec: {pruneGone: auto}}",
        "host.yaml",
    )

    for verb in (("plan",), ("apply", "--auto-approve"), ("run", "--once")):
        result = virtsnap(*verb)
        assert result.code == 1
        assert f"cannot read manifests/{name}: " in result.err
    assert virtsnap.host.observe().domains[0].record("s1") is not None


def test_apply_says_its_outcome_as_a_document(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", unmanaged("u1"), vda="base ← u1"))
    declare(manifest("web01", "s1", "u1"))
    for code, status in ((5, "refused"), (5, None)):
        result = virtsnap("apply", "--auto-approve", "-o", "json")
        document = json.loads(result.out)
        jsonschema.validate(document, document_schema("outcome"))
        assert (result.code, document["exitCode"]) == (code, code)
        statuses = [part["status"] for part in document["domains"]]
        assert statuses == ([status] if status else [])
