"""The loop, with a fake host behind it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host

Declare = Callable[..., Path]


def test_once_is_one_pass_and_a_second_one_does_nothing(
    virtsnap: Command, declare: Declare
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    first, second = virtsnap("run", "--once"), virtsnap("run", "--once")

    assert (first.code, second.code) == (0, 0), first
    assert "create s1" in first.err
    assert second.err == ""


def test_what_needs_a_person_is_held(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1 ← s2"))
    declare(manifest("web01", "s2", prune="confirm"))
    result = virtsnap("run", "--once", "-o", "json")

    assert result.code == 5
    assert '"held": ' in result.err
    assert virtsnap.host.observe().domains[0].record("s1") is not None


def test_a_pass_that_cannot_be_made_is_an_error_of_once(virtsnap: Command) -> None:
    result = virtsnap("run", "--once")

    assert result.code == 1
    assert result.err.startswith("cannot read manifests: ")


@pytest.mark.parametrize(
    "arguments", [("--interval", "soon"), ("--interval", "0s"), ("-f", "-"), ("--branch", "main")]
)
def test_bad_usage(virtsnap: Command, arguments: tuple[str, ...]) -> None:
    assert virtsnap("run", *arguments).code == 64


def test_a_git_repository_is_a_source(virtsnap: Command, tmp_path: Path) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    repository = tmp_path / "repository"
    (repository / "manifests").mkdir(parents=True)
    (repository / "manifests" / "web01.yaml").write_text(manifest("web01", "s1"))

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@t")
        subprocess.run(["git", "-C", str(repository), *identity, *arguments], check=True)

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "Declare s1")
    (repository / "manifests" / "web01.yaml").write_text("not: committed\n")

    assert virtsnap("run", "--once", "--source", str(repository)).code == 0
    assert virtsnap.host.observe().domains[0].record("s1") is not None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_change_is_applied_and_a_signal_ends_it(
    virtsnap: Command, declare: Declare, number: signal.Signals, code: int
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))

    def taken(name: str) -> bool:
        for _ in range(200):
            if virtsnap.host.observe().domains[0].record(name) is not None:
                return True
            time.sleep(0.05)
        return False

    seen: list[bool] = []

    def administrator() -> None:
        seen.append(taken("s1"))
        declare(manifest("web01", "s1", "s2"))
        seen.append(taken("s2"))
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=administrator)
    thread.start()
    result = virtsnap("run", "--interval", "1h")
    thread.join()

    assert seen == [True, True]
    assert result.code == code
