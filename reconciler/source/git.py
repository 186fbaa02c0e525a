"""Manifests in a git repository on this machine, read from its objects."""

import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from shlex import quote

from git import Repo

from reconciler.errors import SourceError
from reconciler.source.command import Late, run_git
from reconciler.source.objects import (
    UNREADABLE,
    first_line,
    opened,
    read,
    revision_behind,
)
from reconciler.source.refs import Refs
from reconciler.source.signatures import Verification, signer_of
from reconciler.source.source import Fetched
from reconciler.source.trees import manifests_of
from reconciler.source.wanted import Head, Tag, Wanted, words_for

#: Seconds for a look at a repository on this machine.
_LIMIT = 10.0


def folder_parts(folder: str) -> tuple[str, ...]:
    """The names that lead to *folder*, from the top of a repository."""
    parts = tuple(part for part in PurePosixPath(folder).parts if part != ".")
    if folder.startswith("/") or ".." in parts:
        raise SourceError(
            f"cannot use folder {folder}: it is not a path inside of the repository",
            hint="virtsnap run --source REPOSITORY --path manifests",
        )
    return parts


class GitSource:
    """The folder *subfolder* of *wanted*."""

    def __init__(
        self,
        repository: Path,
        *,
        subfolder: str = "manifests",
        wanted: Wanted = Head(),  # noqa: B008 - frozen
        accepted: Verification | None = None,
    ) -> None:
        self._repository = repository
        self._wanted = wanted
        self._accepted = accepted
        self._parts = folder_parts(subfolder)
        self._refs: Refs | None = None

    @property
    def id(self) -> str:
        """The real path of the repository and the path inside."""
        real = Path(os.path.realpath(self._repository))
        return str((real.parent if real.name == ".git" else real).joinpath(*self._parts))

    def fetch(self) -> Fetched:
        """The manifests of the newest revision that is wanted."""
        with opened(self._repository) as repository:
            with _explaining(self._repository, str(self._repository)):
                named = read(repository, self._named(repository))
                revision = revision_behind(repository, named)
            name = revision.name.hex()
            with _explaining(self._repository, f"revision {name[:12]} of {self._repository}"):
                signed_by = (
                    signer_of(named, revision, self._wanted, self._accepted)
                    if self._accepted
                    else None
                )
                files = manifests_of(
                    *(repository, revision, self._parts),
                    subject=str(self._repository),
                    look=f"git -C {quote(str(self._repository))} ls-tree -d -r --name-only {name[:12]}",
                )
        return Fetched(files=files, revision=name, signed_by=signed_by)

    def watched(self) -> tuple[Path, ...]:
        """The refs; what names them in other places is in ``mark``."""
        refs = self._found_refs()
        folder = None if refs is None else refs.common / "refs"
        return (folder,) if folder is not None and folder.is_dir() else ()

    def concerns(self, path: Path) -> bool:
        """No path by itself: the mark tells."""
        return False

    def mark(self) -> Hashable:
        """What the branch or tag names, None when it cannot be found; git is not started for it."""
        refs = self._found_refs()
        return None if refs is None else refs.named(self._wanted)

    def _found_refs(self) -> Refs | None:
        """Where the refs are; looked for once, and again when they have gone."""
        if self._refs is None or not self._refs.are_there():
            try:
                with opened(self._repository) as repository:
                    self._refs = Refs(
                        own=Path(repository.git_dir), common=Path(repository.common_dir)
                    )
            except SourceError:
                self._refs = None
        return self._refs

    def _named(self, repository: Repo) -> bytes:
        """The object that *wanted* names: a revision or a tag."""
        refs = Refs(own=Path(repository.git_dir), common=Path(repository.common_dir))
        name = refs.named(self._wanted)
        if name is not None:
            return bytes.fromhex(name)
        if isinstance(self._wanted, Head):
            raise SourceError(
                f"cannot read {self._repository}: the repository has no revision yet",
                hint=f"git -C {quote(str(self._repository))} commit",
            )
        others = repository.tags if isinstance(self._wanted, Tag) else repository.heads
        kind = "tags" if isinstance(self._wanted, Tag) else "branches"
        raise SourceError(
            f"cannot read {self._repository}: there is no {words_for(self._wanted)}",
            hint=f"the {kind} there are: {', '.join(sorted(o.name for o in others)) or 'none'}",
        )


@contextmanager
def _explaining(repository: Path, what: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        if _is_doubted(repository):
            raise SourceError(
                f"cannot read {what}: the repository belongs to another user,"
                " and git does not trust it",
                hint="git config --system --add safe.directory"
                f" {quote(os.path.realpath(repository))}",
            ) from error
        raise SourceError(
            f"cannot read {what}: {first_line(error)}",
            hint=f"git -C {quote(str(repository))} fsck",
        ) from error


def _is_doubted(repository: Path) -> bool:
    """git will not open what belongs to somebody else, whom its files could make it obey."""
    # Without GIT_DIR git looks for the repository, and at whose it is.
    try:
        said = run_git(None, "-C", str(repository), "rev-parse", "--git-dir", seconds=_LIMIT)
    except (Late, SourceError):
        return False
    return "dubious ownership" in said.err
