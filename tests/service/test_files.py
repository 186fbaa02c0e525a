"""How files of ours are replaced: whole or not at all, and nobody else's."""

import os
import stat
from pathlib import Path

import pytest

from reconciler.machine import files


def test_the_new_content_has_the_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.replace(tmp_path / "a", "new", mode=0o644)
    finally:
        os.umask(before)

    assert (tmp_path / "a").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["a", ".a.new"])
def test_a_link_in_its_place_is_not_followed(tmp_path: Path, name: str) -> None:
    other = tmp_path / "other"
    other.write_text("somebody's")
    (tmp_path / name).symlink_to(other)

    files.replace(tmp_path / "a", "new")

    assert other.read_text() == "somebody's"
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


def test_what_one_that_died_left_is_nobodys_content(tmp_path: Path) -> None:
    left = tmp_path / ".a.new"
    left.write_text("half, and longer than the new")
    os.link(left, tmp_path / "hard link")

    files.replace(tmp_path / "a", b"new")

    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "hard link").read_text() == "half, and longer than the new"


@pytest.mark.parametrize("fails", ["fsync", "fchmod"])
def test_where_it_cannot_be_written_the_old_stays_and_nothing_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    (tmp_path / "a").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        files.replace(tmp_path / "a", "new")

    assert (tmp_path / "a").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_file_and_folder_are_synced_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(stat.S_ISDIR(os.fstat(fd).st_mode)))

    files.replace(tmp_path / "a", "1")
    files.replace(tmp_path / "a", "2", is_lasting=False)

    assert seen == [False, True]
