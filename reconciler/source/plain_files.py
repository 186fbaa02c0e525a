"""The files below a folder: every one is read, is known to be no manifest, or is an error."""

import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.manifest_file import (
    MAX_MANIFEST_BYTES,
    ManifestFile,
    is_hidden,
    is_manifest_path,
)
from reconciler.source.overlooked import HEAD_BYTES, demand_content, demand_no_manifest
from reconciler.source.unfinished import why_unfinished
from reconciler.source.work_tree_index import demand_checked_out, top_above


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The paths to read, and when a folder on the way to them changed last."""

    paths: tuple[Path, ...]
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A file, when it changed last, and what tells that it is still being written."""

    file: ManifestFile
    changed: float
    unfinished: SourceError | None


def found_below(folder: Path) -> Found:
    """The files to read; a file that two links lead to is there once."""
    root = Path(os.path.realpath(folder))
    plain: dict[str, Path] = {}
    links: dict[str, Path] = {}
    walk = _Walk(folder, root)
    for path in walk.manifests():
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
    for top in walk.tops():
        demand_checked_out(top, root)
    return Found(paths=tuple({**links, **plain}.values()), changed=walk.changed)


class _Walk:
    """Through all folders below *folder*, whose real path is *root*, but the hidden ones."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        self._tops: list[Path] = []
        self.changed = 0.0

    def manifests(self) -> list[Path]:
        """The files by the names of manifests; an error for what may be one and is not read."""
        found: list[Path] = []
        for parent, folders, names in os.walk(self._folder, onerror=_fail):
            self.changed = max(self.changed, Path(parent).stat().st_mtime)
            if os.path.lexists(Path(parent, ".git")):
                self._tops.append(Path(os.path.realpath(parent)))
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            for name in folders:
                self._demand_walked(Path(parent, name))
            for name in sorted(name for name in names if not is_hidden(name)):
                path = Path(parent, name)
                _demand_readable(path)
                if is_manifest_path(name):
                    found.append(path)
                else:
                    _demand_no_manifest(path, names)
        return found

    def tops(self) -> list[Path]:
        """The work trees of git that the folder is in, and that are in it."""
        above = top_above(self._root)
        return sorted({*self._tops, *([above] if above else [])})

    def _demand_walked(self, folder: Path) -> None:
        """A link to a folder is not followed; what it leads to must be walked by its own name."""
        if not folder.is_symlink():
            return
        real = Path(os.path.realpath(folder))
        if not real.is_relative_to(self._root):
            raise SourceError(
                f"cannot read {folder}: it is a link to a folder outside of {self._folder}",
                hint=f"move what it leads to into {self._folder}",
            )
        if real != self._root and is_hidden(real.relative_to(self._root).as_posix()):
            raise SourceError(
                f"cannot read {folder}: it is a link to a hidden folder",
                hint="move the folder itself into the place of the link",
            )


def read_file(path: Path) -> ReadFile:
    """One regular file; nothing that could keep us waiting is opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _irregular(path)
        text = stream.read(MAX_MANIFEST_BYTES + 1)
        why = why_unfinished(descriptor, text)
    demand_content(str(path), text)
    hint = f"write it, or take it away; who has it open: fuser -v {quote(str(path))}"
    return ReadFile(
        file=ManifestFile(path.as_posix(), text),
        changed=found.st_mtime,
        unfinished=SourceError(f"cannot read {path}: {why}", hint=hint) if why else None,
    )


def _demand_readable(path: Path) -> None:
    """Something is there, and it is a regular file, perhaps by a link."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if not path.is_symlink():
            raise
        raise SourceError(
            f"cannot read {path}: it is a link to {path.readlink()}:"
            f" {(error.strerror or str(error)).lower()}",
            hint=f"ls -l {quote(str(path))}",
        ) from error
    if not stat.S_ISREG(mode):
        raise _irregular(path)


def _demand_no_manifest(path: Path, beside: Collection[str]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        head = stream.read(HEAD_BYTES)
    demand_no_manifest(str(path), path.name, beside, head)


def _irregular(path: Path) -> SourceError:
    return SourceError(
        f"cannot read {path}: it is not a regular file", hint=f"ls -l {quote(str(path))}"
    )


def _fail(error: OSError) -> None:
    raise error
