"""The pages: what they name is there, and what is there has its entry."""

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.main import build, main
from reconciler.cli.options import COMMON
from reconciler.model.action import Action
from reconciler.model.drift import Difference
from reconciler.model.refusal import RefusalCode
from tests.system.test_least_privilege import CAPABILITIES
from tools import wrong_page

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
)
BEHAVIOURS = ROOT / "docs" / "reference" / "planning-behaviours.md"

_FENCED = re.compile(r"^```[a-z]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(?:^\s*|\$ |sudo |bin/|[:;,] )virtsnap ([a-z-][^|;&>#]*)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_YAML = re.compile(r"^```yaml\n(apiVersion:.*?)^```$", re.DOTALL | re.MULTILINE)
_MAKE = re.compile(r"(?:^|/bin )make ([a-z]+)\b")
_TEST = re.compile(r"`(tests/[a-z_/]+\.py)::(test_\w+)`")
_CODE_WORD = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`")

on_every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def _code(text: str) -> Iterator[str]:
    """What a page shows as code, a line each."""
    for block in _FENCED.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from _INLINE.findall(_FENCED.sub("", text))


def _flags() -> dict[str, set[str]]:
    """The options of every verb, and under ``""`` those of all of them."""
    common = {flag for option in COMMON for flag in option.flags} | {"--help", "-h"}
    found = {"": common}
    for command in build().registered_commands:
        assert command.callback is not None
        own = set()
        for parameter in inspect.signature(command.callback).parameters.values():
            for info in get_args(parameter.annotation)[1:]:
                named = (getattr(info, "default", None), *(getattr(info, "param_decls", ()) or ()))
                own |= {flag for flag in named if isinstance(flag, str) and flag.startswith("-")}
        found[str(command.name)] = own | common
    return found


def _wrong(command: str, flags: dict[str, set[str]]) -> Iterator[str]:
    """The words of a command that virtsnap does not know."""
    words = shlex.split(command.split(",")[0])
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb and verb not in flags:
        yield verb
        return
    yield from (
        word
        for word in words
        if word.startswith("-") and word != "-" and word.partition("=")[0] not in flags[verb]
    )


@on_every_page
def test_every_command_it_names_is_there(page: Path) -> None:
    flags = _flags()
    named = [c for line in _code(page.read_text()) for c in _COMMAND.findall(line)]

    assert [(c, w) for c in named for w in _wrong(c, flags)] == []


def test_a_command_that_is_not_there_is_found() -> None:
    flags = _flags()

    assert list(_wrong("plan --nonsense", flags)) == ["--nonsense"]
    assert list(_wrong("conjure", flags)) == ["conjure"]
    assert list(_wrong("run --once --source . -o json", flags)) == []
    assert any("virtsnap apply" in line for line in _code((ROOT / "README.md").read_text()))


@on_every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text()), link


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@on_every_page
def test_every_make_target_it_names_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+)(?: [a-z]+)?:", (ROOT / "Makefile").read_text(), re.M))
    targets.add("docs")  # the second of `schemas docs:`
    named = {t for line in _code(page.read_text()) for t in _MAKE.findall(line)}

    assert named <= targets


@on_every_page
def test_every_whole_manifest_it_shows_is_valid(page: Path, tmp_path: Path) -> None:
    for number, manifest in enumerate(_YAML.findall(page.read_text())):
        file = tmp_path / f"{number}.yaml"
        file.write_text(manifest)
        assert main(["validate", "-f", str(file)]) == 0


def test_every_drift_kind_has_its_entry() -> None:
    page = (ROOT / "docs" / "reference" / "drift.md").read_text()
    for kind in get_args(Difference):
        assert f"\n## {kind.kind}\n" in page


def test_every_refusal_has_its_entry() -> None:
    page = (ROOT / "docs" / "reference" / "refusals.md").read_text()
    for code in RefusalCode:
        assert f"\n## {code}\n" in page


def test_every_action_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", BEHAVIOURS.read_text(), re.MULTILINE)

    assert sorted(rows) == sorted({action.name for action in get_args(Action)})


@pytest.mark.parametrize("name", ["docs/from-virsh.md", "docs/reference/planning-behaviours.md"])
def test_every_code_it_names_is_one(name: str) -> None:
    known = {str(code) for code in RefusalCode}
    known |= {kind.kind for kind in get_args(Difference)}
    known |= {"DomainSnapshots"}

    assert set(_CODE_WORD.findall((ROOT / name).read_text())) <= known


@pytest.mark.parametrize("name", ["threat-model.md", "failure-modes.md"])
def test_every_row_names_a_test_that_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    heads = ("| Threat |", "| What fails |", "| --- |")
    rows = [row for row in text.splitlines() if row.startswith("| ") and not row.startswith(heads)]

    assert rows
    for row in rows:
        named = _TEST.findall(row)
        assert named, row
        for file, test in named:
            assert f"\ndef {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_the_capabilities_of_the_unit_are_those_that_were_tried() -> None:
    page = (ROOT / "docs" / "least-privilege.md").read_text()
    found = re.search(r"^CapabilityBoundingSet=(.*)$", page, re.MULTILINE)

    assert found
    assert tuple(found[1].lower().replace("cap_", "").split()) == CAPABILITIES


def test_what_went_wrong_has_its_entry() -> None:
    page = (ROOT / "docs" / "when-something-went-wrong.md").read_text()
    for code in RefusalCode:
        assert f"\n| [{code}](" in page
    for code in ExitCode:
        assert f"\n| {code.value} | " in page
    for error in wrong_page.error_classes():
        assert f"\n| {error.__name__} | " in page
    assert "virtsnap observe -o json" in page


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    decisions = (ROOT / "docs" / "adr" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        assert f"(reference/{page.name})" in index
    for page in (ROOT / "docs" / "adr").glob("[0-9]*.md"):
        assert f"({page.name})" in decisions
