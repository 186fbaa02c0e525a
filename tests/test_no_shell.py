"""What this program must never do, looked for in its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parent.parent / "reconciler").rglob("*.py"))
_FORBIDDEN = {
    *(
        "os.system",
        "os.popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "eval",
        "exec",
    ),
    *(
        "pickle.loads",
        "pickle.load",
        "marshal.loads",
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
    ),
    *("tempfile.mktemp", "compile", "__import__"),
}


def _faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in _FORBIDDEN:
            yield called
        if called.startswith("subprocess."):
            if any(keyword.arg == "shell" for keyword in node.keywords):
                yield f"{called} with a shell"
            if isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp):
                yield f"{called} of a text"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_shell_is_used_and_nothing_is_run_that_was_read(path: Path) -> None:
    assert list(_faults(ast.parse(path.read_text()))) == []


def test_what_is_forbidden_is_found() -> None:
    source = "import os\nos.system('x')\nsubprocess.run(f'ls {x}')\nsubprocess.run(a, shell=True)\n"

    assert list(_faults(ast.parse(source))) == [
        "os.system",
        "subprocess.run of a text",
        "subprocess.run with a shell",
    ]
