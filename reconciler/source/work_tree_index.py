"""What git's index lists and the work tree may lack: read from the file, without asking git.

git would obey the settings of a repository that may belong to somebody else, and refuses to look
into it for that reason.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.manifest_file import is_hidden
from reconciler.source.object_format import uses_sha256
from reconciler.source.overlooked import is_worth_reading

_FOLDER = 0o040000
_SUBMODULE = 0o160000
_KIND = 0o170000
#: Bytes of an entry before its hash, and where in them the mode is.
_BEFORE_HASH = 40
_MODE_AT = 24
_EXTENDED = 0x4000
_SKIP_WORKTREE = 0x4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """*path* is from the top of the work tree."""

    path: str
    mode: int
    #: by ``git sparse-checkout``, or ``git update-index --skip-worktree``
    is_left_out: bool


def demand_checked_out(top: Path, folder: Path) -> None:
    """``SourceError`` when the work tree at *top* lacks something below its real *folder*."""
    git = _git_folder(top)
    index = git / "index"
    try:
        entries = _all_entries(git, index.read_bytes(), 32 if uses_sha256(git) else 20)
    except FileNotFoundError:
        return  # nothing was ever added
    except (OSError, ValueError, struct.error, IndexError) as error:
        raise SourceError(
            f"cannot read {index}: {error}", hint=f"git -C {quote(str(top))} status"
        ) from error
    for entry in entries:
        path = top / entry.path
        if not path.is_relative_to(folder) or is_hidden(path.relative_to(folder).as_posix()):
            continue
        if entry.mode & _KIND == _SUBMODULE and not _holds_something(path):
            raise SourceError(
                f"cannot read {path}: it is a submodule that is not checked out",
                hint=f"git -C {quote(str(top))} submodule update --init -- {quote(entry.path)}",
            )
        is_asked_for = entry.mode & _KIND == _FOLDER or is_worth_reading(path.name)
        if entry.is_left_out and is_asked_for and not os.path.lexists(path):
            raise SourceError(
                f"cannot read {path}: git left it out of this work tree",
                hint=f"git -C {quote(str(top))} sparse-checkout disable",
            )


def top_above(folder: Path) -> Path | None:
    """The top of the work tree that *folder*, a real path, is in."""
    return next((up for up in (folder, *folder.parents) if (up / ".git").exists()), None)


def _git_folder(top: Path) -> Path:
    git = top / ".git"
    if git.is_dir():
        return git
    named = git.read_text(errors="surrogateescape").removeprefix("gitdir:").strip()
    return top / named


def _holds_something(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


def _all_entries(git: Path, index: bytes, hash_bytes: int) -> list[Entry]:
    """Those of *index*, and of the one that it is split off from.

    What the former takes out of the latter is not taken out here: better one too many.
    """
    entries, at = _entries(index, hash_bytes)
    while at + 8 <= len(index) - hash_bytes:
        signature, length = struct.unpack_from(">4sI", index, at)
        shared = index[at + 8 : at + 8 + hash_bytes]
        if signature == b"link" and any(shared):
            base = (git / f"sharedindex.{shared.hex()}").read_bytes()
            entries += _entries(base, hash_bytes)[0]
        at += 8 + length
    # An entry that only changes one of the other index has no name.
    return [entry for entry in entries if entry.path]


def _entries(index: bytes, hash_bytes: int) -> tuple[list[Entry], int]:
    """And where they end."""
    signature, version, count = struct.unpack_from(">4sII", index)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError(f"it is no index that is known here ({signature!r} {version})")
    found: list[Entry] = []
    at, name = 12, b""
    for _ in range(count):
        start = at
        (mode,) = struct.unpack_from(">I", index, at + _MODE_AT)
        at += _BEFORE_HASH + hash_bytes
        (flags,) = struct.unpack_from(">H", index, at)
        at += 2
        more = 0
        if flags & _EXTENDED:
            (more,) = struct.unpack_from(">H", index, at)
            at += 2
        if version == 4:
            cut, at = _number(index, at)
            name = name[: len(name) - cut]
        else:
            name = b""
        end = index.index(b"\0", at)
        name += index[at:end]
        # Versions 2 and 3 fill an entry with 1 to 8 zeros to a multiple of 8.
        at = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8
        path = os.fsdecode(name).rstrip("/")
        found.append(Entry(path=path, mode=mode, is_left_out=bool(more & _SKIP_WORKTREE)))
    return found, at


def _number(index: bytes, at: int) -> tuple[int, int]:
    """A number as git packs it (7 bits a byte, one added for each that follows), and what is next."""
    byte = index[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = index[at]
        value = (value + 1) << 7 | byte & 0x7F
    return value, at + 1
