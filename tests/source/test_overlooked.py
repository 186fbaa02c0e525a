"""What is in the manifests' path and is not read is an error: a folder, a work tree, a repository."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.source.folder import FolderSource
from reconciler.source.git import GitSource
from reconciler.source.source import Fetched
from tests.source.ageing import aged
from tests.source.repository import MANIFEST, commit, git, make_repository

Read = Callable[[], Fetched]
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 100\n"
JSON = '\n{"kind": "DomainSnapshots", "apiVersion": "virtsnap/v1"}'
PAGE = f"# How to write one\n\n```yaml\n{MANIFEST}```\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One manifest, committed."""
    path = make_repository(tmp_path / "desired")
    commit(path, {"manifests/web01.yaml": MANIFEST})
    return path


def age(repository: Path) -> None:
    for path in (repository / "manifests").rglob("*"):
        if not path.is_symlink():
            aged(path)


def both(repository: Path) -> dict[str, Read]:
    """What is there now, read as a folder and, committed, from the repository's objects."""
    commit(repository, {})
    age(repository)
    folder = FolderSource(repository / "manifests")
    return {"folder": folder.fetch, "repository": GitSource(repository).fetch}


def refusals(repository: Path) -> tuple[str, ...]:
    found = []
    for read in both(repository).values():
        with pytest.raises(SourceError) as caught:
            read()
        assert caught.value.hint
        found.append(caught.value.message)
    return tuple(found)


def names(read: Read) -> list[str]:
    return [Path(file.name).name for file in read().files]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("web02.YAML", MANIFEST),
        ("web02.Yml", "x"),
        ("web02.yaml.J2", "{% for a in b %}"),
        ("web02.yaml.jinja2", "x"),
        ("web02.j2", "x"),
        ("web02.yaml.gz", "x"),
        ("web02.yaml.off", "x"),
        ("web02.yaml~", "x"),
        ("web02.json", JSON),
        ("web02.txt", f"# ours\n---\n{MANIFEST}"),
        ("web02", f"\ufeff{MANIFEST}"),
    ],
)
def test_a_manifest_by_another_name_is_an_error(repository: Path, name: str, text: str) -> None:
    (repository / "manifests" / name).write_text(text)

    for message in refusals(repository):
        assert f"manifests/{name}: " in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", PAGE),
        ("LICENSE", "x"),
        (".gitkeep", ""),
        ("make.sh", f"#!/bin/sh\ncat <<E\n{MANIFEST}E\n"),
        ("other.json", '{"apiVersion": "v1", "kind": "List"}'),
        ("web01.yaml~", MANIFEST),
        ("web01.yaml.orig", MANIFEST),
        (".web02.yaml", MANIFEST),
        (".github/web02.yaml", MANIFEST),
        (".hidden/web02.json", JSON),
        ("#web01.yaml#", MANIFEST[:10]),
        ("pixel.png", "\x00\x01"),
    ],
)
def test_what_is_no_manifest_and_what_is_hidden_is_passed_over(
    repository: Path, name: str, text: str
) -> None:
    path = repository / "manifests" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

    for read in both(repository).values():
        assert names(read) == ["web01.yaml"]


@pytest.mark.parametrize("target", ["../team", "/mnt/team", "gone", ".team", "../gone"])
@pytest.mark.parametrize("name", ["team", "team.d", "team.yaml"])
def test_a_link_to_what_is_not_read_is_an_error(repository: Path, target: str, name: str) -> None:
    for folder in ("team", "manifests/.team"):
        (repository / folder).mkdir()
        (repository / folder / "web02.yaml").write_text(MANIFEST)
    (repository / "manifests" / name).symlink_to(target)

    for message in refusals(repository):
        assert f"manifests/{name}: it is a " in message


@pytest.mark.parametrize("target", ["../web02", "web02", "../web02.yaml"])
def test_a_link_to_a_manifest_by_another_name_is_an_error(repository: Path, target: str) -> None:
    (repository / "manifests" / target).write_text(MANIFEST)
    (repository / "manifests/link").symlink_to(target)

    assert len(refusals(repository)) == 2


def test_links_to_what_is_read_anyway_or_is_no_manifest_are_passed_over(repository: Path) -> None:
    (repository / "README.md").write_text(PAGE)
    (repository / "manifests/README.md").symlink_to("../README.md")
    (repository / "manifests/a/b").mkdir(parents=True)
    (repository / "manifests/a/b/web02.yaml").write_text(MANIFEST)
    (repository / "manifests/again").symlink_to("a/b")
    (repository / "manifests/a/up").symlink_to("..")

    for read in both(repository).values():
        assert names(read) == ["web02.yaml", "web01.yaml"]


@pytest.mark.parametrize("kind", ["link", "file", "submodule"])
def test_a_folder_of_manifests_that_is_no_folder_is_named(
    repository: Path, tmp_path: Path, kind: str
) -> None:
    git(repository, "mv", "manifests", "real")
    match kind:
        case "link":
            (repository / "manifests").symlink_to("real")
        case "file":
            (repository / "manifests").write_text("x")
        case _:
            submodule(repository, tmp_path, "manifests")
    commit(repository, {})

    with pytest.raises(SourceError, match=rf"manifests is a .*{kind}"):
        GitSource(repository).fetch()


