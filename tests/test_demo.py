"""The demo keeps its promises: it shows the main job, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.qemu

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "tests.demo")


def folder_of(output: str) -> Path:
    """The folder that the demo said it works in."""
    found = re.search(r"lies in (/tmp/lv\w+)", output)
    assert found, output
    return Path(found[1])


def processes_of(folder: Path) -> list[str]:
    """Command lines that name *folder*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:  # ended while we looked
            continue
        if os.fsencode(folder) in words:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_the_demo_shows_the_main_job_and_leaves_nothing_behind() -> None:
    began = time.monotonic()
    done = subprocess.run(
        COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "$ git commit -q -m 'Snapshot web01 before its upgrade'",
        "+ create  before-upgrade",
        "└─ * after-upgrade",
        "- commit  before-upgrade, after-upgrade",
        "the guest was never stopped: the same QEMU process",
        "the guest reads back all it wrote",
        "~ revert  before-change",
        "the guest goes on where it was",
        "s after the commit",
        "is missing, torn or out of order",
        "All of it held",
    ):
        assert line in done.stdout
    assert done.stdout.rindex("No changes") > done.stdout.rindex("$ virtsnap plan")
    assert time.monotonic() - began < 180
    folder = folder_of(done.stdout)
    assert not folder.exists()
    assert processes_of(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(number: signal.Signals) -> None:
    with subprocess.Popen(
        COMMAND, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        seen = ""
        for line in demo.stdout:
            seen += line
            if line.startswith("$ virtsnap apply"):
                break
        demo.send_signal(number)
        seen += demo.stdout.read()
        said = demo.stderr.read()

    assert demo.returncode == 130, seen + said
    assert "Traceback" not in seen + said
    folder = folder_of(seen)
    assert not folder.exists()
    assert processes_of(folder) == []
