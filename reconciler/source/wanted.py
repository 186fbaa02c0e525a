"""Which revision of a repository counts."""

import re
from dataclasses import dataclass
from typing import assert_never

from reconciler.errors import UsageError

_NOT_IN_NAMES = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")
_HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Head:
    """What the repository's HEAD names."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The newest revision of a branch."""

    name: str

    def __post_init__(self) -> None:
        _check("branch", self.name)


@dataclass(frozen=True, slots=True)
class Tag:
    """What a tag names."""

    name: str

    def __post_init__(self) -> None:
        _check("tag", self.name)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision for ever, by its full hash: a shorter one may come to name another."""

    hash: str

    def __post_init__(self) -> None:
        if not _HASH.fullmatch(self.hash):
            raise UsageError(
                f"cannot use revision {self.hash}: it is not a full hash of 40 digits 0-9a-f",
                hint="git rev-parse HEAD",
            )


Wanted = Head | Branch | Tag | Revision


def ref_of(wanted: Wanted) -> str:
    """How the other side knows it."""
    match wanted:
        case Head():
            return "HEAD"
        case Branch(name):
            return f"refs/heads/{name}"
        case Tag(name):
            return f"refs/tags/{name}"
        case Revision(name):
            return name
        case _:
            assert_never(wanted)


def words_for(wanted: Wanted) -> str:
    """How people know it."""
    match wanted:
        case Head():
            return "HEAD"
        case Branch(name):
            return f"branch {name}"
        case Tag(name):
            return f"tag {name}"
        case Revision(name):
            return f"revision {name[:12]}"
        case _:
            assert_never(wanted)


def _check(what: str, name: str) -> None:
    """What git takes for a name (git check-ref-format), less what it could take for an option."""
    if (
        not name
        or name.startswith(("-", ".", "/"))
        or name.endswith(("/", "."))
        or name == "@"
        or _NOT_IN_NAMES.search(name)
    ):
        raise UsageError(
            f"cannot use {what} {name!r}: git has no such names",
            hint=f"git check-ref-format --branch NAME says what can be a {what}",
        )
