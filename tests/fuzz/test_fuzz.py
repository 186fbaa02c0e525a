"""Hostile manifests end in documents or in problems with their place; nothing escapes, hangs or grows."""

import os
import subprocess
import sys
from random import Random

import pytest

from reconciler.model.manifest_file import ManifestFile
from tests.fuzz import corpus, mutating, trial
from tests.fuzz.__main__ import run

_IS_LONG = bool(os.environ.get("VIRTSNAP_SOAK"))
COUNT = 1_000_000 if _IS_LONG else 3000


# a million take minutes, on a machine that is busy with other tests an hour
@pytest.mark.timeout(4 * 3600)
def test_nothing_but_documents_and_problems_comes_of_hostile_manifests() -> None:
    seed = os.environ.get("VIRTSNAP_FUZZ_SEED", "make")
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(COUNT), "--seed", seed]
    done = subprocess.run(
        [*command, "--jobs", "1"], capture_output=True, text=True, check=False, cwd=corpus.ROOT
    )

    # a hang, too much memory and whatever escapes are told as FAILED, with the trial to repeat
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{COUNT} trials, " in done.stdout
    for end in ("documents", "problems", "nothing"):
        assert f"'{end}': " in done.stdout


@pytest.mark.parametrize("number", range(6))
def test_templates_of_every_kind_come_back(number: int) -> None:
    chance = Random(number)
    texts = [mutating.of_template(chance) for _ in range(trial.TEMPLATES)]
    files = [ManifestFile(f"t{n}.yaml.j2", text) for n, text in enumerate(texts)]

    assert trial.attempt([ManifestFile("values.yaml", corpus.VALUES), *files]) == "problems"


def test_every_seed_is_mutated_in_every_way() -> None:
    kinds = {len(trial.files("kinds", number)) for number in range(3000)}

    assert kinds == {1, 1 + trial.TEMPLATES, 2 * trial.TEMPLATES}
    assert len(corpus.manifests()) > 40


def test_the_same_seed_gives_the_same_files() -> None:
    assert trial.files("s", 7) == trial.files("s", 7)
    assert trial.files("s", 7) != trial.files("t", 7)


@pytest.mark.parametrize("number", [534012, 655505])
def test_what_is_made_of_copies_of_copies_stays_readable(number: int) -> None:
    (file,) = trial.files("7", number)

    assert len(file.text) < 4 * mutating.LARGEST


def test_what_escapes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(trial, "load", fail)
    tally = run(2, seed="s", jobs=1)

    assert [each.partition(": ")[2] for each in tally.failures] == [
        "ZeroDivisionError: on purpose",
        "ZeroDivisionError: on purpose",
    ]


def test_a_process_that_dies_is_noticed_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(given: object) -> str:
        if given == trial.files("s", 1):
            os._exit(9)
        return "documents"

    monkeypatch.setattr(trial, "attempt", die)
    tally = run(4, seed="s", jobs=1)

    assert len(tally.failures) == 1
    assert tally.failures[0].startswith("1: the process ended with 9")
    assert tally.ends["documents"] >= 2
