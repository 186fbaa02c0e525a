"""The manifests in the tree of a revision: all of them, or an error that names what is not read."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from git import Repo
from git.objects.fun import tree_entries_from_data

from reconciler.errors import SourceError
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES, ManifestFile, is_manifest_path
from reconciler.source.objects import GitObject, read
from reconciler.source.overlooked import HEAD_BYTES, demand_content, demand_no_manifest

_FOLDER = 0o040000
_SYMLINK = 0o120000
_REGULAR = 0o100000
_SUBMODULE = 0o160000
_KIND = 0o170000
_KINDS = {_SYMLINK: "a symbolic link", _REGULAR: "a file", _SUBMODULE: "a submodule"}
#: Longer than any path that a link can lead to.
_LONGEST_LINK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    name: str
    kind: int
    sha: bytes


def manifests_of(
    repository: Repo, revision: GitObject, folder: tuple[str, ...], *, subject: str, look: str
) -> tuple[ManifestFile, ...]:
    """The manifests in *folder*, by name.  *subject* and *look* are words for an error."""
    top = found = bytes.fromhex(revision.header("tree"))
    for number, part in enumerate(folder, 1):
        there = {entry.name: entry for entry in _entries(repository, found)}
        if part not in there or there[part].kind != _FOLDER:
            path = "/".join(folder)
            what = f"there is no folder {path} in revision {revision.name.hex()[:12]}"
            if part in there:
                kind = _KINDS.get(there[part].kind, "something else")
                what += f": {'/'.join(folder[:number])} is {kind}"
            raise SourceError(f"cannot read {subject}: {what}", hint=look)
        found = there[part].sha
    files = _Walk(repository, top, "/".join(folder)).manifests(found, "")
    return tuple(sorted(files, key=lambda file: file.name))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Through what is below *folder* in the tree *top*."""

    repository: Repo
    top: bytes
    folder: str

    def manifests(self, tree: bytes, below: str) -> Iterator[ManifestFile]:
        """Those of *tree*; *below* is the path to it from the folder of all manifests."""
        entries = _entries(self.repository, tree)
        names = {entry.name for entry in entries}
        for entry in entries:
            inside = f"{below}{entry.name}"
            path = posixpath.join(self.folder, inside)
            if entry.name.startswith("."):
                continue
            if entry.kind == _FOLDER:
                yield from self.manifests(entry.sha, f"{inside}/")
            elif entry.kind == _SYMLINK:
                self._demand_harmless(entry, path, names)
            elif entry.kind != _REGULAR:
                raise SourceError(
                    f"cannot read {path}: it is a submodule, whose files are in another repository",
                    hint="put the files themselves into this repository",
                )
            elif is_manifest_path(inside):
                text = self._bounded(entry.sha)
                demand_content(path, text)
                yield ManifestFile(path, text)
            else:
                self._demand_no_manifest(entry, path, names)

    def _demand_harmless(self, link: _Entry, path: str, names: set[str]) -> None:
        """A link is not followed, so it may only lead to what is read anyway, or is no manifest."""
        if is_manifest_path(link.name):
            raise SourceError(
                f"cannot read {path}: it is a symbolic link",
                hint="put the file itself into the repository",
            )
        to = read(self.repository, link.sha).content[:_LONGEST_LINK]
        target = to.decode("utf-8", errors="surrogateescape")
        real = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        led_to = self._at(real)
        if led_to is not None and led_to.kind == _REGULAR:
            self._demand_no_manifest(led_to, path, names, name=link.name)
        elif led_to is None or led_to.kind != _FOLDER or not self._is_read(real):
            raise SourceError(
                f"cannot read {path}: it is a symbolic link to {target}, and is not followed",
                hint="put the files themselves into its place",
            )

    def _at(self, path: str) -> _Entry | None:
        """What is at *path*, None where there is nothing or another link is on the way."""
        found = _Entry(name="", kind=_FOLDER, sha=self.top)
        for part in path.split("/") if path != "." else ():
            if found.kind != _FOLDER:
                return None
            there = {entry.name: entry for entry in _entries(self.repository, found.sha)}
            if part not in there:
                return None
            found = there[part]
        return found

    def _is_read(self, path: str) -> bool:
        """Whether a folder of the tree is among those that are walked."""
        inside = posixpath.relpath(path, self.folder or ".")
        return not any(part.startswith(".") for part in inside.split("/")) or inside == "."

    def _demand_no_manifest(
        self, entry: _Entry, path: str, names: set[str], *, name: str = ""
    ) -> None:
        is_small = self.repository.odb.info(entry.sha).size <= MAX_MANIFEST_BYTES
        head = read(self.repository, entry.sha).content[:HEAD_BYTES] if is_small else b""
        demand_no_manifest(path, name or entry.name, names, head)

    def _bounded(self, sha: bytes) -> bytes:
        """The content of a file; of one that is too large, as much as shows that it is."""
        if self.repository.odb.info(sha).size > MAX_MANIFEST_BYTES:
            return bytes(MAX_MANIFEST_BYTES + 1)
        return read(self.repository, sha).content


def _entries(repository: Repo, tree: bytes) -> tuple[_Entry, ...]:
    return tuple(
        _Entry(name=name, kind=mode & _KIND, sha=sha)
        for sha, mode, name in tree_entries_from_data(read(repository, tree).content)
    )
