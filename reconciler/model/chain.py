"""Image files and how they stand on each other."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.names import DiskTarget, DomainName, DomainUuid, ImagePath, base_name

#: format of a memory image: it is looked for, never read, and no image stands on it
MEMORY_FORMAT = "memory"


class Presence(enum.StrEnum):
    """Whether an image file is there, as far as this process can tell."""

    PRESENT = "present"
    MISSING = "missing"
    #: not readable for us, or on another machine
    UNKNOWN = "unknown"


class Unread(enum.StrEnum):
    """Why the header of an image that we may look at tells nothing."""

    #: no QEMU can open the file as an image of that format: it stands on nothing
    NO_IMAGE = "no-image"
    #: it may well be one, but what it stands on cannot be told
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIdentity:
    """Which file it is and when it was last written to, as ``stat`` tells: *modified* in nanoseconds.

    A frozen image is never written, so that another time means other content, whatever is named so;
    a faithful copy has another inode and the same time.
    """

    device: int
    inode: int
    modified: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMemory:
    """What a memory image says of itself: whose it is, and which images its guest stood on."""

    name: DomainName | None = None
    uuid: DomainUuid | None = None
    disks: tuple[tuple[DiskTarget, ImagePath | None], ...] = ()
    #: why no guest can go on from it, as far as that is seen from outside
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image file (or block device); sizes in bytes, None where unknown.

    *backing* is what the file's own header says (resolved), for qcow2; raw has none.
    """

    path: ImagePath
    format: str
    presence: Presence = Presence.PRESENT
    backing: ImagePath | None = None
    #: as the header records it; None with a backing file makes the domain unstartable (facts §3.4)
    backing_format: str | None = None
    virtual_size: int | None = None
    allocated: int | None = None
    #: the names of the internal snapshots in the file, known to libvirt or not
    internal_snapshots: tuple[str, ...] = ()
    #: what QEMU calls each of them beside its name, and looks for first: mostly a number
    internal_ids: tuple[str, ...] = ()
    has_data_file: bool = False
    is_encrypted: bool = False
    #: whether the header was read (by us), so that *backing* is the truth
    is_examined: bool = True
    #: of one that was not: why, where the process may look at it
    unread: Unread | None = None
    #: the same in words
    cause: str | None = None
    #: what makes it more than a plain image on a plain file below it: it is read by nobody but QEMU
    oddity: str | None = None
    #: QEMU has marked it as corrupt: it opens it no more for writing
    is_corrupt: bool = False
    #: files beside *backing* that its bytes come from, or would by another of its names
    also_reads: tuple[ImagePath, ...] = ()
    #: an overlay that holds no data of its own, as its file says; QEMU may know better while it
    #: has the image open
    is_blank: bool = False
    #: internal snapshots since which nothing was written, as the file says while no QEMU has it open
    unwritten_since: tuple[str, ...] = ()
    #: a block device: nobody makes or removes it, and it never grows
    is_device: bool = False
    #: the bytes of that device
    device_size: int | None = None
    #: devices and files that share bytes with that device by lying below it
    lies_on: tuple[ImagePath, ...] = ()
    #: of a regular file that could be looked at from here
    file: FileIdentity | None = None
    #: of a memory image that could be read
    saved: SavedMemory | None = None

    def mistaken_for(self, name: str) -> str | None:
        """The internal snapshot that QEMU takes instead of *name*: the other one with that ID.

        None where there is none; an empty text where nobody knows the IDs.
        """
        others = [other for other in self.internal_snapshots if other != name]
        if len(self.internal_ids) != len(self.internal_snapshots):
            return "" if others and may_be_an_id(name) else None
        pairs = zip(self.internal_ids, self.internal_snapshots, strict=True)
        return next((other for id_, other in pairs if id_ == name != other), None)

    @property
    def next_id(self) -> str:
        """What QEMU will call the next one."""
        numbers = (int(id_) for id_ in self.internal_ids if may_be_an_id(id_))
        return str(max(numbers, default=0) + 1)


def may_be_an_id(name: str) -> bool:
    """QEMU could number an internal snapshot like that."""
    return name.isascii() and name.isdecimal() and str(int(name)) == name


@dataclass(frozen=True, slots=True)
class BackingChain:
    """Written ``base ← a ← active``; holds at least the base image."""

    images: tuple[ImagePath, ...]

    def __post_init__(self) -> None:
        if not self.images:
            raise ValueError("a backing chain has at least a base image")
        if len(set(self.images)) != len(self.images):
            raise ValueError(f"a backing chain names each image once: {self.images}")

    @property
    def active(self) -> ImagePath:
        """The image the guest writes to."""
        return self.images[-1]

    @property
    def base(self) -> ImagePath:
        """The bottom image."""
        return self.images[0]

    @property
    def depth(self) -> int:
        """Images above the base."""
        return len(self.images) - 1

    def below(self, image: ImagePath) -> ImagePath | None:
        """The image that *image* stands on, or None for the base."""
        position = self.images.index(image)
        return self.images[position - 1] if position else None

    def above(self, image: ImagePath) -> ImagePath | None:
        """The image that stands on *image*, or None for the active one."""
        position = self.images.index(image)
        return self.images[position + 1] if position + 1 < len(self.images) else None

    def without(self, merged: frozenset[ImagePath]) -> "BackingChain":
        """The chain once *merged* images are committed down."""
        return BackingChain(tuple(image for image in self.images if image not in merged))

    def grown_by(self, overlay: ImagePath) -> "BackingChain":
        """The chain with *overlay* as its active layer."""
        return BackingChain((*self.images, overlay))

    def __iter__(self) -> Iterator[ImagePath]:
        return iter(self.images)

    def __contains__(self, image: object) -> bool:
        return image in self.images

    def __str__(self) -> str:
        return " ← ".join(base_name(image) for image in self.images)
