"""Manifests in a folder, or in one file."""

import os
import stat
from collections.abc import Hashable
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.manifest_file import (
    VALUES_FILE,
    ManifestFile,
    is_hidden,
    is_manifest_path,
)
from reconciler.source.plain_files import Found, found_below, read_file
from reconciler.source.source import Fetched
from reconciler.source.stillness import Look, Patience, finished, still
from reconciler.source.work_tree import revision_of


class FolderSource:
    """A folder with all that is below it, or a single file."""

    def __init__(self, location: Path, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        self._location = location
        self._patience = patience
        self._believed: tuple[ManifestFile, ...] | None = None

    @property
    def id(self) -> str:
        """The real path."""
        return os.path.realpath(self._location)

    def fetch(self) -> Fetched:
        """The files, once they stand still; the revision when they are in a git work tree."""
        found = still(self._look, self._believed, self._patience)
        self._believed = found.files
        return Fetched(files=found.files, revision=revision_of(self._location))

    def glance(self) -> Fetched:
        """The files as they are now: to show what they say, or where nothing is taken away."""
        found = finished(self._look, self._patience)
        return Fetched(files=found.files, revision=revision_of(self._location))

    def _look(self) -> Look:
        return look_at(self._location)

    def watched(self) -> tuple[Path, ...]:
        """The folder; a single file, and a folder that is not there yet, have their ``mark``."""
        return (self._location,) if self._location.is_dir() else ()

    def concerns(self, path: Path) -> bool:
        """Manifests, and whatever may be a folder of them."""
        try:
            below = path.relative_to(self._location).as_posix()
        except ValueError:
            return True
        # An editor's swap and backup files are neither; a folder that was moved has no suffix.
        return is_manifest_path(below) or (not path.suffix and not is_hidden(below))

    def mark(self) -> Hashable:
        """Which folder it is (one that was made again is another), or the state of the file."""
        try:
            found = self._location.stat()
        except OSError:
            return None
        which = (found.st_dev, found.st_ino)
        is_folder = stat.S_ISDIR(found.st_mode)
        return which if is_folder else (*which, found.st_mtime_ns, found.st_size)


def read_files(location: Path) -> tuple[ManifestFile, ...]:
    """The manifests, templates and ``values.yaml`` files of a folder, in the order of their names.

    Of a single file: that file, with the ``values.yaml`` beside it if it is a template.
    """
    found = look_at(location)
    if found.unfinished is not None:
        raise found.unfinished
    return found.files


def look_at(location: Path) -> Look:
    """What is there in this instant."""
    try:
        if not location.exists():
            raise SourceError(
                f"cannot read {location}: there is no such file or folder",
                hint=f"mkdir {quote(str(location))}, write a manifest into it (virtsnap schema), or say -f PATH",
            )
        if location.is_dir():
            found = found_below(location)
        else:
            beside = location.with_name(VALUES_FILE)
            is_template = ManifestFile(location.name, b"").is_template
            paths = (location, *((beside,) if is_template and beside.is_file() else ()))
            found = Found(paths=paths, changed=0.0)
        ordered = sorted(found.paths, key=lambda path: path.as_posix())
        files = [read_file(path) for path in ordered]
    except FileNotFoundError as error:
        # it was there when its folder was read
        return Look(files=(), unfinished=_explained(error, location))
    except OSError as error:
        raise _explained(error, location) from error
    return Look(
        files=tuple(file.file for file in files),
        changed=max([found.changed, *(file.changed for file in files)]),
        unfinished=next((file.unfinished for file in files if file.unfinished), None),
    )


def _explained(error: OSError, location: Path) -> SourceError:
    return SourceError(
        f"cannot read {error.filename or location}: {(error.strerror or str(error)).lower()}",
        hint=f"ls -ld {quote(str(error.filename or location))}",
    )
