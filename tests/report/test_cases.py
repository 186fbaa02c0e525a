"""``tests/cases/<name>/``: a manifest and a recorded host give this plan, word for word.

``desired.yaml``, ``observed.json``, ``plan.txt``; ``arguments`` (one a line) are added where there
are some.  ``VIRTSNAP_UPDATE_CASES=1`` writes ``plan.txt`` anew; read the difference before you
keep it.
"""

import os
from pathlib import Path

import pytest

from reconciler.cli.main import main

CASES = Path(__file__).parent.parent / "cases"


@pytest.mark.parametrize("case", sorted(CASES.glob("*/")), ids=lambda case: case.name)
def test_case(
    case: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(case)
    monkeypatch.setenv("HOME", str(case))
    extra = case / "arguments"
    arguments = extra.read_text().split() if extra.exists() else []

    assert main(["plan", "-f", "desired.yaml", "--observed", "observed.json", *arguments]) == 0
    planned = capsys.readouterr().out
    if os.environ.get("VIRTSNAP_UPDATE_CASES"):
        (case / "plan.txt").write_text(planned)
    assert planned == (case / "plan.txt").read_text()


def test_there_are_cases() -> None:
    assert list(CASES.glob("*/plan.txt"))
