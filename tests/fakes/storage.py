"""Image files in memory: each has a header and clusters, so that lost data is seen to be lost."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.errors import HypervisorError
from reconciler.model.chain import BackingChain, SavedMemory
from reconciler.model.names import DiskTarget, ImagePath, folder_of, is_below_dev

#: Bytes of one cluster; only sizes shown to people depend on it.
CLUSTER = 65536

#: where people put the overlays of block devices
OVERLAYS = "/images"

#: Cluster number → the value last written there.
Content = dict[int, int]


class ContentGone(AssertionError):
    """An image of a chain is not there, so nobody can read what was in it."""


@dataclass(kw_only=True)
class FakeFile:
    """One image file.  *is_readable*: our process may open it; libvirt always can."""

    path: ImagePath
    format: str = "qcow2"
    backing: ImagePath | None = None
    backing_format: str | None = None
    clusters: Content = field(default_factory=dict)
    #: name and what the file itself held then; libvirt lets two have one name
    inside: list[tuple[str, Content]] = field(default_factory=list)
    #: QEMU's number of each of those
    ids: dict[str, str] = field(default_factory=dict)
    #: a memory was saved in it once: its header never is that of a blank one again
    has_held_memory: bool = False
    #: of a memory image: the disks that its own XML names, and what the guest read from them then
    saved_disks: dict[DiskTarget, ImagePath] | None = None
    saved_with: dict[DiskTarget, Content] | None = None
    virtual_size: int = 1 << 30
    has_data_file: bool = False
    is_encrypted: bool = False
    is_corrupt: bool = False
    is_readable: bool = True
    #: told apart from another file of that name, before it or after it
    inode: int = 0
    #: of zero bytes: somebody holds the name
    is_empty: bool = False
    #: somebody has moved it away, or its folder is not mounted; its content comes back with it
    is_out_of_sight: bool = False
    #: no QEMU can open it as what it is said to be
    is_spoilt: bool = False
    #: what it stands on beside, or instead of, its backing is no file of this host
    stands_on: str | None = None
    #: of a memory image: what its header says
    saved: SavedMemory | None = None
    #: of a memory image: QEMU will not load it, which nobody sees before
    does_not_load: bool = False

    @property
    def is_device(self) -> bool:
        """A block device, as large as what it holds."""
        return is_below_dev(folder_of(self.path))

    def keep_inside(self, name: str) -> None:
        """An internal snapshot, numbered one higher than any that is there."""
        numbers = [int(self.ids[said]) for said, _ in self.inside if said in self.ids]
        self.ids[name] = str(max(numbers, default=0) + 1)
        self.inside.append((name, dict(self.clusters)))

    def found_inside(self, name: str) -> Content | None:
        """What QEMU goes back to: it looks for a number before a name."""
        by_number = [held for said, held in self.inside if self.ids.get(said) == name]
        by_name = [held for said, held in self.inside if said == name]
        return next(iter(by_number + by_name), None)

    @property
    def is_untouched(self) -> bool:
        """Nobody has ever written to it."""
        return not self.clusters and not self.inside and not self.has_held_memory


@dataclass(kw_only=True)
class FakeFolder:
    """A folder.  What lies in one that is not *is_accessible* cannot even be looked for."""

    path: str
    is_listed: bool = True
    is_accessible: bool = True
    is_writable: bool = True
    free: int | None = 1 << 40
    size: int | None = None
    is_shared: bool = False


@dataclass
class Storage:
    """All image files by path."""

    files: dict[ImagePath, FakeFile] = field(default_factory=dict)
    folders: dict[str, FakeFolder] = field(default_factory=dict)
    #: how many files were made so far
    made: int = 0

    def add(self, file: FakeFile) -> FakeFile:
        """A new file; one that exists is refused, an empty one is taken over."""
        if file.path in self.files and not self.files[file.path].is_empty:
            raise HypervisorError(f"cannot create {file.path}: it exists", code=67)
        self.made += 1
        file.inode = self.made
        empty = self.files.get(file.path)
        if empty is not None:
            # whoever holds the name sees it filled: it is no other file
            vars(empty).update(vars(file))
            return empty
        self.files[file.path] = file
        self.folder(folder_of(file.path))
        if file.is_device:
            self.folder(OVERLAYS)
        return file

    def folder(self, path: str) -> FakeFolder:
        """The folder of that path, known from now on; in one of devices nothing is made."""
        is_dev = is_below_dev(path)
        new = FakeFolder(path=path, is_writable=not is_dev, free=None if is_dev else 1 << 40)
        return self.folders.setdefault(path, new)

    def demand_room(self, base: ImagePath, top: ImagePath) -> None:
        """A device does not grow, whatever a larger image above it holds."""
        below, above = self.file(base), self.file(top)
        if below.is_device and above.virtual_size > below.virtual_size:
            raise HypervisorError(f"cannot commit {top}: cannot grow device {base}", code=1)

    def file(self, path: ImagePath) -> FakeFile:
        """The file, or libvirt's words when it is not there."""
        if path not in self.files:
            raise HypervisorError(f"cannot open {path}: no such file or directory", code=38)
        return self.files[path]

    def header_chain(self, path: ImagePath, *, as_we_see: bool = False) -> BackingChain | None:
        """The chain by the headers, or None when it cannot be followed to its base.

        *as_we_see*: with the eyes of a process that may not open every file.
        """
        images: list[ImagePath] = []
        step: ImagePath | None = path
        while step is not None:
            file = self.files.get(step)
            if file is None or step in images or (as_we_see and not self.is_open_to_us(file)):
                return None
            if file.is_spoilt or file.stands_on is not None:
                return None
            images.append(step)
            step = file.backing
        return BackingChain(tuple(reversed(images)))

    def is_open_to_us(self, file: FakeFile) -> bool:
        """Our process can read it; of raw images nothing is read."""
        is_needed = file.format != "raw"
        if file.is_out_of_sight:
            return False
        return self._is_accessible(file.path) and (file.is_readable or not is_needed)

    def _is_accessible(self, path: ImagePath) -> bool:
        return self.folder(folder_of(path)).is_accessible

    def overlaid(self, images: Iterable[ImagePath]) -> Content:
        """What is read through *images* (base first) as one chain, whatever their headers say."""
        content: Content = {}
        for path in images:
            if path not in self.files:
                raise ContentGone(f"{path} is not there")
            content |= self.files[path].clusters
        return content

    def content_inside(self, path: ImagePath, name: str) -> Content:
        """What an internal snapshot of that image holds, with all below the image."""
        chain = self.header_chain(path)
        if chain is None:
            raise ContentGone(f"the chain of {path} ends in nothing")
        held = next((content for said, content in self.file(path).inside if said == name), None)
        if held is None:
            raise ContentGone(f"{path} does not hold {name}")
        return self.overlaid(chain.images[:-1]) | held

    def content(self, path: ImagePath) -> Content:
        """What is read from *path* through its headers."""
        chain = self.header_chain(path)
        if chain is None:
            raise ContentGone(f"the chain of {path} ends in nothing")
        return self.overlaid(chain)
