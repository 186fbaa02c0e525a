"""Manifests in a folder, or in one file."""

import os
import stat
from collections.abc import Hashable, Iterator
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.manifest_file import (
    MAX_MANIFEST_BYTES,
    VALUES_FILE,
    ManifestFile,
    is_hidden,
    is_manifest_path,
)
from reconciler.source.source import Fetched
from reconciler.source.work_tree import revision_of


class FolderSource:
    """A folder with all that is below it, or a single file."""

    def __init__(self, location: Path) -> None:
        self._location = location

    @property
    def id(self) -> str:
        """The real path."""
        return os.path.realpath(self._location)

    def fetch(self) -> Fetched:
        """The files as they are now; the revision when they are in a git work tree."""
        return Fetched(files=read_files(self._location), revision=revision_of(self._location))

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
    try:
        if not location.exists():
            raise SourceError(
                f"cannot read {location}: there is no such file or folder",
                hint=f"mkdir {quote(str(location))}, write a manifest into it (virtsnap schema), or say -f PATH",
            )
        if location.is_dir():
            paths = _paths_below(location)
        else:
            beside = location.with_name(VALUES_FILE)
            is_template = ManifestFile(location.name, b"").is_template
            paths = [location, *([beside] if is_template and beside.is_file() else [])]
        return tuple(_read(path) for path in sorted(paths, key=lambda path: path.as_posix()))
    except OSError as error:
        raise SourceError(
            f"cannot read {error.filename or location}: {(error.strerror or str(error)).lower()}",
            hint=f"ls -ld {quote(str(error.filename or location))}",
        ) from error


def _paths_below(folder: Path) -> list[Path]:
    """The files to read; a file that two links lead to is there once."""
    root = Path(os.path.realpath(folder))
    plain: dict[str, Path] = {}
    links: dict[str, Path] = {}
    for path in _walked(folder):
        real = os.path.realpath(path)
        if not path.is_symlink():
            plain[real] = path
            continue
        if not Path(real).is_relative_to(root):
            raise SourceError(
                f"cannot read {path}: it is a link to {real}, outside of {folder}",
                hint=f"cp --remove-destination {quote(real)} {quote(str(path))}",
            )
        links.setdefault(real, path)
    return list(({**links, **plain}).values())


def _walked(folder: Path) -> Iterator[Path]:
    """The manifests below *folder*, and the links to folders."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        below = Path(parent).relative_to(folder)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in folders:
            path = Path(parent, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(
                os.path.realpath(folder)
            ):
                raise SourceError(
                    f"cannot read {path}: it is a link to a folder outside of {folder}",
                    hint=f"move what it leads to into {folder}",
                )
        for name in sorted(names):
            if is_manifest_path((below / name).as_posix().removeprefix("./")):
                yield Path(parent, name)


def _read(path: Path) -> ManifestFile:
    """One regular file; nothing that could keep us waiting is opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError(f"cannot read {path}: it is not a regular file")
        return ManifestFile(path.as_posix(), stream.read(MAX_MANIFEST_BYTES + 1))
