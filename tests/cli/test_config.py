"""``config show``: what is in force, and from where."""

import json
from pathlib import Path

import jsonschema
import pytest

from reconciler.cli.schema import document_schema
from reconciler.model.setting import Origin, SettingInForce
from reconciler.report.config import shown
from tests.cli.conftest import Command


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "virtsnap.yaml").write_text(
        "source:\n  url: https://u:hunter2@git.example/a\n  branch: main\ninterval: 10m\n"
        "host: kvm01\ntarget: [a, b]\n"
    )
    monkeypatch.setenv("VIRTSNAP_INTERVAL", "5m")
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+tls://u:hunter2@h/system")
    return tmp_path / "etc" / "virtsnap.yaml"


def test_each_option_is_shown_with_where_it_comes_from(virtsnap: Command, files: Path) -> None:
    result = virtsnap("--host", "kvm02", "config", "show", "-o", "json")
    document = json.loads(result.out)
    found = {s["key"]: (s["value"], s["origin"], s["place"]) for s in document["settings"]}

    assert result.code == 0, result.err
    jsonschema.validate(document, document_schema("config"))
    assert "hunter" not in result.out
    assert found["host"] == ("kvm02", "command line", None)
    assert found["interval"] == ("5m", "environment", "VIRTSNAP_INTERVAL")
    assert found["branch"] == ("main", "file", f"{files}:3:11")
    assert found["source"][0] == "https://u:***@git.example/a"
    assert found["target"] == (["a", "b"], "file", f"{files}:6:9")
    assert found["connect"][1:] == ("environment", "LIBVIRT_DEFAULT_URI")
    assert found["timeout"] == ("1m", "default", None)
    assert found["output"] == ("json", "command line", None)
    assert found["state-dir"][1:] == ("environment", "VIRTSNAP_STATE_DIR")
    assert found["source-id"] == (None, "default", None)
    assert next((f["path"], f["isThere"]) for f in document["files"]) == (str(files), True)
    assert virtsnap.opened == []


def test_the_text_has_a_line_an_option(virtsnap: Command, files: Path) -> None:
    lines = [
        " ".join(line.split())
        for line in virtsnap("config", "show", "--target", "c").out.splitlines()
    ]

    assert lines[0] == f"# {files}"
    assert lines[1].endswith(": not there")
    assert f"branch: main # file {files}:3:11" in lines
    assert "target: [c] # command line" in lines
    assert "interval: 5m # environment VIRTSNAP_INTERVAL" in lines
    assert "quiet: false # default" in lines
    assert "source-id: - # default" in lines


def test_without_a_word_it_says_which_there_are(virtsnap: Command) -> None:
    assert virtsnap("config").code == 64
    assert virtsnap("config", "hide").code == 64


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("notify", "tgram://12345:abc/678", "tgram://***"),
        ("hook_secret", "abc", "***"),
        ("hook_secret_file", "/etc/virtsnap/hook", "/etc/virtsnap/hook"),
        ("connect", "qemu+tls://u:p@h/system", "qemu+tls://u:***@h/system"),
    ],
)
def test_secrets_are_left_out(key: str, value: str, seen: str) -> None:
    assert shown(SettingInForce(key=key, value=value, origin=Origin.FILE)) == seen
    many = SettingInForce(key=key, value=(value,), origin=Origin.FILE)
    assert shown(many) == (seen,)
