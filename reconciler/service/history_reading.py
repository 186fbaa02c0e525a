"""The history as it is read: nothing is changed, not even for a moment."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

from reconciler.errors import VirtsnapError
from reconciler.service.history_entries import (
    DAMAGED,
    FILE_NAME,
    Entry,
    TooNewError,
    as_entry,
    code_of,
    version_of,
    words_of,
)

#: seconds
_PATIENCE = 5.0


def read(
    folder: Path, *, wanted: Callable[[Entry], bool], since: datetime | None, limit: int | None
) -> tuple[Entry, ...] | None:
    """The newest *limit* of the entries that are *wanted*, the newest last; None: no history yet.

    Changes nothing, not even for a moment, also while somebody writes.
    """
    path = folder / FILE_NAME
    for _ in range(2):
        try:
            before = _mark(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        is_written = path.with_name(f"{FILE_NAME}-wal").exists()
        try:
            found = _read(path, wanted, since, limit, is_written=is_written)
        except (sqlite3.Error, OSError, TooNewError) as error:
            fault = _unreadable(path, error)
            if is_written or _is_same(path, before):
                raise fault from error
            continue
        if is_written or _is_same(path, before):
            return found
    return found


def _mark(path: Path) -> tuple[int, int, int]:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_same(path: Path, before: tuple[int, int, int]) -> bool:
    """Nobody has begun to write since."""
    return not path.with_name(f"{FILE_NAME}-wal").exists() and _mark(path) == before


def _read(
    path: Path,
    wanted: Callable[[Entry], bool],
    since: datetime | None,
    limit: int | None,
    *,
    is_written: bool,
) -> tuple[Entry, ...]:
    # Nobody has it open: SQLite would make files beside it to share it with nobody (law 7).
    how = "mode=ro" if is_written else "immutable=1"
    uri = f"{path.resolve().as_uri()}?{how}"
    found: list[Entry] = []
    with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as connection:
        if version_of(connection) == 0:
            return ()
        rows = connection.execute(
            "SELECT body FROM entry WHERE begun >= ? ORDER BY id DESC",
            ((since or datetime.fromtimestamp(0, UTC)).timestamp(),),
        )
        for (body,) in rows:
            entry = as_entry(body)
            if entry is not None and wanted(entry):
                found.append(entry)
            if limit is not None and len(found) >= limit:
                break
    return tuple(reversed(found))


def _unreadable(path: Path, error: Exception) -> VirtsnapError:
    if code_of(error) in DAMAGED:
        return VirtsnapError(
            f"cannot read the history {path}: it is damaged",
            hint="the next virtsnap that writes to it moves it aside and begins anew",
        )
    is_denied = isinstance(error, PermissionError)
    hint = "run it with sudo" if is_denied else f"ls -l {quote(str(path))}"
    return VirtsnapError(f"cannot read the history {path}: {words_of(error)}", hint=hint)
