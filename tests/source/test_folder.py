"""A folder or a file as source."""

import os
from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES
from reconciler.source.folder import FolderSource, read_files
from tests.source.repository import MANIFEST, commit, git, make_repository


def names(location: Path) -> list[str]:
    return [Path(file.name).relative_to(location).as_posix() for file in read_files(location)]


def test_manifests_are_read_from_all_folders_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yml", "a/t.yaml.j2", "values.yaml", "a/README.md", "c.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    assert names(tmp_path) == ["a/t.yaml.j2", "a/z.yml", "b.yaml", "values.yaml"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    for name in (".git/a.yaml", ".b.yaml", "c.yaml"):
        (tmp_path / name).write_text("x")

    assert names(tmp_path) == ["c.yaml"]


def test_a_folder_below_a_hidden_one_is_read(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "manifests"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text("x")

    assert names(folder) == ["a.yaml"]


def test_a_single_file_is_read_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("a: 1")
    (tmp_path / "web01").write_text("x")
    (tmp_path / "web02.yaml.j2").write_text("x")

    assert [Path(file.name).name for file in read_files(tmp_path / "web01")] == ["web01"]
    assert [Path(file.name).name for file in read_files(tmp_path / "web02.yaml.j2")] == [
        "values.yaml",
        "web02.yaml.j2",
    ]


def test_names_are_as_the_user_gave_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/web01.yaml").write_text("x")
    monkeypatch.chdir(tmp_path)

    assert [file.name for file in read_files(Path("manifests"))] == ["manifests/web01.yaml"]


def test_a_missing_folder_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read_files(tmp_path / "manifests")

    assert caught.value.message.endswith("there is no such file or folder")
    assert "virtsnap schema" in (caught.value.hint or "")


def test_a_link_inside_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (tmp_path / "folder").mkdir()
    (tmp_path / "again").symlink_to("folder")
    (tmp_path / "folder/c.yaml").write_text("x")

    assert names(tmp_path) == ["a.yaml", "folder/c.yaml"]


def test_the_links_of_a_kubernetes_volume_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..2024").mkdir()
    (tmp_path / "..2024/web01.yaml").write_text("x")
    (tmp_path / "..data").symlink_to("..2024")
    (tmp_path / "web01.yaml").symlink_to("..data/web01.yaml")

    assert names(tmp_path) == ["web01.yaml"]


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside.yaml", "gone.yaml", "/etc"])
def test_a_link_that_leads_elsewhere_is_an_error(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text("x")
    (folder / "a.yaml").symlink_to(target)

    with pytest.raises(SourceError, match="cannot read"):
        read_files(folder)


def test_what_is_no_regular_file_is_an_error_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")

    with pytest.raises(SourceError, match="not a regular file"):
        read_files(tmp_path)


def test_a_file_that_is_too_large_is_cut_one_byte_later(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a" * (2 * MAX_MANIFEST_BYTES))

    assert [len(file.text) for file in read_files(tmp_path)] == [MAX_MANIFEST_BYTES + 1]


def test_a_folder_outside_of_git_has_no_revision(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x")

    assert FolderSource(tmp_path).fetch().revision is None


def test_the_revision_says_dirty_when_the_folder_is_changed(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "desired")
    source = FolderSource(repository / "manifests")
    revision = commit(repository, {"manifests/web01.yaml": MANIFEST, "README.md": "x"})
    assert source.fetch().revision == revision

    (repository / "README.md").write_text("elsewhere")
    assert source.fetch().revision == revision

    (repository / "manifests/web02.yaml").write_text(MANIFEST)
    assert source.fetch().revision == f"{revision}-dirty"

    git(repository, "add", "-A")
    assert source.fetch().revision == f"{revision}-dirty"


def test_a_repository_before_its_first_revision_has_none(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "desired")
    (repository / "a.yaml").write_text("x")

    assert FolderSource(repository).fetch().revision is None


def test_a_source_is_known_by_its_real_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert FolderSource(tmp_path / "link").id == FolderSource(tmp_path / "real").id


def test_a_single_file_has_the_revision_of_its_work_tree(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "desired")
    revision = commit(repository, {"web01.yaml": MANIFEST, "web02.yaml": MANIFEST})
    (repository / "web02.yaml").write_text("changed")

    assert FolderSource(repository / "web01.yaml").fetch().revision == revision
    assert FolderSource(repository / "web02.yaml").fetch().revision == f"{revision}-dirty"
