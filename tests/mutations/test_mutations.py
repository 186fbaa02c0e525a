"""Each planted bug applies to the source as it is; the tests find the first, or (VIRTSNAP_SOAK=1) all."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
IS_SOAK = bool(os.environ.get("VIRTSNAP_SOAK"))
_COPIED = ("reconciler", "tests", "tools", "docs", "schemas", "pyproject.toml")
_TEST_FAILED = 1


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_planted_bug_still_applies_to_the_source(mutation: Mutation) -> None:
    changed = mutation.applied((ROOT / mutation.file).read_text("utf-8"))

    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse((ROOT / mutation.file).read_text()))
    for words in mutation.tests:
        assert (ROOT / words.partition("::")[0]).exists(), words


def test_there_are_enough_of_them_and_each_has_a_name() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 10


@pytest.mark.parametrize("mutation", MUTATIONS if IS_SOAK else MUTATIONS[:1], ids=str)
def test_the_tests_find_a_planted_bug(mutation: Mutation, tmp_path: Path) -> None:
    for name in _COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)  # type: ignore[operator]  # either takes two paths
    file = tmp_path / mutation.file
    file.write_text(mutation.applied(file.read_text("utf-8")), "utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "VIRTSNAP_SOAK"}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutation.tests],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )

    assert done.returncode == _TEST_FAILED, done.stdout[-2000:] + done.stderr[-2000:]
