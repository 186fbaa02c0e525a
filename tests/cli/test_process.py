"""The command as a process: pipes, colours, start-up."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from reconciler.report.document import as_json
from reconciler.report.observation import observation_document
from tests.cli.conftest import manifest
from tests.drawing import domain, host

Declare = Callable[[str], Path]
COMMAND = (sys.executable, "-m", "reconciler.cli")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def recorded(tmp_path: Path, declare: Declare) -> str:
    declare(manifest("web01", "s2"))
    file = tmp_path / "host.json"
    file.write_text(as_json(observation_document([host(domain("web01", vda="b ← s1")).observe()])))
    return str(file)


def test_piped_output_has_no_colour_and_no_wrapping(tmp_path: Path, declare: Declare) -> None:
    file = recorded(tmp_path, declare)
    result = run("plan", "--observed", file, COLUMNS="20")

    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert "  + create  s2  vda, crash consistent " in result.stdout


def test_a_terminal_has_colours_unless_told_otherwise(tmp_path: Path, declare: Declare) -> None:
    file = recorded(tmp_path, declare)

    def on_terminal(*arguments: str, **environment: str) -> bytes:
        ours, theirs = pty.openpty()
        subprocess.run(
            [*COMMAND, "plan", "--observed", file, *arguments],
            stdout=theirs,
            env={**os.environ, "TERM": "xterm", **environment},
            check=True,
        )
        os.close(theirs)
        text = os.read(ours, 65536)
        os.close(ours)
        return text

    assert b"\x1b[32m" in on_terminal()
    assert b"\x1b" not in on_terminal("--no-color")
    assert b"\x1b" not in on_terminal(NO_COLOR="1")


def test_a_locale_without_arrows_is_no_error(tmp_path: Path, declare: Declare) -> None:
    result = run("schema", "plan", PYTHONIOENCODING="ascii")

    assert result.returncode == 0, result.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    process = subprocess.Popen(
        [*COMMAND, "schema", "plan"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()

    assert process.wait() == 1
    assert said == b""


def test_libvirt_is_not_loaded_without_need(tmp_path: Path, declare: Declare) -> None:
    file = recorded(tmp_path, declare)
    script = (
        "import sys\n"
        "from reconciler.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "sys.exit(code or 100 * ('libvirt' in sys.modules))\n"
    )
    for arguments in (("validate",), ("plan", "--observed", file), ("plan", "--help"), ("schema",)):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr)
