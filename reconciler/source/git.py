"""Manifests in a local git repository, read from its objects: nothing is checked out."""

import hashlib
import os
import struct
import zlib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shlex import quote

from git import GitError, InvalidGitRepositoryError, NoSuchPathError, Repo, SymbolicReference
from git.exc import ODBError
from git.objects.fun import tree_entries_from_data

from reconciler.errors import SourceError
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES, ManifestFile, is_manifest_path
from reconciler.source.source import Fetched

_FOLDER = 0o040000
_SYMLINK = 0o120000
_REGULAR = 0o100000
_KIND = 0o170000
#: What GitPython and gitdb raise for a repository that is damaged or may not be read.
_UNREADABLE = (
    *(GitError, ODBError, OSError, zlib.error, struct.error),
    *(ValueError, LookupError, EOFError, AssertionError),
)


class GitSource:
    """The folder *subfolder* of a branch; without *branch*, of what HEAD names."""

    def __init__(
        self, repository: Path, *, subfolder: str = "manifests", branch: str | None = None
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._parts = tuple(part for part in PurePosixPath(subfolder).parts if part != ".")
        if subfolder.startswith("/") or ".." in self._parts:
            raise SourceError(
                f"cannot use folder {subfolder}: it is not a path inside of the repository"
            )

    @property
    def id(self) -> str:
        """The real path of the repository and the path inside."""
        real = Path(os.path.realpath(self._repository))
        return str((real.parent if real.name == ".git" else real).joinpath(*self._parts))

    def fetch(self) -> Fetched:
        """The manifests of the newest revision of the branch."""
        with _opened(self._repository) as repository:
            revision = self._revision(repository)
            with _explaining(f"revision {revision[:12]} of {self._repository}"):
                folder = self._folder(repository, revision)
                files = tuple(_manifests(repository, folder, "/".join(self._parts), ""))
        return Fetched(files=tuple(sorted(files, key=lambda file: file.name)), revision=revision)

    def watched(self) -> tuple[Path, ...]:
        """The refs; what names them in other places is in ``mark``."""
        try:
            with _opened(self._repository) as repository:
                refs = Path(repository.common_dir, "refs")
        except SourceError:
            return ()
        return (refs,) if refs.is_dir() else ()

    def concerns(self, path: Path) -> bool:
        """No path by itself: the mark tells."""
        return False

    def mark(self) -> Hashable:
        """The newest revision, None when it cannot be found."""
        try:
            with _opened(self._repository) as repository:
                return self._revision(repository)
        except SourceError:
            return None

    def _revision(self, repository: Repo) -> str:
        with _explaining(str(self._repository)):
            heads = {head.name: head for head in repository.heads}
            where = repository.head if self._branch is None else heads.get(self._branch)
            if where is None:
                raise SourceError(
                    f"cannot read {self._repository}: there is no branch {self._branch}",
                    hint=f"the branches there are: {', '.join(sorted(heads)) or 'none'}",
                )
            if not heads and not repository.head.is_detached:
                raise SourceError(
                    f"cannot read {self._repository}: the repository has no revision yet",
                    hint=f"git -C {quote(str(self._repository))} commit",
                )
            return str(SymbolicReference.dereference_recursive(repository, where.path))

    def _folder(self, repository: Repo, revision: str) -> bytes:
        """The name of the tree of the folder."""
        header = _whole(repository, bytes.fromhex(revision)).partition(b"\n")[0]
        found = bytes.fromhex(header.removeprefix(b"tree ").decode("ascii"))
        for part in self._parts:
            trees = {
                name: sha
                for sha, mode, name in tree_entries_from_data(_whole(repository, found))
                if mode & _KIND == _FOLDER
            }
            if part not in trees:
                raise SourceError(
                    f"cannot read {self._repository}: there is no folder"
                    f" {'/'.join(self._parts)} in revision {revision[:12]}",
                    hint=f"git -C {quote(str(self._repository))} ls-tree -d -r --name-only {revision[:12]}",
                )
            found = trees[part]
        return found


@contextmanager
def _opened(path: Path) -> Iterator[Repo]:
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
        raise SourceError(f"cannot read {path}: {_first_line(error)}") from error
    with repository:
        if "GIT_DIR" in os.environ:
            # A hook that starts us has this set for its own repository.  Set, it switches off git's
            # look at who owns the repository, so it is not set without need.
            repository.git.update_environment(GIT_DIR=str(repository.git_dir))
        yield repository


@contextmanager
def _explaining(what: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise SourceError(
            f"cannot read {what}: {_first_line(error)}",
            hint="git fsck; of another user's repository, git config safe.directory",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _whole(repository: Repo, name: bytes) -> bytes:
    """The content of an object, proven by its name: a damaged one may read as a shorter one."""
    stream = repository.odb.stream(name)
    kind, content = stream.type, stream.read()
    del stream  # it reads on when it goes, which must be before git has gone
    whole = b"%s %d\0%s" % (kind, len(content), content)
    if hashlib.sha1(whole, usedforsecurity=False).digest() != name:
        raise ValueError(f"the object {name.hex()} is damaged")
    return bytes(content)


def _manifests(repository: Repo, tree: bytes, folder: str, below: str) -> Iterator[ManifestFile]:
    """The manifests of a tree.  *below* is the path from the folder of all manifests."""
    for sha, mode, name in tree_entries_from_data(_whole(repository, tree)):
        inside = f"{below}{name}"
        path = f"{folder}/{inside}" if folder else inside
        kind = mode & _KIND
        if kind == _FOLDER and not name.startswith("."):
            yield from _manifests(repository, sha, folder, f"{inside}/")
        elif kind == _SYMLINK and is_manifest_path(inside):
            # What it leads to would have to be looked for in the tree, or is not in it at all.
            raise SourceError(
                f"cannot read {path}: it is a symbolic link",
                hint="put the file itself into the repository",
            )
        elif kind == _REGULAR and is_manifest_path(inside):
            yield ManifestFile(path, _bounded(repository, sha))


def _bounded(repository: Repo, name: bytes) -> bytes:
    """The content of a file; of one that is too large, as much as shows that it is."""
    if repository.odb.info(name).size > MAX_MANIFEST_BYTES:
        return bytes(MAX_MANIFEST_BYTES + 1)
    return _whole(repository, name)
