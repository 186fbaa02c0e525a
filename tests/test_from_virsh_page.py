"""docs/from-virsh.md promises nothing of a command typed by hand that no test has seen."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "from-virsh.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"<!-- (tests/\S+\.py)::(test_\w+) -->")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "by hand" in line.lower()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_each_row_that_says_what_comes_of_it_by_hand_names_its_test(row: str) -> None:
    assert _NAMED.findall(row), row


def test_what_is_said_of_a_revert_by_hand_names_its_tests() -> None:
    before = PAGE[: PAGE.index("Reverting by hand all the same")]

    assert before.endswith(" -->\n")


@pytest.mark.parametrize(("file", "test"), sorted(set(_NAMED.findall(PAGE))))
def test_each_test_that_it_names_is_there(file: str, test: str) -> None:
    assert f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8")
