"""Disks of a definition with their chains: the live ones from libvirt, the others from headers."""

from reconciler.hypervisor.domain_xml import DiskReading, Layer
from reconciler.hypervisor.images import ImageShelf
from reconciler.model.chain import BackingChain, Image, Presence
from reconciler.model.domain import ON_STORAGE, Disk, DiskKind
from reconciler.model.names import ImagePath


class DiskReader:
    """Turns readings of one observation into disks."""

    def __init__(self, shelf: ImageShelf, *, is_local: bool) -> None:
        self._shelf = shelf
        self._is_local = is_local

    def live(self, readings: tuple[DiskReading, ...]) -> tuple[Disk, ...]:
        """Of a running domain: its XML is what QEMU really uses (facts §3.1)."""
        return tuple(self._live(reading) for reading in readings)

    def persistent(
        self, readings: tuple[DiskReading, ...], live: tuple[Disk, ...] | None
    ) -> tuple[Disk, ...]:
        """Of the next start: headers are the truth, what the XML spells out goes to *stated*."""
        return tuple(self._persistent(reading, live or ()) for reading in readings)

    def declare(self, readings: tuple[DiskReading, ...]) -> None:
        """Say which formats these definitions give to which images."""
        for reading in readings:
            for layer in reading.layers:
                if layer.path and layer.kind in ON_STORAGE:
                    self._shelf.declare(self._shelf.spelled(layer.path), layer.format)

    def _live(self, reading: DiskReading) -> Disk:
        chain = self._spelled(reading) if reading.is_terminated else self._walked(reading)
        if chain is not None and not self._is_local:
            self._state(reading, chain)
        return self._disk(
            reading, chain=chain, stated=self._stated(reading) if chain is None else None
        )

    def _persistent(self, reading: DiskReading, live: tuple[Disk, ...]) -> Disk:
        chain = self._walked(reading)
        if chain is None and not self._is_local:
            source = self._source(reading)
            chain = next((d.chain for d in live if source and d.source == source), None)
        return self._disk(reading, chain=chain, stated=self._stated(reading))

    def _disk(
        self, reading: DiskReading, *, chain: BackingChain | None, stated: BackingChain | None
    ) -> Disk:
        active = reading.active
        return Disk(
            target=reading.target,
            kind=DiskKind.OTHER if reading.volume else active.kind,
            source=self._source(reading),
            format=active.format,
            device=reading.device,
            is_readonly=reading.is_readonly,
            is_shareable=reading.is_shareable,
            is_transient=reading.is_transient,
            is_encrypted=reading.is_encrypted,
            is_optional=reading.is_optional,
            oddity=reading.oddity,
            unresolved=reading.unresolved,
            is_stated_elsewhere=_end_of_storage(reading) < len(reading.layers)
            and reading.active.kind in ON_STORAGE,
            also_reads=tuple(
                self._shelf.spelled(path) for layer in reading.layers for path in layer.also
            ),
            is_passing_name=active.path is not None and self._shelf.paths.is_passing(active.path),
            is_excluded=reading.is_excluded,
            is_manual=reading.is_manual,
            chain=chain,
            stated=stated,
        )

    def _source(self, reading: DiskReading) -> ImagePath | None:
        path = reading.active.path
        return self._shelf.spelled(path) if path else None

    def _walked(self, reading: DiskReading) -> BackingChain | None:
        active, source = reading.active, self._source(reading)
        if source is None or active.kind not in ON_STORAGE or not self._is_local:
            return None
        return self._shelf.chain(source, active.format, spelling=active.path)

    def _spelled(self, reading: DiskReading) -> BackingChain | None:
        """The chain as written down; None when a part of it is no file or device."""
        images = self._images(reading)
        is_whole = len(images) == len(reading.layers) == len(set(images))
        return BackingChain(tuple(reversed(images))) if is_whole else None

    def _images(self, reading: DiskReading) -> list[ImagePath]:
        """The spelled images from the active one down, as far as they are files or devices."""
        layers = reading.layers[: _end_of_storage(reading)]
        return [self._shelf.spelled(layer.path) for layer in layers if layer.path]

    def _stated(self, reading: DiskReading) -> BackingChain | None:
        """What libvirt would use: the spelled images, and below an open end what headers say.

        Of a chain that goes on where no files are, or comes back to itself, the images that it has.
        """
        images = list(dict.fromkeys(self._images(reading)))
        if not reading.is_spelled or not images:
            return None
        spelled = BackingChain(tuple(reversed(images)))
        is_whole = len(images) == len(reading.layers)
        if not is_whole or reading.is_terminated or not self._is_local:
            return spelled
        last = reading.layers[-1]
        below = self._shelf.chain(spelled.base, last.format, spelling=last.path)
        whole = (*(below.images[:-1] if below else ()), *spelled.images)
        return BackingChain(whole) if len(set(whole)) == len(whole) else spelled

    def _state(self, reading: DiskReading, chain: BackingChain) -> None:
        layers = tuple(reversed(reading.layers))
        formats = [layer.format for layer in layers]
        for image, layer in zip(chain.images, layers, strict=True):
            below = chain.below(image)
            self._shelf.state(
                Image(
                    path=image,
                    format=layer.format,
                    presence=Presence.UNKNOWN,
                    backing=below,
                    backing_format=formats[chain.images.index(below)] if below else None,
                    is_examined=False,
                    is_device=layer.kind is DiskKind.BLOCK,
                )
            )


def _end_of_storage(reading: DiskReading) -> int:
    """How many layers, from the active one down, are files or devices."""
    ends = (n for n, layer in enumerate(reading.layers) if not _is_on_storage(layer))
    return next(ends, len(reading.layers))


def _is_on_storage(layer: Layer) -> bool:
    return layer.path is not None and layer.kind in ON_STORAGE
