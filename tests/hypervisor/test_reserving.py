"""Files that nobody had: made at once or not at all, and told from all others."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from reconciler.errors import HypervisorError, PathTaken, StepRefused
from reconciler.hypervisor.reserving import reserve
from reconciler.model.names import ImagePath


def paths(folder: Path, *names: str) -> tuple[ImagePath, ...]:
    return tuple(ImagePath(str(folder / name)) for name in names)


@pytest.mark.parametrize("there", ["file", "empty", "folder", "link", "link to nothing", "fifo"])
def test_what_is_there_is_left_and_nothing_else_is_made(tmp_path: Path, there: str) -> None:
    first, second = paths(tmp_path, "a.qcow2", "b.qcow2")
    at = Path(second)
    match there:
        case "folder":
            at.mkdir()
        case "link" | "link to nothing":
            (tmp_path / "else").write_bytes(b"x" if there == "link" else b"")
            at.symlink_to("else" if there == "link" else "nowhere")
        case "fifo":
            os.mkfifo(at)
        case _:
            at.write_bytes(b"theirs" if there == "file" else b"")
    before = sorted(tmp_path.iterdir())

    with pytest.raises(PathTaken, match="exists already") as met:
        reserve((first, second), "try it")

    assert met.value.path == second
    assert sorted(tmp_path.iterdir()) == before


def test_they_are_empty_and_private(tmp_path: Path) -> None:
    (path,) = paths(tmp_path, "a.qcow2")

    with reserve((path,), "try it") as made:
        assert made.is_empty(path)
        assert Path(path).stat().st_mode & 0o777 == 0o600
        Path(path).write_bytes(b"filled")
        assert made.keeps(path)
        made.give_back()

    assert Path(path).read_bytes() == b"filled"


def test_a_file_that_took_its_place_is_another_one(tmp_path: Path) -> None:
    """Its inode would be the same again, were the first not kept open."""
    (path,) = paths(tmp_path, "a.qcow2")

    with reserve((path,), "try it") as made:
        Path(path).unlink()
        with reserve((path,), "try it too") as theirs:
            assert not made.keeps(path)
            made.give_back()
            assert theirs.is_empty(path)

    assert Path(path).exists()


def test_of_two_at_once_one_gets_it(tmp_path: Path) -> None:
    (path,) = paths(tmp_path, "a.qcow2")
    start, got = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        try:
            with reserve((path,), "try it"):
                got.append(True)
        except PathTaken:
            got.append(False)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == [False] * 7 + [True]


def test_a_folder_that_leads_elsewhere_or_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    with pytest.raises(StepRefused, match="not where it was planned"):
        reserve(paths(tmp_path / "link", "a.qcow2"), "try it")
    with pytest.raises(HypervisorError, match="No such file or directory"):
        reserve(paths(tmp_path / "gone", "a.qcow2"), "try it")
    assert not list((tmp_path / "real").iterdir())


def test_qemu_img_fills_the_very_file(tmp_path: Path) -> None:
    (path,) = paths(tmp_path, "a.qcow2")

    with reserve((path,), "try it") as made:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)

        assert made.keeps(path)
        assert not made.is_empty(path)
