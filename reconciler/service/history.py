"""What was done, kept for people in SQLite.  Losing it changes no decision."""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reconciler.service.history_entries import (
    DAMAGED,
    FILE_NAME,
    MIGRATIONS,
    Entry,
    TooNewError,
    as_body,
    as_entry,
    code_of,
    has_no_steps,
    is_well,
    key_of,
    standing_of,
    version_of,
    words_of,
)
from reconciler.service.log import Log

#: seconds; another virtsnap writes a few rows and no more
_BUSY_SECONDS = 0.5
#: entries that wait while nothing can be written
_WAITING = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept: nothing older than *age*, and no more than *entries*."""

    age: timedelta = timedelta(days=365)
    entries: int = 10000


class History:
    """The writing side: from any thread; never raises, and never waits for long.

    What cannot be written now (locked, disk full) is written with the next entry.  A damaged file
    is moved aside.
    """

    def __init__(
        self, folder: Path, *, retention: Retention | None, log: Log, now: Callable[[], datetime]
    ) -> None:
        self._path = folder / FILE_NAME
        self._retention, self._log, self._now = retention, log, now
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._waiting: deque[Entry] = deque(maxlen=_WAITING)
        self._fault = ""
        #: the standing that was written last, of each domain and source
        self._standing: dict[tuple[str, str, str], tuple[object, ...]] = {}

    def write(self, entry: Entry) -> None:
        """Keep *entry*, unless it has no steps and says what the one before it said."""
        with self._lock:
            key = key_of(entry)
            if has_no_steps(entry) and self._standing.get(key) == standing_of(entry):
                return
            self._standing[key] = standing_of(entry)
            if is_well(entry) and not self._path.exists():
                return
            self._waiting.append(entry)
            try:
                self._write_all()
            except (sqlite3.Error, OSError, ValueError, TooNewError) as error:
                self._failed(error)
            else:
                self._tell("")

    def close(self) -> None:
        """Write what waits, once more, and let the file go."""
        with self._lock:
            if self._waiting:
                with suppress(sqlite3.Error, OSError, ValueError, TooNewError):
                    self._write_all()
            self._drop()

    def _write_all(self) -> None:
        connection = self._connection or self._opened()
        self._connection = connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for entry in self._waiting:
                _insert(connection, entry)
            self._prune(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self._waiting.clear()

    def _prune(self, connection: sqlite3.Connection) -> None:
        if self._retention is None:
            return
        oldest = (self._now() - self._retention.age).timestamp()
        connection.execute("DELETE FROM entry WHERE begun < ?", (oldest,))
        connection.execute(
            "DELETE FROM entry WHERE id <= (SELECT max(id) FROM entry) - ?",
            (self._retention.entries,),
        )

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives its other files the mode of this one
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(self._path, flags, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _failed(self, error: Exception) -> None:
        self._drop()
        if code_of(error) in DAMAGED:
            aside = self._path.with_name(f"{FILE_NAME}.damaged")
            with suppress(OSError):
                self._path.replace(aside)
                for end in ("-wal", "-shm"):
                    self._path.with_name(FILE_NAME + end).unlink(missing_ok=True)
                self._log.warning("history begun anew", cause=str(error), kept=str(aside))
                with suppress(sqlite3.Error, OSError):
                    self._write_all()
                return
        self._tell(words_of(error))

    def _tell(self, fault: str) -> None:
        """Say it once, and once more when it is over."""
        if fault and fault != self._fault:
            self._log.warning("history not written", file=str(self._path), cause=fault)
        elif self._fault and not fault:
            self._log.info("history written again", file=str(self._path))
        self._fault = fault

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    kind, host, domain = key_of(entry)
    if has_no_steps(entry):
        before = connection.execute(
            "SELECT body FROM entry WHERE kind = ? AND host = ? AND domain = ?"
            " ORDER BY id DESC LIMIT 1",
            (kind, host, domain),
        ).fetchone()
        known = as_entry(before[0]) if before else None
        if (known is None and is_well(entry)) or (
            known is not None and standing_of(known) == standing_of(entry)
        ):
            return
    connection.execute(
        "INSERT INTO entry (begun, kind, host, domain, body) VALUES (?, ?, ?, ?, ?)",
        (entry.at.timestamp(), kind, host, domain, as_body(entry)),
    )
