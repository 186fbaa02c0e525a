"""What is being written is not believed: time is given, nothing sleeps."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.source import folder
from reconciler.source.folder import FolderSource
from reconciler.source.local import PathSource
from reconciler.source.plain_files import Found, found_below
from reconciler.source.stillness import LONGEST, STILL, Patience
from tests.source.ageing import aged

START = 1_800_000_000.0
Deed = Callable[[], object]


class Time:
    """Passes only while somebody waits; meanwhile *deeds* happen, each at its second."""

    def __init__(self, deeds: dict[float, Deed] | None = None) -> None:
        self.passed = 0.0
        self.deeds = deeds or {}
        self.is_over = False

    def now(self) -> float:
        """Seconds since 1970."""
        return START + self.passed

    def wait(self, seconds: float) -> None:
        """Let it pass; what happens meanwhile leaves its time in the file system."""
        self.passed += seconds
        for at in sorted(at for at in self.deeds if at <= self.passed):
            self.deeds.pop(at)()

    def write(self, path: Path, text: str) -> None:
        """As a program does that writes in one go."""
        path.write_text(text)
        self.touch(path)

    def remove(self, path: Path) -> None:
        path.unlink()
        self.touch(path.parent)

    def touch(self, path: Path) -> None:
        """It is written to now."""
        for each in {path, path.parent}:
            os.utime(each, (self.now(), self.now()))

    @property
    def patience(self) -> Patience:
        return Patience(now=self.now, wait=self.wait, is_over=lambda: self.is_over)


@pytest.fixture
def web01(tmp_path: Path) -> Path:
    """A manifest of long ago."""
    path = tmp_path / "web01.yaml"
    path.write_text("s1 s2")
    aged(path)
    return path


def text(source: FolderSource) -> list[str]:
    return [file.text.decode() for file in source.fetch().files]


def test_what_was_written_long_ago_is_believed_at_once(web01: Path) -> None:
    time = Time()

    assert text(FolderSource(web01.parent, time.patience)) == ["s1 s2"]
    assert time.passed == 0


@pytest.mark.parametrize("seconds", [0.15, 2.9])
@pytest.mark.parametrize("half", ["", "s1"])
def test_a_file_truncated_and_written_again_never_said_less(
    web01: Path, half: str, seconds: float
) -> None:
    time = Time()
    time.deeds = {seconds: lambda: time.write(web01, "s1 s2")}
    source = FolderSource(web01.parent, time.patience)
    assert text(source) == ["s1 s2"]
    time.write(web01, half)

    assert text(source) == ["s1 s2"]
    # it is what it was: nobody waits for what says nothing new
    assert time.passed < seconds + 0.25


@pytest.mark.parametrize("is_first", [True, False])
def test_a_file_removed_and_written_anew_was_never_gone(web01: Path, *, is_first: bool) -> None:
    other = web01.with_name("web02.yaml")
    other.write_text("x")
    aged(other)
    time = Time()
    source = FolderSource(web01.parent, time.patience)
    if not is_first:
        source.fetch()
    time.deeds = {2.0: lambda: time.write(web01, "s1 s2 s3")}
    time.remove(web01)

    assert text(source) == ["s1 s2 s3", "x"]
    assert time.passed >= 2 + STILL


def test_what_stands_still_counts_however_new_it_is(web01: Path) -> None:
    time = Time()
    time.remove(web01)
    time.write(web01.with_name("web02.yaml"), "x")

    assert text(FolderSource(web01.parent, time.patience)) == ["x"]
    assert time.passed == STILL


def test_an_editor_that_renames_is_waited_for_like_any_other(web01: Path) -> None:
    time = Time()
    time.write(web01.with_name("4913"), "s1")
    web01.with_name("4913").rename(web01)

    assert text(FolderSource(web01.parent, time.patience)) == ["s1"]
    assert time.passed == STILL


def test_a_copy_with_the_times_of_the_original_is_waited_for(web01: Path) -> None:
    # rsync -a, tar: each file gets its old time when it is whole, the folder at the very end
    time = Time()
    more = web01.with_name("web02.yaml")

    def copy() -> None:
        more.write_text("x")
        os.utime(more, (START - 5000, START - 5000))
        time.touch(web01.parent)

    time.deeds = {2.5: copy}
    time.touch(web01.parent)

    assert text(FolderSource(web01.parent, time.patience)) == ["s1 s2", "x"]


def test_times_of_a_clock_that_is_ahead_tell_nothing(web01: Path) -> None:
    time = Time()
    os.utime(web01, (START + 9000, START + 9000))
    source = FolderSource(web01.parent, time.patience)

    assert text(source) == ["s1 s2"]
    assert time.passed == STILL
    assert text(source) == ["s1 s2"]
    assert time.passed == STILL


def test_a_file_that_stays_empty_is_an_error(web01: Path) -> None:
    time = Time()
    web01.write_text("")
    source = FolderSource(web01.parent, time.patience)

    for read in (source.fetch, source.glance):
        with pytest.raises(SourceError, match="it is empty") as caught:
            read()
        assert caught.value.hint


def test_what_somebody_has_open_to_write_is_unfinished_however_long_it_takes(web01: Path) -> None:
    time = Time()
    source = FolderSource(web01.parent, time.patience)
    with web01.open("r+") as stream:
        aged(web01)
        with pytest.raises(SourceError, match="open to write"):
            source.fetch()
        assert time.passed == STILL
        time.deeds = {time.passed + 1: stream.close}
        assert text(source) == ["s1 s2"]


def test_somebody_who_only_reads_hinders_nobody(web01: Path) -> None:
    time = Time()
    with web01.open():
        assert text(FolderSource(web01.parent, time.patience)) == ["s1 s2"]
    assert time.passed == 0


def test_what_never_stands_still_is_an_error_in_the_end(web01: Path) -> None:
    time = Time()

    def restless() -> None:
        time.write(web01, f"at {time.passed}")
        time.deeds[time.passed + 1] = restless

    restless()
    with pytest.raises(SourceError, match="do not stand still"):
        FolderSource(web01.parent, time.patience).fetch()
    assert time.passed == LONGEST


def test_what_is_written_again_and_again_with_the_same_words_is_believed(web01: Path) -> None:
    time = Time()

    def again() -> None:
        time.write(web01, "same")
        time.deeds[time.passed + 1] = again

    again()
    assert text(FolderSource(web01.parent, time.patience)) == ["same"]


def test_the_end_is_not_waited_for(web01: Path) -> None:
    time = Time()
    time.is_over = True
    time.touch(web01)

    with pytest.raises(SourceError, match="about to end"):
        FolderSource(web01.parent, time.patience).fetch()
    assert time.passed == 0


def test_a_file_that_goes_while_its_folder_is_read_is_looked_for_again(
    web01: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()

    def found(location: Path) -> Found:
        there = found_below(location)
        if time.passed < 1 and web01.exists():
            time.remove(web01)
        return there

    time.deeds = {1.0: lambda: time.write(web01, "s3")}
    monkeypatch.setattr(folder, "found_below", found)

    assert text(FolderSource(web01.parent, time.patience)) == ["s3"]


def test_a_path_that_shows_to_be_a_folder_is_read_alike(web01: Path) -> None:
    time = Time()
    time.write(web01, "s1")
    source = PathSource(web01.parent, lambda: pytest.fail("no repository"), time.patience)

    source.fetch()

    assert time.passed == STILL
