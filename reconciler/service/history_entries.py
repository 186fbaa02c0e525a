"""The entries of the history as they lie in its file."""

import json
import sqlite3

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from reconciler.report.history_document import (
    DomainEntryDocument,
    EntryDocument,
    SourceEntryDocument,
)

Entry = DomainEntryDocument | SourceEntryDocument

FILE_NAME = "history.sqlite"
#: One tuple of statements a version; ``user_version`` counts those that were done.
MIGRATIONS = (
    (
        """CREATE TABLE entry (
            id INTEGER PRIMARY KEY, begun REAL NOT NULL, kind TEXT NOT NULL,
            host TEXT NOT NULL, domain TEXT NOT NULL, body TEXT NOT NULL)""",
        "CREATE INDEX entry_of ON entry (kind, host, domain, id)",
        "CREATE INDEX entry_begun ON entry (begun)",
    ),
)
#: what SQLite says of a file that is none, or is damaged
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ENTRY: TypeAdapter[Entry] = TypeAdapter(EntryDocument)


class TooNewError(Exception):
    """A later version of virtsnap wrote it."""


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations were done, 0 in a new file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise TooNewError("a later version of virtsnap wrote it")
    return int(version)


def key_of(entry: Entry) -> tuple[str, str, str]:
    """Kind, host and domain, or the source."""
    if isinstance(entry, SourceEntryDocument):
        return entry.kind, "", entry.source.encode("utf-8", "backslashreplace").decode()
    return entry.kind, entry.host, entry.domain


def has_no_steps(entry: Entry) -> bool:
    """Nothing was done."""
    return isinstance(entry, SourceEntryDocument) or not entry.steps


def is_well(entry: Entry) -> bool:
    """There is nothing to say of it to somebody who has heard nothing yet."""
    return (
        isinstance(entry, DomainEntryDocument)
        and not entry.steps
        and standing_of(entry) == (True, (), 0, None)
    )


def standing_of(entry: Entry) -> tuple[object, ...]:
    """What is worth an entry when it becomes another, also where nothing is done."""
    if isinstance(entry, SourceEntryDocument):
        return entry.revision, entry.message, entry.where
    is_done = entry.status in ("in sync", "applied")
    refused = tuple(sorted((r.code.value, r.snapshot or "", r.message) for r in entry.refusals))
    return is_done or entry.status, refused, entry.held, entry.error


def as_body(entry: Entry) -> str:
    """*entry* as it is kept."""
    try:
        return entry.model_dump_json(by_alias=True)
    except PydanticSerializationError:
        # the name of a file that is no UTF-8
        return json.dumps(entry.model_dump(mode="json", by_alias=True))


def as_entry(body: str) -> Entry | None:
    """What was kept; None for what cannot be read."""
    try:
        return _ENTRY.validate_python(json.loads(body))
    except (ValueError, ValidationError):
        return None


def code_of(error: Exception) -> int:
    """SQLite's primary code, 0 of other errors."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def words_of(error: Exception) -> str:
    """The cause, in lower case."""
    return str(getattr(error, "strerror", None) or error).lower()
