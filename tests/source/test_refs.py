"""What a branch names, without asking git."""

from pathlib import Path

import pytest

from reconciler.source.git import GitSource
from reconciler.source.wanted import Branch, Head, Revision, Tag
from tests.source.repository import MANIFEST, commit, git, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A branch, a tag, a branch that is another one by name, and all of it in one revision."""
    path = make_repository(tmp_path / "desired")
    commit(path, {"manifests/web01.yaml": MANIFEST})
    git(path, "tag", "-a", "-m", "x", "v1")
    git(path, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    return path


@pytest.mark.parametrize("wanted", [Head(), Branch("main"), Branch("alias"), Tag("v1")])
@pytest.mark.parametrize("is_packed", [False, True])
def test_the_mark_is_what_git_says_and_needs_no_git(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: Head | Branch | Tag,
    *,
    is_packed: bool,
) -> None:
    named = {Tag("v1"): "refs/tags/v1", Branch("alias"): "refs/heads/alias"}.get(wanted, "HEAD")
    known = git(repository, "rev-parse", named)
    if is_packed:
        git(repository, "pack-refs", "--all")
    monkeypatch.setenv("PATH", "")

    assert GitSource(repository, wanted=wanted).mark() == known


def test_a_revision_is_its_own_mark(repository: Path) -> None:
    assert GitSource(repository, wanted=Revision("a" * 40)).mark() == "a" * 40


@pytest.mark.parametrize("wanted", [Branch("no"), Tag("no"), Branch("v1"), Tag("main")])
def test_what_is_not_there_has_no_mark(repository: Path, wanted: Branch | Tag) -> None:
    assert GitSource(repository, wanted=wanted).mark() is None


def test_the_mark_goes_with_every_change_of_what_it_names(repository: Path) -> None:
    source = GitSource(repository)
    seen = [source.mark()]
    for change in (
        ("commit", "-q", "--allow-empty", "-m", "two"),
        ("checkout", "-q", "--detach", "HEAD~1"),
        ("checkout", "-q", "-b", "next"),
        ("commit", "-q", "--allow-empty", "-m", "three"),
    ):
        git(repository, *change)
        git(repository, "pack-refs", "--all")
        seen.append(source.mark())
        assert seen[-1] == source.fetch().revision

    assert seen[2] == seen[3]
    assert len({*seen}) == 3


def test_a_work_tree_beside_has_its_own_head(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "beside", str(tmp_path / "beside"))
    second = commit(tmp_path / "beside", {"manifests/web02.yaml": MANIFEST})

    assert GitSource(tmp_path / "beside").mark() == second
    assert GitSource(repository).mark() != second


def test_a_repository_that_went_and_came_back_is_seen(repository: Path, tmp_path: Path) -> None:
    source = GitSource(repository)
    known = source.mark()
    repository.rename(tmp_path / "away")
    assert source.mark() is None

    (tmp_path / "away").rename(repository)
    assert source.mark() == known
