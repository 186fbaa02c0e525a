"""A path on this machine of which nobody said what it is: a repository or a plain folder."""

from collections.abc import Callable, Hashable
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.source.folder import FolderSource
from reconciler.source.source import Fetched, Source
from reconciler.source.stillness import Patience


def is_repository(path: Path) -> bool:
    """A work tree or a bare repository, by the look of it."""
    return (path / ".git").exists() or (path / "HEAD").is_file()


class PathSource:
    """It shows what it is once it is there; a repository stays one.

    So the files that are left of one are not taken for a folder of manifests, nor is a folder over
    which one is mounted later.
    """

    def __init__(
        self,
        path: Path,
        as_repository: Callable[[], Source],
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._path = path
        self._as_repository = as_repository
        self._patience = patience
        self._found: Source | None = None
        self._is_repository = False

    @property
    def id(self) -> str:
        """Of what it is; a folder's, until that shows."""
        return (self._seen() or FolderSource(self._path)).id

    def fetch(self) -> Fetched:
        """What is there."""
        found = self._seen()
        if found is None:
            raise SourceError(
                f"cannot read {self._path}: there is no such folder or repository",
                hint=f"ls -ld {quote(str(self._path))}",
            )
        return found.fetch()

    def watched(self) -> tuple[Path, ...]:
        """As what it is."""
        found = self._seen()
        return () if found is None else found.watched()

    def concerns(self, path: Path) -> bool:
        """As what it is."""
        found = self._seen()
        return found is not None and found.concerns(path)

    def mark(self) -> Hashable:
        """As what it is; None until it is there."""
        found = self._seen()
        return None if found is None else found.mark()

    def _seen(self) -> Source | None:
        if self._is_repository or not self._path.is_dir():
            return self._found
        self._is_repository = is_repository(self._path)
        if self._is_repository:
            self._found = self._as_repository()
        elif self._found is None:
            self._found = FolderSource(self._path, self._patience)
        return self._found
