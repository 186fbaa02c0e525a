"""What a branch or tag names, read from git's files: a few system calls, asked every two seconds."""

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.source.wanted import Revision, Wanted, ref_of

_HASH = re.compile(rb"[0-9a-f]{40}")
_NEXT = re.compile(rb"ref: *([^\s]+)\s*")
#: HEAD names a branch, which may name another.
_DEEPEST = 5
#: Nanoseconds: a file changed a shorter time ago may change again and look the same.
_FRESH = 50_000_000


@dataclass(slots=True, kw_only=True)
class Refs:
    """The folder of one work tree's own HEAD, and the one of all refs."""

    own: Path
    common: Path
    #: the packed refs and what they looked like when read; they may be thousands
    _packed: dict[bytes, bytes] = field(default_factory=dict)
    _packed_state: tuple[int, ...] | None = None

    def are_there(self) -> bool:
        """The repository is still where it was."""
        return (self.own / "HEAD").is_file() and (self.common / "objects").is_dir()

    def named(self, wanted: Wanted) -> str | None:
        """The object that *wanted* names; None when nothing does."""
        return wanted.hash if isinstance(wanted, Revision) else self.at(ref_of(wanted))

    def at(self, ref: str) -> str | None:
        """The object that *ref* names, by way of other refs too."""
        for _ in range(_DEEPEST):
            content = _content(self.own / ref if ref == "HEAD" else self.common / ref)
            if content is None:
                content = self._packed_ref(ref)
            if content is None:
                return None
            if found := _HASH.match(content):
                return found[0].decode("ascii")
            following = _NEXT.match(content)
            if following is None:
                return None
            ref = os.fsdecode(following[1])
        return None

    def _packed_ref(self, ref: str) -> bytes | None:
        path = self.common / "packed-refs"
        try:
            found = path.stat()
        except OSError:
            return None
        state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        is_fresh = time.time_ns() - max(state[2:]) < _FRESH
        if state != self._packed_state or is_fresh:
            self._packed = dict(_entries(_content(path) or b""))
            self._packed_state = state
        return self._packed.get(os.fsencode(ref))


def _entries(content: bytes) -> list[tuple[bytes, bytes]]:
    """Name and object, of the lines that name something."""
    parts = [line.split(b" ", 1) for line in content.split(b"\n") if line[:1] not in b"#^"]
    return [(part[1], part[0]) for part in parts if len(part) == 2]


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
