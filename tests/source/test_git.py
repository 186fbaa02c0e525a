"""A local git repository as source."""

import os
from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES, ManifestFile
from reconciler.source.git import GitSource
from reconciler.source.wanted import Branch, Revision, Tag
from tests.source.repository import MANIFEST, commit, git, make_repository

WEB01 = ManifestFile("manifests/web01.yaml", MANIFEST.encode())


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One manifest in one revision."""
    path = make_repository(tmp_path / "desired")
    commit(path, {"manifests/web01.yaml": MANIFEST, "README.md": "hello"})
    return path


def refusal(source: GitSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source.fetch()
    return caught.value


def test_the_manifests_of_the_newest_revision_are_read(repository: Path) -> None:
    revision = git(repository, "rev-parse", "HEAD")

    fetched = GitSource(repository).fetch()

    assert fetched.files == (WEB01,)
    assert fetched.revision == revision


def test_what_is_not_committed_is_not_read(repository: Path) -> None:
    (repository / "manifests/web01.yaml").write_text("changed")
    (repository / "manifests/web02.yaml").write_text("new")

    assert GitSource(repository).fetch().files == (WEB01,)


def test_a_bare_repository_is_read_without_a_checkout(repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))

    fetched = GitSource(bare).fetch()

    assert fetched.files == (WEB01,)
    assert fetched.revision == git(repository, "rev-parse", "HEAD")


def test_packed_objects_and_refs_are_read(repository: Path) -> None:
    git(repository, "gc", "-q")

    assert GitSource(repository, wanted=Branch("main")).fetch().files == (WEB01,)


def test_a_branch_is_read_whatever_is_checked_out(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "next")
    commit(repository, {"manifests/web02.yaml": MANIFEST})

    assert len(GitSource(repository, wanted=Branch("main")).fetch().files) == 1
    assert len(GitSource(repository, wanted=Branch("next")).fetch().files) == 2


def test_hidden_files_and_other_suffixes_are_not_manifests(repository: Path) -> None:
    commit(
        repository,
        {
            "manifests/.web.yaml": "x",
            "manifests/.github/ci.yaml": "x",
            "manifests/notes.txt": "x",
            "manifests/kvm01/web02.yaml.j2": "x",
            "manifests/values.yaml": "a: 1",
            "other/web03.yaml": "x",
        },
    )

    names = [file.name for file in GitSource(repository).fetch().files]

    assert names == [
        "manifests/kvm01/web02.yaml.j2",
        "manifests/values.yaml",
        "manifests/web01.yaml",
    ]


def test_the_root_of_the_repository_can_be_the_folder(repository: Path) -> None:
    assert [file.name for file in GitSource(repository, subfolder=".").fetch().files] == [
        "manifests/web01.yaml"
    ]


def test_a_source_is_known_by_its_real_path_and_the_path_inside(
    repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(repository)
    known = f"{os.path.realpath(repository)}/manifests"

    assert GitSource(repository).id == known
    assert GitSource(tmp_path / "link").id == known
    assert GitSource(repository / ".git").id == known


def test_a_file_that_is_too_large_is_cut_one_byte_later(repository: Path) -> None:
    commit(repository, {"manifests/a.yaml": "a" * (3 * MAX_MANIFEST_BYTES)})

    files = GitSource(repository).fetch().files

    assert [len(file.text) for file in files] == [MAX_MANIFEST_BYTES + 1, len(MANIFEST)]


def test_a_missing_repository_is_an_error(tmp_path: Path) -> None:
    error = refusal(GitSource(tmp_path / "absent"))

    assert error.message == f"cannot read {tmp_path}/absent: there is no such folder"
    assert error.hint


def test_a_folder_that_is_no_repository_is_an_error(tmp_path: Path) -> None:
    assert refusal(GitSource(tmp_path)).message.endswith("it is not a git repository")


def test_a_repository_without_a_revision_is_an_error(tmp_path: Path) -> None:
    empty = make_repository(tmp_path / "empty")

    assert refusal(GitSource(empty)).message.endswith("the repository has no revision yet")


def test_a_missing_branch_names_those_there_are(repository: Path) -> None:
    error = refusal(GitSource(repository, wanted=Branch("mian")))

    assert error.message.endswith("there is no branch mian")
    assert error.hint == "the branches there are: main"


def test_a_missing_folder_is_an_error_and_not_an_empty_source(repository: Path) -> None:
    git(repository, "rm", "-r", "-q", "manifests")
    commit(repository, {})

    assert "there is no folder manifests in revision" in refusal(GitSource(repository)).message


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
@pytest.mark.parametrize("damage", ["gone", "truncated", "rubbish"])
def test_a_damaged_object_is_an_error(repository: Path, kind: str, damage: str) -> None:
    name = {"commit": "HEAD", "tree": "HEAD:manifests", "blob": "HEAD:manifests/web01.yaml"}[kind]
    sha = git(repository, "rev-parse", name)
    path = repository / ".git/objects" / sha[:2] / sha[2:]
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"rubbish")

    assert refusal(GitSource(repository)).message.startswith("cannot read")


def test_a_symbolic_link_is_refused(repository: Path) -> None:
    (repository / "manifests/web02.yaml").symlink_to("/etc/passwd")
    commit(repository, {})

    assert "symbolic link" in refusal(GitSource(repository)).message


@pytest.mark.parametrize("folder", ["/etc", "../other", "a/../../b"])
def test_a_folder_outside_of_the_repository_is_refused(repository: Path, folder: str) -> None:
    with pytest.raises(SourceError):
        GitSource(repository, subfolder=folder)


def test_the_environment_of_a_hook_does_not_mislead(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(make_repository(tmp_path / "other") / ".git"))

    assert GitSource(repository).fetch().files == (WEB01,)


def test_reading_leaves_no_trace(repository: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in repository.rglob("*"))

    GitSource(repository).fetch()

    assert sorted((p, p.stat().st_mtime_ns) for p in repository.rglob("*")) == before


def test_a_tag_and_a_revision_can_be_read(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "-a", "-m", "x", "v1")
    commit(repository, {"manifests/web02.yaml": MANIFEST})

    assert GitSource(repository, wanted=Tag("v1")).fetch().revision == first
    assert GitSource(repository, wanted=Revision(first)).fetch().files == (WEB01,)


def test_a_missing_tag_names_those_there_are(repository: Path) -> None:
    git(repository, "tag", "v1")

    assert refusal(GitSource(repository, wanted=Tag("v2"))).hint == "the tags there are: v1"


def test_a_revision_that_is_none_is_an_error(repository: Path) -> None:
    tree = git(repository, "rev-parse", "HEAD^{tree}")

    assert "not a revision" in refusal(GitSource(repository, wanted=Revision(tree))).message
    assert "cannot read" in refusal(GitSource(repository, wanted=Revision("a" * 40))).message


def test_a_repository_of_another_user_is_an_error_with_the_command_that_trusts_it(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # git's own switch to be tested by; without it this test would have to be root's
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    error = refusal(GitSource(repository))

    assert "belongs to another user" in error.message
    assert error.hint == f"git config --system --add safe.directory {repository}"
