"""Folders that hold images: what lies in them, on which kind of file system."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.hypervisor.devices import number_of
from reconciler.hypervisor.images import ImageShelf
from reconciler.model.domain import ObservedFolder
from reconciler.model.names import ImagePath, folder_of

#: File systems that several hosts can mount at once.  FUSE is mostly a network in disguise.
_SHARED = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ceph|gfs2?|ocfs2|glusterfs|lustre|gpfs|beegfs|9p|virtiofs|afs"
    r"|orangefs|pvfs2|vxfs|fuse(\..*)?"
)


#: How often a folder is listed while files of it come and go.
_LISTINGS = 10


@dataclass(frozen=True, slots=True)
class Mounts:
    """What is mounted where: (mount point, file system type), the later one on top."""

    points: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: str = "/proc/self/mountinfo") -> "Mounts":
        """The mounts of this process; none where they cannot be read."""
        try:
            lines = Path(path).read_text(errors="surrogateescape").splitlines()
        except OSError:
            return cls(())
        return cls(tuple(point for line in lines if (point := _parsed(line)) is not None))

    def file_system(self, folder: str) -> str:
        """The type of the file system that *folder* lies on; empty where unknown."""
        best, found = -1, ""
        for point, kind in self.points:
            is_above = folder == point or folder.startswith(point.rstrip("/") + "/")
            if is_above and len(point) >= best:
                best, found = len(point), kind
        return found

    def is_shared(self, folder: str) -> bool:
        """Other hosts can mount what *folder* lies on."""
        return _SHARED.fullmatch(self.file_system(folder)) is not None


def scanned(folder: str, shelf: ImageShelf, mounts: Mounts) -> ObservedFolder:
    """Put every image of *folder* (not of folders in it) on the shelf."""
    is_listed, others = _looked_through(folder, shelf)
    free, size = _room(folder)
    return ObservedFolder(
        path=folder,
        is_listed=is_listed,
        is_writable=_is_writable(folder),
        free=free,
        size=size,
        is_shared=mounts.is_shared(folder),
        others=others,
    )


def device_folders(devices: Iterable[ImagePath], shelf: ImageShelf) -> list[ObservedFolder]:
    """The folders of *devices*: listed if all volumes beside them could be looked at.

    Nothing is made there, so nothing is known of their room.
    """
    listed: dict[str, bool] = {}
    for path in devices:
        number = number_of(path)
        beside = () if number is None else shelf.paths.devices.beside(path, number)
        folder = folder_of(path)
        for spelling in beside:
            other = shelf.spelled(spelling)
            if not shelf.is_declared(other):
                listed[folder] = shelf.probe(other) and listed.get(folder, True)
        listed.setdefault(folder, True)
    return [
        ObservedFolder(path=folder, is_listed=is_listed, is_writable=False)
        for folder, is_listed in listed.items()
    ]


def _looked_through(folder: str, shelf: ImageShelf) -> tuple[bool, tuple[str, ...]]:
    """Whether every file could be looked at, and the names of what is no image.

    Parallel work makes and removes files meanwhile: the folder is listed again then.
    """
    for _ in range(_LISTINGS):
        found = _listed(folder)
        if found is None:
            return False, ()
        complete, has_gone, others = True, False, []
        for spelling, name, is_regular in found:
            path = shelf.spelled(spelling) if is_regular else ImagePath(spelling)
            if is_regular and not shelf.is_declared(path) and not shelf.probe(path):
                has_gone |= not os.path.lexists(spelling)
                complete = False
            if path != spelling or not shelf.is_declared(path):
                others.append(name)
        if not has_gone:
            break
    return complete, tuple(others)


def _listed(folder: str) -> list[tuple[str, str, bool]] | None:
    """Path, name, and whether it is a regular file, of all that is there."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.path, entry.name, _is_regular(entry)) for entry in entries)
    except OSError:
        return None


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_writable(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _room(folder: str) -> tuple[int | None, int | None]:
    """What is free for us on its file system, and the size of that."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None, None
    return status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize


def _parsed(line: str) -> tuple[str, str] | None:
    """``36 35 98:0 /root /point opts shared:1 - ext4 /dev/x rw`` → (``/point``, ``ext4``)."""
    before, separator, after = line.partition(" - ")
    fields = before.split(" ")
    if not separator or len(fields) < 5:
        return None
    point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), fields[4])
    return point, after.split(" ")[0]
