"""Image files as they lie on storage: what each header says, looked at once an observation."""

import os
import stat
from dataclasses import replace

from reconciler.hypervisor import looking, qcow2
from reconciler.hypervisor.backing_names import BackingName, parsed_name
from reconciler.hypervisor.devices import number_of
from reconciler.hypervisor.looking import RAW, Looked
from reconciler.hypervisor.paths import PathBook
from reconciler.model.chain import MEMORY_FORMAT, BackingChain, Image, Presence, Unread
from reconciler.model.names import ImagePath

#: How old headers spell raw.
_RAW_NAMES = frozenset({"raw", "file", "host_device"})


class ImageShelf:
    """Every image of one observation, examined at most once for each format it is said to have.

    The format comes from who names the image, never from its content: a guest that owns a raw
    image could write any header into it.  Only what nobody declares is known by its magic.

    A relative backing name counts from the folder of the name that the overlay was reached by, link
    or not, as QEMU and libvirt have it.  So a file that is reached by several names may stand on
    several others; the first name that was said, a definition's where there is one, goes first.
    """

    def __init__(self, paths: PathBook, *, is_local: bool) -> None:
        self.paths = paths
        self._is_local = is_local
        self._looked: dict[tuple[ImagePath, str | None], Looked] = {}
        self._declared: dict[ImagePath, set[str]] = {}
        self._spellings: dict[ImagePath, list[str]] = {}
        self._is_spelled_anew = False
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
            blank = Image(path=path, format="qcow2", virtual_size=0, allocated=0, is_blank=True)
            self._looked[path, "qcow2"] = Looked(image=blank)

    def state(self, image: Image) -> None:
        """What libvirt says of an image that cannot be looked at from here."""
        self._stated.setdefault(image.path, image)

    def spelled(self, path: str) -> ImagePath:
        """The canonical path of *path*, whose spelling is remembered for relative backing names."""
        canonical = self.paths.canonical(path)
        known = self._spellings.setdefault(canonical, [])
        if path not in known:
            known.append(path)
            self._is_spelled_anew |= path != canonical
        return canonical

    def image(self, path: ImagePath, image_format: str | None) -> Image:
        """*path* read as *image_format*; None reads it as its magic says."""
        return self._on_what_it_names(self._look(path, image_format))

    def chain(
        self, path: ImagePath, image_format: str, *, spelling: str | None = None
    ) -> BackingChain | None:
        """The chain below and with *path* by the headers; None when it cannot be read whole.

        *spelling* is how a definition has it; else the first that anybody said.
        """
        images: list[ImagePath] = []
        current, read_as, spelled = path, _usual(image_format), spelling
        while current not in images:
            looked = self._look(current, read_as)
            image, name = looked.image, looked.name
            images.append(current)
            if image.presence is not Presence.PRESENT or not image.is_examined:
                return None
            if name is None or name.path is None:
                return BackingChain(tuple(reversed(images)))
            spelled = _led_to(name, spelled or self._names(current)[0])
            backing, below = self.spelled(spelled), image.backing_format
            if below is None:
                # Without a recorded format libvirt takes a bottom image, nothing more (facts §3.4).
                bottom = self._look(backing, None)
                if bottom.name is not None or not bottom.image.is_examined:
                    return None
                below = bottom.image.format
            current, read_as = backing, _usual(below)
        return None

    def all(self) -> tuple[Image, ...]:
        """Every image by path, with all that their headers name."""
        if not self._is_local:
            return tuple(self._stated[path] for path in sorted(self._stated))
        self._follow_headers()
        chosen: dict[ImagePath, Image] = {}
        for (path, read_as), looked in self._looked.items():
            if read_as is None and self._declared.get(path):
                continue
            image = self._on_what_it_names(looked)
            # Read both as raw and as qcow2 by different domains: the richer reading names more.
            if path not in chosen or _richness(image) > _richness(chosen[path]):
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
            self._look(path, image_format)
        return True

    def _look(self, path: ImagePath, image_format: str | None) -> Looked:
        usual = None if image_format is None else _usual(image_format)
        if usual is None and self._declared.get(path) == {RAW}:
            usual = RAW
        key = (path, usual)
        found = self._looked.get(key)
        if found is None:
            if usual is not None:
                self.declare(path, usual)
            looked = self._with_saved(looking.examined(path, usual))
            found = self._looked[key] = self._with_device(looked)
        return found

    def _with_saved(self, looked: Looked) -> Looked:
        """The paths that a memory image says are names as any others."""
        saved = looked.image.saved
        if saved is None:
            return looked
        canonical = self.paths.canonical
        disks = tuple((t, None if path is None else canonical(path)) for t, path in saved.disks)
        return replace(looked, image=replace(looked.image, saved=replace(saved, disks=disks)))

    def _with_device(self, looked: Looked) -> Looked:
        image = looked.image
        number = None if image.presence is Presence.MISSING else number_of(image.path)
        if number is None:
            return looked
        devices = self.paths.devices
        size = devices.size(number) or _size_by_seeking(image.path)
        below = tuple(sorted({self.paths.canonical(path) for path in devices.below(number)}))
        if image.format == RAW:
            image = replace(image, virtual_size=size)
        image = replace(image, is_device=True, device_size=size, lies_on=below)
        return replace(looked, image=image)

    def _follow_headers(self) -> None:
        """Look at all below, until no header leads to a file, or by a name, that is not known."""
        for path, formats in tuple(self._declared.items()):
            for image_format in formats:
                self._look(path, image_format)
        seen = 0
        while len(self._looked) > seen or self._is_spelled_anew:
            known = list(self._looked.values())
            waiting = known if self._is_spelled_anew else known[seen:]
            seen, self._is_spelled_anew = len(known), False
            for looked in waiting:
                below = looked.image.backing_format
                for path in self._below(looked):
                    if below is not None or not self.is_declared(path):
                        self._look(path, below)

    def _on_what_it_names(self, looked: Looked) -> Image:
        image, below = looked.image, self._below(looked)
        others = {path for path in below[1:] if os.path.lexists(path)}
        for name in looked.also:
            path = parsed_name(name).path
            others |= {self.spelled(_beside(self._names(image.path)[0], path))} if path else set()
        if others:
            image = replace(image, also_reads=tuple(sorted(others)))
        if len(below) > 1:
            oddity = f"the name of its backing file means {below[0]} or {below[1]}"
            image = replace(image, oddity=f"{oddity}, by the link that it is reached by")
        return replace(image, backing=below[0]) if below else image

    def _below(self, looked: Looked) -> list[ImagePath]:
        """What its backing name leads to, by each name that it has itself."""
        name = looked.name
        if name is None or name.path is None:
            return []
        names = self._names(looked.image.path)
        led_to = [_led_to(name, own) for own in names]
        # Other programs count such a name from the folder of the overlay all the same.
        led_to += [_beside(own, name.path) for own in names if name.is_from_root]
        return list(dict.fromkeys(self.spelled(path) for path in led_to))

    def _names(self, path: ImagePath) -> list[str]:
        return [*self._spellings.get(path, ()), path]


def _led_to(name: BackingName, spelling: str) -> str:
    """Where QEMU looks; that of a guest stands in the root folder."""
    assert name.path is not None
    return _beside("/" if name.is_from_root else spelling, name.path)


def _beside(spelling: str, name: str) -> str:
    """A relative name counts from the folder of the overlay, as that is spelled."""
    return os.path.join(os.path.dirname(spelling), name)  # noqa: PTH118, PTH120


def _richness(image: Image) -> int:
    if image.unread is Unread.NO_IMAGE and image.backing is None:
        return 0
    if image.format in (RAW, MEMORY_FORMAT):
        return 1
    return 3 if image.is_examined else 2


def _usual(image_format: str) -> str:
    return RAW if image_format in _RAW_NAMES else image_format


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
