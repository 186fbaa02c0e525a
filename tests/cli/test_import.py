"""``virtsnap import``: what is there as manifests."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from reconciler.model.names import SnapshotName
from tests.cli.conftest import Command
from tests.drawing import domain, host, shut_off, unmanaged
from tests.fakes.controller import Controller
from tests.fakes.person import Person

Declare = Callable[..., Path]
HEAD = "# yaml-language-server: $schema=../schemas/domainsnapshots.v1.schema.json\n"


def documents(text: str) -> dict[str, list[str]]:
    """The declared snapshots of each domain."""
    return {
        document["metadata"]["name"]: [s["name"] for s in document["spec"]["snapshots"]]
        for document in yaml.safe_load_all(text)
    }


@pytest.fixture
def stocked(virtsnap: Command) -> Command:
    """A host with three domains."""
    virtsnap.host = host(
        domain("web01", unmanaged("u1"), vda="base ← s1 ← s2 ← u1", vdb="data ← s1"),
        domain("web02", shut_off, vda="other ← s1"),
        domain("bare", vda="plain"),
    )
    return virtsnap


def test_what_it_prints_plans_to_nothing(stocked: Command, tmp_path: Path) -> None:
    result = stocked("import", "--all")
    file = tmp_path / "all.yaml"
    file.write_text(result.out)
    plan = stocked("plan", "-f", str(file), "--detailed-exitcode")

    assert result.code == 0
    assert result.out.startswith(HEAD)
    assert result.out.count(f"\n---\n{HEAD}") == 2
    assert "    # unmanaged: u1 (" in result.out
    assert documents(result.out) == {"bare": [], "web01": ["s1", "s2"], "web02": ["s1"]}
    assert plan.code == 0, plan.out
    assert not stocked.host.world.changes


def test_it_reads_only(stocked: Command) -> None:
    stocked("import", "--all")

    assert stocked.opened == [("local", "qemu:///system", True)]


@pytest.mark.parametrize("wanted", [("web02", "bare"), ("bare", "web0[2]"), ("BARE_UUID", "web02")])
def test_domains_are_named_as_in_tree(stocked: Command, wanted: tuple[str, ...]) -> None:
    uuid = next(d.uuid for d in stocked.host.observe().domains if d.name == "bare")
    words = (uuid if word == "BARE_UUID" else word for word in wanted)

    assert documents(stocked("import", *words).out) == {"bare": [], "web02": ["s1"]}


def test_an_unknown_domain_is_an_error_with_what_was_meant(stocked: Command) -> None:
    result = stocked("import", "web01", "wbe02")

    assert (result.code, result.out) == (1, "")
    assert "cannot import wbe02: there is no such domain (did you mean 'web02'?)" in result.err
    assert "hint: virtsnap import web02" in result.err


@pytest.mark.parametrize("words", [(), ("web01", "--all")])
def test_either_domains_or_all(stocked: Command, words: tuple[str, ...]) -> None:
    result = stocked("import", *words)

    assert (result.code, result.out) == (64, "")
    assert "cannot import: name domains, or say --all" in result.err
    assert not stocked.opened


def test_a_file_for_each_domain(stocked: Command, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "manifests"
    result = stocked("import", "--all", "--out", str(folder))

    assert result.code == 0
    assert result.out == "".join(f"wrote {folder}/{n}.yaml\n" for n in ("bare", "web01", "web02"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "bare.yaml",
        "web01.yaml",
        "web02.yaml",
    ]
    assert (folder / "web01.yaml").read_text() == stocked("import", "web01").out
    assert stocked("plan", "-f", str(folder), "--detailed-exitcode").code == 0


def test_no_file_is_written_over(stocked: Command, tmp_path: Path) -> None:
    (tmp_path / "web02.yaml").write_text("mine")
    (tmp_path / "web01.yaml").symlink_to("nowhere")
    result = stocked("import", "--all", "--out", str(tmp_path))

    assert (result.code, result.out) == (1, "")
    assert f"cannot write {tmp_path}/web01.yaml, {tmp_path}/web02.yaml: they exist" in result.err
    assert (tmp_path / "web02.yaml").read_text() == "mine"
    assert not (tmp_path / "bare.yaml").exists()


def test_a_folder_that_cannot_be_made_is_said(stocked: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = stocked("import", "--all", "--out", str(tmp_path / "file" / "below"))

    assert result.code == 1
    assert f"cannot write {tmp_path}/file" in result.err
    assert "not a directory" in result.err


def test_awkward_names_get_files_that_a_source_reads(virtsnap: Command, tmp_path: Path) -> None:
    virtsnap.host = host(
        domain("values", vda="a ← s1"), domain(".dot", vda="b ← s1"), domain("ä b", vda="c ← s1")
    )
    result = virtsnap("import", "--all", "--out", str(tmp_path / "out"))

    assert result.code == 0, result.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "__b-83ec61e9.yaml",
        "domain-.dot.yaml",
        "domain-values.yaml",
    ]
    plan = virtsnap("plan", "-f", str(tmp_path / "out"), "-o", "json")
    assert {(d["domain"], len(d["steps"])) for d in json.loads(plan.out)["domains"]} == {
        ("values", 0),
        (".dot", 0),
        ("ä b", 0),
    }


def test_two_domains_whose_names_look_alike_get_a_file_each(
    virtsnap: Command, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("a b", vda="a"), domain("a_b", vda="b"))
    result = virtsnap("import", "--all", "--out", str(tmp_path / "out"))

    assert result.code == 0, result.err
    files = sorted((tmp_path / "out").iterdir())
    names = {yaml.safe_load(file.read_text())["metadata"]["name"] for file in files}
    assert (len(files), names) == (2, {"a b", "a_b"})


def test_the_host_is_said_where_it_was_named(stocked: Command, declare: Declare) -> None:
    for name in ("kvm01", "kvm02"):
        declare(
            f"apiVersion: virtsnap/v1\nkind: Host\nmetadata: {{name: {name}}}\n"
            f"spec: {{uri: 'qemu+ssh://{name}/system'}}\n",
            f"{name}.yaml",
        )
    result = stocked("import", "web02", "--host", "kvm02")

    assert yaml.safe_load(result.out)["spec"]["host"] == "kvm02"
    (Path("manifests") / "web02.yaml").write_text(result.out)
    assert stocked("plan", "--host", "kvm02", "--detailed-exitcode").code == 0
    both = list(yaml.safe_load_all(stocked("import", "web02").out))
    assert [document["spec"]["host"] for document in both] == ["kvm01", "kvm02"]


def test_a_snapshot_that_no_longer_holds_its_moment_is_not_declared(virtsnap: Command) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1 ← s2"))
    del virtsnap.host.world.storage.files[
        next(i.path for i in virtsnap.host.observe().images if i.path.endswith("s1.qcow2"))
    ]
    result = virtsnap("import", "web01")

    assert documents(result.out) == {"web01": ["s1"]}
    assert "# not intact: s2 (" in result.out
    assert "s1.qcow2 is missing\n" in result.out


def test_a_host_without_domains_imports_to_nothing(virtsnap: Command) -> None:
    result = virtsnap("import", "--all")

    assert (result.code, result.out, result.err) == (0, "", "no domains\n")


def test_with_adopt_the_next_apply_makes_it_managed_and_then_nothing_is_to_do(
    virtsnap: Command, tmp_path: Path
) -> None:
    virtsnap.host = host(
        domain("web01", unmanaged("u1", "u2"), vda="base ← u1 ← s1 ← u2", vdb="data ← u1"),
        domain("web02", shut_off, unmanaged("u1", "-odd"), vda="other ← u1 ← -odd"),
        domain("bare", vda="plain"),
    )
    Person(virtsnap.host).snapshot_internal("web02", "i1")
    Person(virtsnap.host).snapshot_create("web02", "half")
    virtsnap.host.domain("web02").record(SnapshotName("half")).is_delete_unfinished = True
    virtsnap.host.world.changes.clear()
    folder = tmp_path / "manifests"
    views = virtsnap.host.views()

    printed = virtsnap("import", "--all", "--adopt")
    result = virtsnap("import", "--all", "--adopt", "--out", str(folder))

    assert (printed.code, result.code) == (0, 0)
    assert printed.err == "virtsnap apply adopts 4 snapshots\n"
    assert documents(printed.out) == {
        "bare": [],
        "web01": ["u1", "s1", "u2"],
        "web02": ["u1", "i1"],
    }
    assert all(each["spec"]["unmanaged"] == "adopt" for each in yaml.safe_load_all(printed.out))
    assert "- name: i1\n      type: internal\n" in printed.out
    assert "# unmanaged: half (" in printed.out
    assert "): cannot adopt half: a delete " in printed.out
    assert "# unmanaged: -odd (" in printed.out
    assert "): its name starts with '-'\n" in printed.out
    assert not virtsnap.host.world.changes
    assert virtsnap("apply", "-f", str(folder), "--auto-approve").code == 0
    assert virtsnap("plan", "-f", str(folder), "--detailed-exitcode").code == 0
    assert virtsnap.host.views() == views
    again = virtsnap("import", "--all", "--adopt")
    assert again.err == "virtsnap apply adopts 0 snapshots\n"
    assert documents(again.out) == documents(printed.out)


def test_a_hold_is_declared(virtsnap: Command) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1 ← s2"))
    Controller(virtsnap.host).hold("web01", "s1")

    (document,) = yaml.safe_load_all(virtsnap("import", "web01").out)

    assert document["spec"]["snapshots"] == [{"name": "s1", "protect": True}, {"name": "s2"}]