def submodule(repository: Path, folder: Path, path: str) -> None:
    """A repository with a manifest, as a submodule at *path*."""
    other = make_repository(folder / "team")
    commit(other, {"web02.yaml": MANIFEST})
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), path)


def test_a_submodule_is_an_error_unless_it_is_checked_out(repository: Path, tmp_path: Path) -> None:
    submodule(repository, tmp_path, "manifests/team")
    reads = both(repository)

    with pytest.raises(SourceError, match="manifests/team: it is a submodule"):
        reads["repository"]()
    assert names(reads["folder"]) == ["web02.yaml", "web01.yaml"]

    git(repository, "submodule", "deinit", "-q", "-f", "manifests/team")
    age(repository)
    with pytest.raises(SourceError, match="manifests/team: it is a submodule that is not"):
        reads["folder"]()


def test_a_repository_inside_a_repository_is_read_where_its_files_are(repository: Path) -> None:
    inner = make_repository(repository / "manifests/team")
    commit(inner, {"web02.yaml": MANIFEST})
    reads = both(repository)

    assert names(reads["folder"]) == ["web02.yaml", "web01.yaml"]
    with pytest.raises(SourceError, match="submodule"):
        reads["repository"]()


@pytest.mark.parametrize("version", ["2", "4"])
@pytest.mark.parametrize("how", ["cone", "sparse-index", "patterns", "bit", "split"])
def test_what_git_left_out_of_the_work_tree_is_an_error(
    repository: Path, how: str, version: str
) -> None:
    git(repository, "config", "index.version", version)
    commit(repository, {"manifests/team/web02.yaml": MANIFEST, "manifests/README.md": "x"})
    match how:
        case "cone":
            git(repository, "sparse-checkout", "set", "--cone", "manifests/other")
        case "sparse-index":
            git(repository, "sparse-checkout", "set", "--cone", "--sparse-index", "manifests/other")
        case "patterns":
            git(repository, "sparse-checkout", "set", "--no-cone", "/*", "!web02.yaml")
        case _:
            git(repository, "update-index", "--skip-worktree", "manifests/team/web02.yaml")
            (repository / "manifests/team/web02.yaml").unlink()
    if how == "split":
        git(repository, "update-index", "--split-index")
    age(repository)
    source = FolderSource(repository / "manifests")

    with pytest.raises(SourceError, match=r"manifests/team.*git left it out"):
        source.fetch()

    # Nothing of what is left out may have been a manifest.
    (repository / "manifests/team").mkdir(exist_ok=True)
    (repository / "manifests/team/web02.yaml").write_text(MANIFEST)
    age(repository)
    assert names(source.fetch) == ["web02.yaml", "web01.yaml"]


def test_a_manifest_removed_from_the_work_tree_by_hand_has_gone(repository: Path) -> None:
    commit(repository, {"manifests/web02.yaml": MANIFEST})
    (repository / "manifests/web02.yaml").unlink()
    age(repository)

    assert names(FolderSource(repository / "manifests").fetch) == ["web01.yaml"]


def test_an_index_that_is_damaged_is_an_error(repository: Path) -> None:
    (repository / ".git/index").write_bytes(b"DIRC\0\0\0\2\0\0\1\0")
    age(repository)

    with pytest.raises(SourceError, match=r"cannot read .*index"):
        FolderSource(repository / "manifests").fetch()


@pytest.mark.parametrize("name", ["web02.yaml", "values.yaml", "web02.yaml.j2"])
def test_an_lfs_pointer_is_named(repository: Path, name: str) -> None:
    (repository / "manifests" / name).write_text(POINTER)

    for message in refusals(repository):
        assert "Git LFS pointer" in message


@pytest.mark.parametrize("name", ["pipe", "web02.yaml"])
@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / name)
    else:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(str(tmp_path / name))

    with pytest.raises(SourceError, match="not a regular file"):
        FolderSource(tmp_path).glance()


def test_a_name_that_is_no_utf8_is_read(repository: Path) -> None:
    name = os.fsdecode(b'manifests/w\xff".yaml')
    (repository / name).write_text(MANIFEST)
    (repository / os.fsdecode(b"manifests/t\xff")).mkdir()
    (repository / os.fsdecode(b"manifests/t\xff/web03.yaml")).write_text(MANIFEST)

    for read in both(repository).values():
        assert len(read().files) == 3


def test_a_repository_with_sha256_is_named_and_its_work_tree_read(tmp_path: Path) -> None:
    path = tmp_path / "desired"
    path.mkdir()
    git(path, "init", "-q", "-b", "main", "--object-format=sha256")
    revision = commit(path, {"manifests/web01.yaml": MANIFEST})
    age(path)

    with pytest.raises(SourceError, match="its objects are named by SHA-256") as caught:
        GitSource(path).fetch()
    assert caught.value.hint
    assert FolderSource(path / "manifests").fetch().revision == revision
