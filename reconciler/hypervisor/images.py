"""Image files as they lie on storage: what each header says, looked at once an observation."""

import os
import stat
from dataclasses import replace

from reconciler.errors import HypervisorError
from reconciler.hypervisor import qcow2, qemu_img
from reconciler.hypervisor.paths import PathBook
from reconciler.model.chain import (
    MEMORY_FORMAT,
    BackingChain,
    FileIdentity,
    Image,
    Presence,
)
from reconciler.model.names import ImagePath

RAW = "raw"
#: How old headers spell raw.
_RAW_NAMES = frozenset({"raw", "file", "host_device"})
_BLOCK_SIZE = 512


class ImageShelf:
    """Every image of one observation, examined at most once for each format it is said to have.

    The format comes from who names the image, never from its content: a guest that owns a raw
    image could write any header into it.  Only what nobody declares is known by its magic.
    """

    def __init__(self, paths: PathBook, *, is_local: bool) -> None:
        self.paths = paths
        self._is_local = is_local
        self._examined: dict[tuple[ImagePath, str | None], Image] = {}
        self._declared: dict[ImagePath, set[str]] = {}
        self._spelled: dict[ImagePath, str] = {}
        self._stated: dict[ImagePath, Image] = {}

    def declare(self, path: ImagePath, image_format: str) -> None:
        """Some definition or record says that *path* has this format."""
        self._declared.setdefault(path, set()).add(_usual(image_format))

    def expect(self, path: ImagePath) -> None:
        """A ledger says that we made *path*: where it is empty it was to become an overlay."""
        try:
            status = os.lstat(path)
        except (OSError, ValueError):
            return
        if self._is_local and stat.S_ISREG(status.st_mode) and not status.st_size:
            self.declare(path, "qcow2")
            self._examined[path, "qcow2"] = Image(
                path=path, format="qcow2", virtual_size=0, allocated=0, is_blank=True
            )

    def state(self, image: Image) -> None:
        """What libvirt says of an image that cannot be looked at from here."""
        self._stated.setdefault(image.path, image)

    def spelled(self, path: str) -> ImagePath:
        """The canonical path of *path*, whose spelling is remembered for relative backing names."""
        canonical = self.paths.canonical(path)
        if path != canonical:
            self._spelled.setdefault(canonical, path)
        return canonical

    def image(self, path: ImagePath, image_format: str | None) -> Image:
        """*path* read as *image_format*; None reads it as its magic says."""
        usual = None if image_format is None else _usual(image_format)
        if usual is None and self._declared.get(path) == {RAW}:
            usual = RAW
        key = (path, usual)
        found = self._examined.get(key)
        if found is None:
            if usual is not None:
                self.declare(path, usual)
            found = self._examined[key] = self._examine(path, usual)
        return found

    def chain(self, path: ImagePath, image_format: str) -> BackingChain | None:
        """The chain below and with *path* by the headers; None when it cannot be read whole."""
        images: list[ImagePath] = []
        current, read_as = path, _usual(image_format)
        while current not in images:
            image = self.image(current, read_as)
            images.append(current)
            if image.presence is not Presence.PRESENT or not image.is_examined:
                return None
            if image.backing is None:
                return BackingChain(tuple(reversed(images)))
            below = image.backing_format
            if below is None:
                # Without a recorded format libvirt takes a bottom image, nothing more (facts §3.4).
                bottom = self.image(image.backing, None)
                if bottom.backing is not None or not bottom.is_examined:
                    return None
                below = bottom.format
            current, read_as = image.backing, _usual(below)
        return None

    def all(self) -> tuple[Image, ...]:
        """Every image by path, with all that their headers name."""
        if not self._is_local:
            return tuple(self._stated[path] for path in sorted(self._stated))
        self._follow_headers()
        chosen: dict[ImagePath, Image] = {}
        for (path, read_as), image in self._examined.items():
            declared = self._declared.get(path)
            if read_as is None and declared:
                continue
            # Read both as raw and as qcow2 by different domains: the richer reading names more.
            if path not in chosen or chosen[path].format in (RAW, MEMORY_FORMAT):
                chosen[path] = image
        return tuple(chosen[path] for path in sorted(chosen))

    def is_declared(self, path: ImagePath) -> bool:
        """Some definition, record or header says what format *path* has."""
        return path in self._declared

    def probe(self, path: ImagePath) -> bool:
        """Look at a file found in a folder that nobody names; False when nobody may look."""
        start = _start_of(path)
        if start is None:
            return False
        image_format = qcow2.format_by_magic(start)
        if image_format is not None:
            self.image(path, image_format)
        return True

    def _follow_headers(self) -> None:
        for path, formats in tuple(self._declared.items()):
            for image_format in formats:
                self.image(path, image_format)
        waiting = list(self._examined.values())
        while waiting:
            image = waiting.pop()
            if image.backing is None:
                continue
            key = (image.backing, image.backing_format and _usual(image.backing_format))
            if key not in self._examined and not (key[1] is None and self.is_declared(key[0])):
                waiting.append(self.image(*key))

    def _examine(self, path: ImagePath, image_format: str | None) -> Image:
        try:
            status = os.stat(path)  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return _unread(path, image_format, Presence.MISSING)
        except (OSError, ValueError):
            return _unread(path, image_format, Presence.UNKNOWN)
        if stat.S_ISBLK(status.st_mode):
            return self._examine_device(path, status.st_rdev, image_format)
        if not stat.S_ISREG(status.st_mode):
            return _unread(path, image_format, Presence.UNKNOWN)
        file = FileIdentity(device=status.st_dev, inode=status.st_ino, modified=status.st_mtime_ns)
        return replace(self._examine_file(path, status, image_format), file=file)

    def _examine_file(
        self, path: ImagePath, status: os.stat_result, image_format: str | None
    ) -> Image:
        allocated = status.st_blocks * _BLOCK_SIZE
        if image_format == MEMORY_FORMAT:
            return Image(path=path, format=MEMORY_FORMAT, allocated=allocated)
        if image_format == RAW:
            size = status.st_size
            return Image(path=path, format=RAW, virtual_size=size, allocated=allocated)
        return self._read(path, image_format, allocated)

    def _examine_device(self, path: ImagePath, number: int, image_format: str | None) -> Image:
        """Of a raw one nothing is read, not even by us."""
        size = self.paths.devices.size(number) or _size_by_seeking(path)
        if image_format == RAW:
            image = Image(path=path, format=RAW, virtual_size=size)
        else:
            image = self._read(path, image_format, None)
        below = tuple(sorted({self.paths.canonical(p) for p in self.paths.devices.below(number)}))
        return replace(image, is_device=True, device_size=size, lies_on=below)

    def _read(self, path: ImagePath, image_format: str | None, allocated: int | None) -> Image:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return _unread(path, image_format, Presence.MISSING)
        except OSError:
            return _unread(path, image_format, Presence.UNKNOWN)
        try:
            start = qcow2.read_start(descriptor)
            found = image_format or qcow2.format_by_magic(start) or RAW
            if found == RAW:
                size = os.lseek(descriptor, 0, os.SEEK_END)
                return Image(path=path, format=RAW, virtual_size=size, allocated=allocated)
            if found != "qcow2":
                return self._read_by_qemu(path, found, allocated)
            header = qcow2.read_header(descriptor, start)
        except OSError:
            return _unread(path, image_format, Presence.UNKNOWN)
        except qcow2.NotQcow2Error:
            return _unread(path, image_format, Presence.PRESENT, allocated)
        finally:
            os.close(descriptor)
        return self._of_header(path, header, allocated)

    def _of_header(
        self, path: ImagePath, header: qcow2.Qcow2Header, allocated: int | None
    ) -> Image:
        backing, backing_format, is_file = None, header.backing_format, True
        if header.backing is not None:
            name = qcow2.parsed_name(header.backing)
            backing_format = backing_format or name.format
            is_file = name.path is not None
            backing = None if name.path is None else self._resolved(path, name.path)
        return Image(
            path=path,
            format="qcow2",
            backing=backing,
            backing_format=None if header.backing is None else backing_format,
            virtual_size=header.virtual_size,
            allocated=allocated,
            internal_snapshots=header.internal_snapshots,
            internal_ids=header.internal_ids,
            is_blank=header.is_blank,
            unwritten_since=header.unwritten_since,
            has_data_file=header.has_data_file,
            is_encrypted=header.is_encrypted,
            # A backing that is no file would read as none at all.
            is_examined=is_file,
        )

    def _read_by_qemu(self, path: ImagePath, image_format: str, allocated: int | None) -> Image:
        try:
            document = qemu_img.info(path, image_format)
        except (HypervisorError, ValueError):
            return _unread(path, image_format, Presence.PRESENT, allocated)
        name = document.get("backing-filename")
        parsed = None if name is None else qcow2.parsed_name(str(name))
        is_file = parsed is None or parsed.path is not None
        backing = self._resolved(path, parsed.path) if parsed and parsed.path else None
        return Image(
            path=path,
            format=image_format,
            backing=backing,
            backing_format=document.get("backing-filename-format"),
            virtual_size=document.get("virtual-size"),
            allocated=allocated,
            internal_snapshots=tuple(str(s.get("name")) for s in document.get("snapshots", ())),
            internal_ids=tuple(str(s.get("id")) for s in document.get("snapshots", ())),
            is_encrypted=bool(document.get("encrypted")),
            is_examined=is_file,
        )

    def _resolved(self, overlay: ImagePath, name: str) -> ImagePath:
        """A relative name counts from the overlay's folder, as the overlay is spelled."""
        if os.path.isabs(name):  # noqa: PTH117
            return self.spelled(name)
        beside = os.path.join(os.path.dirname(overlay), name)  # noqa: PTH118, PTH120
        spelling = self._spelled.get(overlay)
        if spelling is not None and not os.path.lexists(beside):
            beside = os.path.join(os.path.dirname(spelling), name)  # noqa: PTH118, PTH120
        return self.spelled(beside)


def _usual(image_format: str) -> str:
    return RAW if image_format in _RAW_NAMES else image_format


def _unread(
    path: ImagePath, image_format: str | None, presence: Presence, allocated: int | None = None
) -> Image:
    return Image(
        path=path,
        format=image_format or RAW,
        presence=presence,
        allocated=allocated,
        is_examined=False,
    )


def _start_of(path: ImagePath) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return qcow2.read_start(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _size_by_seeking(path: ImagePath) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    except OSError:
        return None
    finally:
        os.close(descriptor)
