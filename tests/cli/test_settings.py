"""The config files: what they may say, and how it is said when they say something else."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.main import build
from reconciler.cli.setting_keys import EXTRA_KEYS, by_name, common_keys
from reconciler.cli.settings import read_settings
from reconciler.cli.verbs import own_keys
from reconciler.errors import UsageError
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host
from tools import config_sample

KNOWN = by_name([*common_keys(), *own_keys(build()), *EXTRA_KEYS])


def read(folder: Path, *texts: str) -> dict[str, object]:
    files = [folder / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return {name: setting.value for name, setting in read_settings(files, known=KNOWN).items()}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("conect: x\n", "1:1: unknown key 'conect' (did you mean 'connect'?)"),
        ("# a\nlock-timeot: 1m\n", "2:1: unknown key 'lock-timeot' (did you mean 'lock-timeout'?)"),
        ("- a\n", "1:1: it must be a mapping"),
        ("version: true\n", "1:1: unknown key 'version'"),
        ("output: pdf\n", "1:9: output must be one of text, json, yaml"),
        ("host: [a, b]\n", "1:7: host must be a text, not a list"),
        ("target: {a: b}\n", "1:9: target must be a text, not a mapping"),
        ("target: [[a]]\n", "1:10: target must be a text, not a list"),
        ("branch:\n", "1:8: branch has no value"),
        ("quiet: 'yes'\n", "1:8: quiet must be true or false"),
        ("verbose: much\n", "1:10: verbose must be a whole number"),
        ("interval: soon\n", "1:11: interval soon: "),
        ("host: a\nhost: b\n", "2:1: 'host' is said already in 1:7"),
        ("branch: a\nsource: {branch: b}\n", "2:10: 'branch' is said already in 1:9"),
        ("source: {name: x}\n", "1:10: unknown key 'source: name'"),
        ("source: {brunch: x}\n", "(did you mean 'branch'?)"),
        ("source: [x]\n", "1:9: `source` must be an address or a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)

    assert cause in error.value.message
    assert error.value.message.startswith(f"cannot use {tmp_path}/0.yaml:")


def test_a_file_that_is_no_yaml_is_bad_usage_of_every_verb(
    virtsnap: Command, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "virtsnap.yaml").write_text("a: [\n")
    result = virtsnap("tree")

    assert result.code == 64
    assert "virtsnap.yaml:2:1: " in result.err
    assert not virtsnap.opened


def test_a_text_is_what_is_written(tmp_path: Path) -> None:
    found = read(tmp_path, "branch: 1.10\nhost: on\nconnect: 'a b'\ntarget: web*\nexclude: [01]\n")

    assert found == {
        "branch": "1.10",
        "host": "on",
        "connect": "a b",
        "target": ["web*"],
        "exclude": ["01"],
    }


def test_the_source_is_an_address_or_a_mapping_and_each_part_is_one_key(tmp_path: Path) -> None:
    address = read(tmp_path, "source: /srv/a\nsource-id: mine\n")
    mapping = read(tmp_path, "source: {url: /srv/a, id: mine}\n", "source: {branch: next}\n")

    assert address == {"source": "/srv/a", "source_id": "mine"}
    assert mapping == {**address, "branch": "next"}


@pytest.mark.parametrize("text", ["source: {id: mine}\n", "source-id: mine\n"])
def test_who_the_source_is_can_be_said(
    virtsnap: Command, declare: Callable[[str], Path], tmp_path: Path, text: str
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "virtsnap.yaml").write_text(text)

    assert '"source": "mine"' in virtsnap("plan", "-o", "json").out


def test_the_sample_has_every_key_and_each_is_valid(tmp_path: Path) -> None:
    text = re.sub(r"^# \S.*\n", "", config_sample.text(), flags=re.MULTILINE)
    found = read(tmp_path, re.sub(r"^#", "", text, flags=re.MULTILINE))

    assert set(found) == set(KNOWN)
    assert read(tmp_path, config_sample.text()) == {}


def test_an_ordinary_user_may_lack_a_home(tmp_path: Path) -> None:
    assert read_settings([tmp_path / "none", Path("/dev/null/none")], known=KNOWN) == {}
