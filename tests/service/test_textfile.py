"""The file that the node_exporter reads."""

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as from_text
from structlog.testing import capture_logs

from reconciler.model.controller import ControllerState
from reconciler.service.metrics import Metrics
from reconciler.service.textfile import TextFile
from tests.service.controllers import outcome, passed, state, web


def samples(path: Path) -> dict[str, float]:
    found = from_text(path.read_text())
    return {sample.name: sample.value for family in found for sample in family.samples}


@contextmanager
def writing(
    path: Path, states: list[ControllerState]
) -> Iterator[tuple[TextFile, threading.Event]]:
    """A text file at work; the event is set whenever it was about to be written."""
    is_read = threading.Event()

    def snapshot() -> ControllerState:
        is_read.set()
        return states[-1]

    found = TextFile(path, Metrics(snapshot), clock=lambda: 1234.0)
    found.start()
    try:
        yield found, is_read
    finally:
        found.stop()


def test_a_pass_is_written_for_all_to_read(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    with writing(path, [state(web())]) as (textfile, is_read):
        textfile.pass_ended(passed())
        assert is_read.wait(60)
    found = samples(path)

    assert found["virtsnap_ready"] == 1
    assert found["virtsnap_textfile_written_timestamp_seconds"] == 1234
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_each_end_of_a_domain_is_written(tmp_path: Path) -> None:
    with writing(tmp_path / "virtsnap.prom", [state(web())]) as (textfile, is_read):
        textfile.domain_ended(outcome(), 1.0)

        assert is_read.wait(60)


def test_what_belongs_to_the_node_exporter_is_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    with writing(path, [state(web())]):
        pass

    assert not [name for name in samples(path) if not name.startswith("virtsnap_")]


def test_it_stays_when_the_controller_ends_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    states = [state(web())]
    with writing(path, states) as (textfile, _):
        textfile.write()
        assert samples(path)["virtsnap_stopping"] == 0
        states.append(replace(states[-1], is_stopping=True))

    assert samples(path)["virtsnap_stopping"] == 1


def test_what_was_there_before_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    path.write_text("old")
    with path.open() as reader, writing(path, [state()]) as (textfile, _):
        textfile.write()

        assert reader.read() == "old"
        assert samples(path)["virtsnap_ready"] == 1


def test_a_folder_that_is_not_there_is_told_once_and_written_when_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "collector"
    path = folder / "virtsnap.prom"
    with capture_logs() as logs, writing(path, [state()]) as (textfile, _):
        for _ in range(3):
            textfile.write()
        folder.mkdir()
        textfile.write()

    assert samples(path)["virtsnap_ready"] == 1
    assert [log["error"] for log in logs] == [f"cannot write {path}: No such file or directory"]


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "virtsnap.prom"
    (path / "in the way").mkdir(parents=True)
    with capture_logs() as logs, writing(path, [state()]) as (textfile, _):
        textfile.write()

    assert list(tmp_path.iterdir()) == [path]
    assert len(logs) == 1


def test_an_error_of_ours_does_not_reach_the_controller(tmp_path: Path) -> None:
    with capture_logs() as logs, writing(tmp_path / "virtsnap.prom", []) as (textfile, _):
        textfile.write()

    assert "IndexError" in logs[0]["error"]
