"""Errors: one line and a hint, on stderr, with the right code and without a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli import wiring
from reconciler.errors import HypervisorError, LockedError
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host

Declare = Callable[[str], Path]


def test_an_unknown_verb_is_bad_usage_with_a_near_miss(virtsnap: Command) -> None:
    result = virtsnap("pln")

    assert result.code == 64
    assert result.out == ""
    assert result.err == (
        "cannot understand the command line: no such command 'pln'. Did you mean 'plan'?\n"
        "hint: virtsnap --help\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--nonsense"),
        ("plan", "extra"),
        ("-c",),
        ("tree", "-o", "pdf"),
        ("apply", "-o", "json"),
        ("schema", "nonsense"),
        (),
    ],
)
def test_bad_usage_is_64(virtsnap: Command, arguments: tuple[str, ...]) -> None:
    result = virtsnap(*arguments)

    assert result.code == 64
    assert result.out == ""
    assert result.err
    assert not virtsnap.opened


def test_no_manifests_here_is_one_line_and_a_hint(virtsnap: Command) -> None:
    for verb in ("validate", "plan", "apply"):
        result = virtsnap(verb)

        assert result.code == 1
        assert result.err.startswith("cannot read manifests: there is no folder manifests/ here\n")
        assert result.err.count("\n") == 2
        assert "\nhint: " in result.err
    assert not virtsnap.opened


def test_a_bad_manifest_is_told_and_nothing_is_contacted(
    virtsnap: Command, declare: Declare
) -> None:
    declare("apiVersion: virtsnap/v1\nkind: DomainSnapshot\nmetadata: {name: a}\nspec: {}\n")
    result = virtsnap("plan")

    assert result.code == 1
    assert result.err.startswith("manifests/web01.yaml:2:")
    assert not virtsnap.opened


def test_errors_are_json_when_asked_for(virtsnap: Command) -> None:
    for arguments in (("plan", "-o", "json"), ("-ojson", "plan")):
        error = json.loads(virtsnap(*arguments).err)["error"]

        assert error["exitCode"] == 1
        assert error["message"].startswith("cannot read manifests")
    assert json.loads(virtsnap("pln", "-o", "json").err)["error"]["exitCode"] == 64


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HypervisorError("cannot connect to x: no", hint="look"), 1),
        (LockedError("cannot change web01: it is locked"), 3),
        (RuntimeError("boom\nbang"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_whatever_happens_is_said_without_a_traceback(
    virtsnap: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(wiring, "open_hypervisor", fail)
    result = virtsnap("tree")

    assert result.code == code
    assert "Traceback" not in result.err
    if isinstance(error, RuntimeError):
        assert result.err.startswith("cannot go on: internal error (RuntimeError: boom bang)\n")
        assert "Traceback" in virtsnap("-vv", "tree").err
        assert "Traceback" in virtsnap("tree", "-v", "-v").err


def test_connect_beside_several_hosts_is_bad_usage(virtsnap: Command, declare: Declare) -> None:
    hosts = "---\n".join(
        f"apiVersion: virtsnap/v1\nkind: Host\nmetadata: {{name: {name}}}\n"
        f"spec: {{uri: 'test:///{name}'}}\n"
        for name in ("a", "b")
    )
    declare(hosts)
    result = virtsnap("plan", "-c", "test:///x")

    assert result.code == 64
    assert "hint: choose one: --host a" in result.err
    assert virtsnap("plan", "-c", "test:///x", "--host", "b").code == 0
    assert virtsnap.opened == [("b", "test:///x", True)]
    assert virtsnap("plan", "--host", "c").code == 64
    virtsnap.opened.clear()
    assert virtsnap("plan").code == 0
    assert [(name, uri) for name, uri, _ in virtsnap.opened] == [
        ("a", "test:///a"),
        ("b", "test:///b"),
    ]


def test_a_domain_that_does_not_exist_is_refused_by_plan_and_an_error_of_tree(
    virtsnap: Command, declare: Declare
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    declare(manifest("wbe01", "s1"))
    planned, drawn = virtsnap("plan", "--detailed-exitcode"), virtsnap("tree", "wbe01")

    assert planned.code == 5
    assert "DomainMissing" in planned.out
    assert drawn.code == 1
    assert "did you mean 'web01'?" in drawn.err
