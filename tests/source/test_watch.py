"""When a source is looked at again."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.source.folder import FolderSource
from reconciler.source.git import GitSource
from reconciler.source.source import Source
from reconciler.source.wanted import Branch
from reconciler.source.watch import changes
from tests.source.repository import MANIFEST, commit, git, make_repository

NEVER = 3600.0
SOON = 8.0


@contextmanager
def reasons(source: Source, *, interval: float = NEVER) -> Iterator["queue.Queue[str]"]:
    """What a loop on *source* hears; on leaving, it must have stopped at once."""
    heard: queue.Queue[str] = queue.Queue()
    stop = threading.Event()

    def listen() -> None:
        for reason in changes(source, stop, interval):
            heard.put(reason)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert heard.get(timeout=SOON) == "start"
        time.sleep(0.2)  # the loop is back at its watch
        yield heard
    finally:
        stop.set()
        asked = time.monotonic()
        thread.join(timeout=SOON)
    assert not thread.is_alive()
    assert time.monotonic() - asked < 1


def hears_nothing(heard: "queue.Queue[str]") -> bool:
    time.sleep(0.8)
    return heard.empty()


def test_a_changed_manifest_is_told(tmp_path: Path) -> None:
    with reasons(FolderSource(tmp_path)) as heard:
        (tmp_path / "a.yaml").write_text("x")

        assert heard.get(timeout=SOON) == "changed"


def test_many_changes_at_once_are_one(tmp_path: Path) -> None:
    with reasons(FolderSource(tmp_path)) as heard:
        for number in range(50):
            (tmp_path / f"{number}.yaml").write_text("x")

        assert heard.get(timeout=SOON) == "changed"
        assert hears_nothing(heard)


def test_what_is_no_manifest_is_not_told(tmp_path: Path) -> None:
    with reasons(FolderSource(tmp_path)) as heard:
        for name in (".a.yaml.swp", "a.yaml~", "notes.txt"):
            (tmp_path / name).write_text("x")

        assert hears_nothing(heard)


def test_a_single_file_that_is_replaced_is_told(tmp_path: Path) -> None:
    (tmp_path / "web01.yaml").write_text("x")
    with reasons(FolderSource(tmp_path / "web01.yaml")) as heard:
        (tmp_path / "new").write_text("y")
        (tmp_path / "new").rename(tmp_path / "web01.yaml")

        assert heard.get(timeout=SOON) == "changed"


def test_a_folder_that_comes_later_is_told_and_watched(tmp_path: Path) -> None:
    with reasons(FolderSource(tmp_path / "manifests")) as heard:
        (tmp_path / "manifests").mkdir()
        assert heard.get(timeout=SOON) == "changed"
        time.sleep(0.3)

        (tmp_path / "manifests/a.yaml").write_text("x")
        assert heard.get(timeout=SOON) == "changed"


def test_the_interval_is_told(tmp_path: Path) -> None:
    with reasons(FolderSource(tmp_path), interval=0.3) as heard:
        assert [heard.get(timeout=SOON), heard.get(timeout=SOON)] == ["interval", "interval"]


@pytest.mark.parametrize("pack", [False, True])
def test_a_new_revision_is_told(tmp_path: Path, *, pack: bool) -> None:
    repository = make_repository(tmp_path / "desired")
    commit(repository, {"manifests/web01.yaml": MANIFEST})
    if pack:
        git(repository, "pack-refs", "--all")
    with reasons(GitSource(repository, wanted=Branch("main"))) as heard:
        (repository / "manifests/web02.yaml").write_text(MANIFEST)
        assert hears_nothing(heard)

        commit(repository, {})
        assert heard.get(timeout=SOON) == "changed"


def test_a_push_to_a_bare_repository_is_told(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "desired")
    commit(repository, {"manifests/web01.yaml": MANIFEST})
    git(tmp_path, "clone", "-q", "--bare", "desired", "bare.git")
    with reasons(GitSource(tmp_path / "bare.git")) as heard:
        commit(repository, {"manifests/web02.yaml": MANIFEST})
        git(repository, "push", "-q", str(tmp_path / "bare.git"), "main")

        assert heard.get(timeout=SOON) == "changed"


def test_another_branch_is_not_told(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "desired")
    commit(repository, {"manifests/web01.yaml": MANIFEST})
    with reasons(GitSource(repository, wanted=Branch("main"))) as heard:
        git(repository, "branch", "other")

        assert hears_nothing(heard)


def test_a_switched_head_is_told(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "desired")
    commit(repository, {"manifests/web01.yaml": MANIFEST})
    git(repository, "branch", "old")
    commit(repository, {"manifests/web02.yaml": MANIFEST})
    with reasons(GitSource(repository)) as heard:
        git(repository, "symbolic-ref", "HEAD", "refs/heads/old")

        assert heard.get(timeout=SOON) == "changed"
