"""A new action is forgotten nowhere: mypy names each place that must know it."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "reconciler"

#: matches with a last `case _` that are not over a closed set of ours, or pick a few of the differences
OTHER_MATCHES = {
    "cli/run_source.py::source_of",
    "manifest/document.py::_message",
    "planning/adopting.py::adopt",
    "planning/examining.py::_told",
    "planning/finishing.py::drop_leftovers",
    "planning/finishing.py::settle",
    "planning/lasting.py::_seconds",
    "planning/planner.py::_refusal_of",
    "planning/postcondition.py::_words",
    "planning/repairing.py::repair",
    "planning/safety.py::blockers",
    "report/config.py::_text",
    "service/control_client.py::reconcile",
}

_PULL = '''
@dataclass(frozen=True, slots=True, kw_only=True)
class PullOverlays:
    """Copy what lies below an image into it."""

    name: ClassVar[str] = "pull"
    disk: DiskTarget
    image: ImagePath
'''
#: what a new action must be told to, as mypy sees it
NAMED = {
    "engine/hooks.py",
    "engine/steps.py",
    "planning/before_step.py",
    "planning/bookkeeping.py",
    "planning/builder.py",
    "planning/simulate.py",
    "report/folding.py",
    "report/step_documents.py",
    "report/step_text.py",
    "report/summary.py",
    "service/metrics.py",
}
#: these ask the card of each action, which the planted one has not got
ASK_THE_CARD = {
    "cli/apply.py",
    "controller/board.py",
    "engine/domain_work.py",
    "planning/budget.py",
    "planning/claims.py",
    "planning/holding.py",
    "planning/planner.py",
    "report/drift_rows.py",
    "report/history_document.py",
    "service/step_hooks.py",
}


def planted(folder: Path) -> Path:
    """A copy of the package with one action more, of which nothing else is said."""
    copy = folder / "reconciler"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    shutil.copy(ROOT / "pyproject.toml", folder)
    actions = copy / "model" / "action" / "__init__.py"
    domain = copy / "model" / "action" / "domain.py"
    domain.write_text(domain.read_text() + "\n" + _PULL)
    text = actions.read_text().replace(
        "    | SwitchDisk\n)", "    | SwitchDisk\n    | PullOverlays\n)"
    )
    text = re.sub(r"(import \(\n)(    RenewLedger)", r"\1    PullOverlays,\n\2", text, count=1)
    actions.write_text(text)
    return folder


def test_a_new_action_is_forgotten_nowhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "reconciler"],
        cwd=planted(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    found = set(re.findall(r"^reconciler/(\S+?):\d+: error:", done.stdout, re.M))
    assert found == NAMED | ASK_THE_CARD, done.stdout


def fallthroughs(path: Path) -> Iterator[str]:
    """Functions with a match that ends in a `case _` that goes on as if nothing were."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for match in ast.walk(function):
            if isinstance(match, ast.Match) and _goes_on(match.cases[-1]):
                yield f"{path.relative_to(PACKAGE)}::{function.name}"


def _goes_on(case: ast.match_case) -> bool:
    is_wild = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
    return is_wild and case.guard is None and "assert_never(" not in ast.unparse(case.body[0])


def test_no_match_over_a_closed_set_has_a_last_case_for_the_rest() -> None:
    assert {
        found for path in PACKAGE.rglob("*.py") for found in fallthroughs(path)
    } == OTHER_MATCHES


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_nobody_asks_an_action_for_what_it_may_not_have(path: Path) -> None:
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            asks = call.func.id == "getattr" and "action" in ast.unparse(call.args[0])
            assert not asks or path.name == "step_documents.py", ast.unparse(call)
