"""The table of libvirt versions: each test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "libvirt-versions.md"


def test_every_test_it_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))

    assert named
    assert named <= there


def test_every_row_has_as_many_cells_as_its_head_and_names_a_test() -> None:
    rows = [line for line in PAGE.read_text().split("\n## ")[0].splitlines() if line[:1] == "|"]
    head, _, *body = rows

    assert {row.count(" | ") for row in body} == {head.count(" | ")}
    assert all(re.search(r"`test_\w+` \|$", row) for row in body)
