"""The bench still measures; how fast is no test's business."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.qemu


def test_a_tiny_bench_measures_both_ratios() -> None:
    command = (sys.executable, "-m", "tests.bench", "--domains", "3", "--running", "1")
    done = subprocess.run(
        [*command, "--snapshots", "2", "--runs", "1"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "Removing 2 neighbouring snapshots",
        "of the bytes",
        "Observing and planning 3 shut-off and 1 running",
        "against virsh",
        "against libvirt-python",
        "A controller over these 4 domains",
        "% of a core, 1m interval",
        "seconds after a push",
    ):
        assert line in done.stdout
