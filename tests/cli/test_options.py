"""Where options come from: before or after the verb, environment, config files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.options import COMMON, Output, resolve
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host

Declare = Callable[[str], Path]


@pytest.mark.parametrize("arguments", [("-o", "json", "tree"), ("tree", "-o", "json")])
def test_an_option_is_accepted_before_and_after_the_verb(
    virtsnap: Command, arguments: tuple[str, ...]
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))

    assert json.loads(virtsnap(*arguments).out)["domains"][0]["domain"] == "web01"


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "test:///a", "tree"),
        ("tree", "-c", "test:///a"),
        ("--connect=test:///a", "tree"),
        ("-c", "test:///b", "tree", "-c", "test:///a"),
    ],
)
def test_the_connection_is_the_one_named_last(
    virtsnap: Command, arguments: tuple[str, ...]
) -> None:
    assert virtsnap(*arguments).code == 0
    assert virtsnap.opened == [("local", "test:///a", True)]


def test_lists_add_up_and_flags_count() -> None:
    options = resolve(
        {"target": ["a"], "verbose": 1, "quiet": False},
        {"target": ["b"], "verbose": 1, "quiet": True},
        {},
        {},
    )

    assert options.selection.targets == ("a", "b")
    assert options.verbosity == 2
    assert options.is_quiet


def test_the_command_line_wins_over_the_environment_over_the_files() -> None:
    environment = {"VIRTSNAP_OUTPUT": "yaml", "VIRTSNAP_TARGET": "a b"}
    settings = {"output": "json", "target": ["c"], "host": "kvm01"}

    assert resolve({}, {"output": "text"}, settings, environment).output is Output.TEXT
    from_environment = resolve({}, {}, settings, environment)
    assert from_environment.output is Output.YAML
    assert from_environment.selection.targets == ("a", "b")
    from_files = resolve({}, {}, settings, {})
    assert (from_files.output, from_files.host) == (Output.JSON, "kvm01")
    assert from_files.selection.targets == ("c",)


def test_the_default_connection() -> None:
    default = resolve({}, {}, {}, {})
    of_libvirt = resolve({}, {}, {"connect": "b"}, {"LIBVIRT_DEFAULT_URI": "a"})
    of_files = resolve({}, {}, {"connect": "b"}, {})

    assert (default.uri, of_libvirt.uri, of_files.uri) == ("qemu:///system", "a", "b")
    assert of_files.connect is None


def test_every_common_option_has_a_variable_but_version() -> None:
    assert {option.name for option in COMMON if not option.environment} == {"version"}


def test_a_config_file_sets_options_of_verbs_too(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    for folder, text in (
        ("etc", "detailed-exitcode: true\noutput: yaml\n"),
        (".config/virtsnap", "output: json\n"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "virtsnap.yaml").write_text(text)
    result = virtsnap("plan")

    assert result.code == 2
    assert json.loads(result.out)["summary"]["create"] == 1


def test_the_environment_sets_options_of_verbs_too(
    virtsnap: Command, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    monkeypatch.setenv("VIRTSNAP_DETAILED_EXITCODE", "1")

    assert virtsnap("plan").code == 2


@pytest.mark.parametrize(
    ("name", "value"), [("VIRTSNAP_QUIET", "maybe"), ("VIRTSNAP_VERBOSE", "much")]
)
def test_a_bad_variable_is_bad_usage(
    virtsnap: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert virtsnap("tree").code == 64
    assert name in virtsnap("tree").err


def test_a_version_in_the_environment_changes_nothing(
    virtsnap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTSNAP_VERSION", "0.2")

    assert virtsnap("tree").out == "no domains\n"


@pytest.mark.parametrize(
    "arguments", [("--timeout", "soon"), ("--timeout", "0s"), ("--lock-timeout", "-1s")]
)
def test_a_time_that_is_none_is_bad_usage(virtsnap: Command, arguments: tuple[str, ...]) -> None:
    result = virtsnap("tree", *arguments)

    assert result.code == 64
    assert f"cannot use {arguments[0]} {arguments[1]}: " in result.err
    assert not virtsnap.opened


def test_times_come_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve({}, {}, {}).timeout == 60
    found = resolve({}, {"timeout": "5m"}, {"timeout": "9s", "lock_timeout": "2h"})
    assert (found.timeout, found.lock_timeout) == (300, 7200)
    assert resolve({}, {"lock_timeout": "0s"}, {"lock_timeout": "2h"}).lock_timeout == 0
    monkeypatch.setenv("VIRTSNAP_LOCK_TIMEOUT", "90s")
    assert resolve({}, {}, {"lock_timeout": "2h"}).lock_timeout == 90
