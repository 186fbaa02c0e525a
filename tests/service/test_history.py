"""The history: what is written, what is not, and what becomes of a file in trouble."""

import resource
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reconciler.errors import VirtsnapError
from reconciler.model.controller import PassRecord
from reconciler.model.outcome import DomainStatus
from reconciler.report.history_document import DomainEntryDocument, SourceEntryDocument
from reconciler.service.history import History, Retention
from reconciler.service.history_entries import FILE_NAME, MIGRATIONS, Entry
from reconciler.service.history_reading import read
from reconciler.service.history_watching import HistoryListener, HistoryWatcher
from tests.service.drawn import CREATE, R1, R2, Time, no_space, outcome, passed, plan, source
from tests.service.said import Said

IN_SYNC, REFUSED = DomainStatus.IN_SYNC, DomainStatus.REFUSED


class Desk:
    """A history with its watcher, and a log that remembers."""

    def __init__(self, folder: Path, retention: Retention | None = None) -> None:
        self.folder, self.said, self.time = folder, Said(), Time()
        self.history = History(folder, retention=retention, log=self.said, now=self.time)
        self.watcher = HistoryWatcher(self.history, now=self.time)

    def work(self, name: str = "web01", seconds: float = 2.0) -> None:
        """A domain gets a snapshot."""
        self.watcher.step_started(plan(CREATE, name=name), CREATE)
        self.time.seconds += seconds
        self.watcher.step_finished(plan(CREATE, name=name), CREATE, "not quiesced", seconds)
        self.watcher.domain_ended(outcome(DomainStatus.APPLIED, CREATE, name=name), seconds)

    def read(
        self,
        wanted: Callable[[Entry], bool] = lambda _: True,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        found = read(self.folder, wanted=wanted, since=since, limit=limit)
        assert found is not None
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_domains_work_is_one_entry(desk: Desk) -> None:
    desk.watcher.source_changed(source(None), source(R1))
    desk.work()

    of_source, entry = desk.read()

    assert isinstance(of_source, SourceEntryDocument)
    assert of_source.revision == R1
    assert isinstance(entry, DomainEntryDocument)
    assert (entry.by, entry.domain, entry.revision, entry.status) == (
        "run",
        "web01",
        R1,
        DomainStatus.APPLIED,
    )
    assert entry.seconds == 2.0
    (step,) = entry.steps
    assert (step.action, step.snapshots, step.seconds, step.done, step.note) == (
        "create",
        ("s1",),
        2.0,
        True,
        "not quiesced",
    )


def test_a_step_that_failed_is_there_as_not_done(desk: Desk) -> None:
    desk.watcher.step_started(plan(CREATE), CREATE)
    desk.time.seconds += 5
    error = "cannot reach qemu+tls://u:hunter2@h/system"
    desk.watcher.domain_ended(outcome(DomainStatus.FAILED, CREATE, error=error), 5)

    (entry,) = desk.read()

    assert isinstance(entry, DomainEntryDocument)
    assert [(step.seconds, step.done) for step in entry.steps] == [(5.0, False)]
    assert entry.error == "cannot reach qemu+tls://u:***@h/system"


def test_idle_passes_write_nothing_not_even_a_file(desk: Desk) -> None:
    desk.watcher.domain_ended(outcome(IN_SYNC), 0)
    desk.watcher.pass_ended(passed())

    assert list(desk.folder.iterdir()) == []
    desk.work()
    before = (desk.folder / FILE_NAME).stat().st_mtime_ns, len(desk.read())
    for _ in range(3):
        desk.watcher.domain_ended(outcome(IN_SYNC), 0)
    assert ((desk.folder / FILE_NAME).stat().st_mtime_ns, len(desk.read())) == before


def test_the_same_refusal_is_written_once_also_by_the_next_process(desk: Desk) -> None:
    refused = outcome(REFUSED, refusals=(no_space(),))
    for each in (desk, desk, Desk(desk.folder)):
        each.watcher.domain_ended(refused, 0)
    assert len(desk.read()) == 1

    desk.watcher.domain_ended(outcome(IN_SYNC), 0)
    desk.watcher.domain_ended(outcome(IN_SYNC), 0)
    desk.watcher.domain_ended(refused, 0)

    assert [e.status for e in desk.read() if e.kind == "domain"] == [REFUSED, IN_SYNC, REFUSED]


def test_trouble_of_the_source_and_its_end_are_entries(desk: Desk) -> None:
    bad = source(R1, "it is no YAML", where="manifests/web01.yaml:3:1", hint="virtsnap validate")
    for before, after in ((source(), bad), (bad, bad), (bad, source()), (source(), source(R2))):
        desk.watcher.source_changed(before, after)

    entries = [e for e in desk.read() if e.kind == "source"]

    assert [(e.revision, e.message) for e in entries] == [
        (R1, "it is no YAML"),
        (R1, None),
        (R2, None),
    ]
    assert entries[0].where == "manifests/web01.yaml:3:1"


def test_what_apply_did_is_there_too(desk: Desk) -> None:
    listener = HistoryListener(
        desk.history, by="apply", source="/srv", revision=None, now=desk.time
    )
    listener.step_started(plan(CREATE), CREATE)
    listener.step_progress(plan(CREATE), CREATE, 1, 2)
    listener.step_finished(plan(CREATE), CREATE, "")
    listener.domain_finished(outcome(DomainStatus.APPLIED, CREATE))

    (entry,) = desk.read()

    assert (entry.by, entry.source, entry.revision) == ("apply", "/srv", None)


def test_old_entries_and_too_many_are_dropped(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Retention(age=timedelta(days=2), entries=3))
    for number in range(5):
        desk.work(f"web{number}")
    assert [e.domain for e in desk.read() if e.kind == "domain"] == ["web2", "web3", "web4"]

    desk.time.seconds += 86400 * 3
    desk.work("later")
    assert [e.domain for e in desk.read() if e.kind == "domain"] == ["later"]


def test_the_newest_come_last_and_a_limit_keeps_those(desk: Desk) -> None:
    for number in range(5):
        desk.work(f"web{number}")

    def even(entry: Entry) -> bool:
        return isinstance(entry, DomainEntryDocument) and int(entry.domain[-1]) % 2 == 0

    found = desk.read(even, limit=2)

    assert [e.domain for e in found if e.kind == "domain"] == ["web2", "web4"]
    late = desk.time() - timedelta(seconds=3)
    assert [e.domain for e in desk.read(since=late) if e.kind == "domain"] == ["web4"]


def test_only_its_owner_reads_it_and_reading_changes_nothing(desk: Desk) -> None:
    desk.work()
    names = {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"}
    assert {path.name for path in desk.folder.iterdir()} == names
    assert {path.stat().st_mode & 0o777 for path in desk.folder.iterdir()} == {0o600}
    assert len(desk.read()) == 1, "while the writer has it open"

    desk.history.close()

    assert {path.name for path in desk.folder.iterdir()} == {FILE_NAME}
    mark = (desk.folder / FILE_NAME).stat().st_mtime_ns
    assert len(desk.read()) == 1
    assert {path.name for path in desk.folder.iterdir()} == {FILE_NAME}
    assert (desk.folder / FILE_NAME).stat().st_mtime_ns == mark


def test_no_history_yet_is_no_error(tmp_path: Path) -> None:
    assert read(tmp_path / "none", wanted=lambda _: True, since=None, limit=None) is None
    (tmp_path / FILE_NAME).touch()
    assert read(tmp_path, wanted=lambda _: True, since=None, limit=None) == ()


@pytest.mark.parametrize("spoil", ["text", "middle"])
def test_a_damaged_file_is_moved_aside_and_begun_anew(desk: Desk, spoil: str) -> None:
    desk.work()
    desk.history.close()
    path = desk.folder / FILE_NAME
    damaged = b"no database at all" * 100
    if spoil == "middle":
        whole = path.read_bytes()
        damaged = whole[:100] + b"\xff" * (len(whole) - 100)
    path.write_bytes(damaged)
    with pytest.raises(VirtsnapError, match="it is damaged"):
        desk.read()

    again = Desk(desk.folder)
    again.work("web02")
    again.work("web03")

    assert [e.domain for e in again.read() if e.kind == "domain"] == ["web02", "web03"]
    assert again.said.warnings == ["history begun anew"]
    assert path.with_name(f"{FILE_NAME}.damaged").read_bytes() == damaged


def test_one_of_a_later_version_is_left_alone(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.folder / FILE_NAME)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    desk.work()
    desk.work()

    assert desk.said.warnings == ["history not written"]
    with pytest.raises(VirtsnapError, match="a later version"):
        desk.read()


def test_one_that_is_locked_is_written_with_the_next_entry(desk: Desk) -> None:
    desk.work("web01")
    with closing(sqlite3.connect(desk.folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        desk.work("web02")
        assert desk.said.warnings == ["history not written"]
        other.execute("ROLLBACK")
    desk.work("web03")

    assert [e.domain for e in desk.read() if e.kind == "domain"] == ["web01", "web02", "web03"]
    assert [event for _, event, _ in desk.said.lines][1:] == ["history written again"]


def test_a_full_disk_is_said_once_and_what_waited_is_written_later(desk: Desk) -> None:
    desk.work("web01")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        desk.work("web02")
        desk.work("web03")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert desk.said.warnings == ["history not written"]

    desk.history.close()

    assert [e.domain for e in desk.read() if e.kind == "domain"] == ["web01", "web02", "web03"]


def test_a_link_in_its_place_is_not_followed(desk: Desk) -> None:
    target = desk.folder / "precious"
    target.write_text("x")
    (desk.folder / FILE_NAME).symlink_to(target)

    desk.work()

    assert target.read_text() == "x"
    assert desk.said.warnings == ["history not written"]


def test_many_write_at_once_and_somebody_reads(desk: Desk) -> None:
    other = Desk(desk.folder)
    threads = [
        threading.Thread(target=each.work, args=(f"web{number}",))
        for number in range(20)
        for each in (desk, other)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(read(desk.folder, wanted=lambda _: True, since=None, limit=None) or ()) <= 40
    desk.history.close()
    other.history.close()

    assert len(desk.read()) == 40


def test_a_name_that_is_no_utf_8_is_kept(desk: Desk) -> None:
    error = "cannot open /srv/\udc80.qcow2"
    desk.watcher.domain_ended(outcome(DomainStatus.FAILED, error=error), 0)
    desk.work("web02")

    first, _ = desk.read()

    assert isinstance(first, DomainEntryDocument)
    assert first.error == error


def test_a_pass_record_is_told_and_ignored(desk: Desk) -> None:
    record: PassRecord = passed()
    desk.watcher.pass_ended(record)
    assert not (desk.folder / FILE_NAME).exists()
