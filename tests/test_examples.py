"""The examples: each README shows one command, and its output word for word.

``VIRTSNAP_UPDATE_CASES=1`` writes the outputs anew; read the difference before you keep it.
"""

import os
import re
import shlex
from pathlib import Path

import pytest

from reconciler.cli.main import main
from tests import example_hosts

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*/"))
_SHOWN = re.compile(r"```sh\n(?P<command>[^\n]+)\n```\n\n```text\n(?P<output>.*?)```\n", re.DOTALL)
_SCHEMA = re.compile(r"^# yaml-language-server: \$schema=(?P<path>\S+)\n")

pytestmark = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


def test_the_command_of_the_page_prints_what_the_page_says(
    example: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(example))
    page = example / "README.md"
    shown = _SHOWN.findall(page.read_text(encoding="utf-8"))
    assert len(shown) == 1, "one command, and its output"
    command, output = shown[0]
    program, *arguments = shlex.split(command)
    assert program == "virtsnap"

    assert main(arguments) == 0
    printed = capsys.readouterr().out
    if os.environ.get("VIRTSNAP_UPDATE_CASES"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(f"```text\n{output}```", f"```text\n{printed}```"))
        output = printed

    assert printed == output


def test_its_manifest_is_valid(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-f", str(example / "manifest.yaml")]) == 0


def test_its_manifest_begins_with_a_schema_that_is_there(example: Path) -> None:
    found = _SCHEMA.match((example / "manifest.yaml").read_text(encoding="utf-8"))

    assert found is not None
    assert (example / found["path"]).resolve().is_relative_to(ROOT / "schemas")
    assert (example / found["path"]).is_file()


def test_its_host_is_as_it_is_drawn(example: Path) -> None:
    drawn = example_hosts.MADE[example.name]()

    assert (example / "observed.json").read_text(encoding="utf-8") == example_hosts.recording(drawn)
