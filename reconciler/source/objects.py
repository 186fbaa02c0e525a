"""Reading a repository's objects: nothing is checked out, and each is proven by its name."""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from git import GitError, InvalidGitRepositoryError, NoSuchPathError, Repo
from git.exc import ODBError

from reconciler.errors import SourceError
from reconciler.source.object_format import demand_known_format

#: Tags of tags that are followed.
_DEEPEST_TAG = 5
#: What GitPython and gitdb raise for a repository that is damaged or may not be read.
UNREADABLE = (
    *(GitError, ODBError, OSError, zlib.error, struct.error),
    *(ValueError, LookupError, EOFError, AssertionError),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitObject:
    """*kind* is ``commit``, ``tag``, ``tree`` or ``blob``."""

    name: bytes
    kind: str
    content: bytes

    def header(self, key: str) -> str:
        """The first line that begins with *key*, of a commit or tag."""
        before_text = self.content.partition(b"\n\n")[0]
        for line in before_text.split(b"\n"):
            if line.startswith(f"{key} ".encode()):
                return line[len(key) + 1 :].decode("utf-8", errors="replace")
        raise ValueError(f"the {self.kind} {self.name.hex()} has no {key}")


@contextmanager
def opened(path: Path) -> Iterator[Repo]:
    """The repository at *path*, only to be read; nothing that it has not got is fetched."""
    try:
        repository = Repo(path)
    except NoSuchPathError:
        raise SourceError(
            f"cannot read {path}: there is no such folder", hint="give the path of a git repository"
        ) from None
    except InvalidGitRepositoryError:
        raise SourceError(
            f"cannot read {path}: it is not a git repository",
            hint=f"git -C {quote(str(path))} init",
        ) from None
    except (GitError, OSError) as error:
        raise SourceError(f"cannot read {path}: {first_line(error)}") from error
    with repository:
        demand_known_format(path, Path(repository.git_dir))
        repository.git.update_environment(
            GIT_ALLOW_PROTOCOL="none", GIT_NO_LAZY_FETCH="1", GIT_NO_REPLACE_OBJECTS="1"
        )
        # A hook that starts us has these set for its own repository.  GIT_DIR, when set, switches
        # off git's look at who owns the repository, so nothing is set without need.
        here = {
            "GIT_DIR": repository.git_dir,
            "GIT_COMMON_DIR": repository.common_dir,
            "GIT_OBJECT_DIRECTORY": Path(repository.common_dir, "objects"),
        }
        repository.git.update_environment(
            **{name: str(path) for name, path in here.items() if name in os.environ}
        )
        yield repository


def first_line(error: BaseException) -> str:
    """Of what somebody else's library says."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def read(repository: Repo, name: bytes) -> GitObject:
    """An object, proven by its name: a damaged one may read as a shorter one."""
    stream = repository.odb.stream(name)
    kind, content = bytes(stream.type), stream.read()
    del stream  # it reads on when it goes, which must be before git has gone
    whole = b"%s %d\0%s" % (kind, len(content), content)
    if hashlib.sha1(whole, usedforsecurity=False).digest() != name:
        raise ValueError(f"the object {name.hex()} is damaged")
    return GitObject(name=name, kind=kind.decode("ascii"), content=bytes(content))


def revision_behind(repository: Repo, found: GitObject) -> GitObject:
    """The revision that *found* is, or that it names as a tag."""
    for _ in range(_DEEPEST_TAG):
        if found.kind != "tag":
            break
        found = read(repository, bytes.fromhex(found.header("object")))
    if found.kind != "commit":
        raise ValueError(f"{found.name.hex()} is not a revision but a {found.kind}")
    return found
