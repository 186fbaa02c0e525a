"""Disks of a definition with their chains: the live ones from libvirt, the others from headers."""

from collections.abc import Mapping

from reconciler.hypervisor.domain_xml import DiskReading, Layer
from reconciler.hypervisor.images import ImageShelf
from reconciler.model.chain import BackingChain, Image, Presence
from reconciler.model.domain import ON_STORAGE, Disk, DiskKind
from reconciler.model.names import ImagePath

Volumes = Mapping[tuple[str, str], str]


class DiskReader:
    """Turns readings of one observation into disks."""

    def __init__(self, shelf: ImageShelf, *, volumes: Volumes, is_local: bool) -> None:
        self._shelf = shelf
        self._volumes = volumes
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
            for layer in self._layers(reading):
                if layer.path and layer.kind in ON_STORAGE:
                    self._shelf.declare(self._shelf.spelled(layer.path), layer.format)

    def _live(self, reading: DiskReading) -> Disk:
        chain = self._spelled(reading) if reading.is_terminated else self._walked(reading)
        if chain is not None and not self._is_local:
            self._state(reading, chain)
        return self._disk(reading, chain=chain, stated=None)

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
            is_passing_name=active.path is not None and self._shelf.paths.is_passing(active.path),
            is_excluded=reading.is_excluded,
            chain=chain,
            stated=stated,
        )

    def _layers(self, reading: DiskReading) -> tuple[Layer, ...]:
        """The layers, a volume's name replaced by the path it stands for."""
        if reading.volume is None:
            return reading.layers
        path = self._volumes.get(reading.volume)
        active = Layer(kind=DiskKind.FILE, path=path, format=reading.active.format)
        return (active, *reading.layers[1:])

    def _source(self, reading: DiskReading) -> ImagePath | None:
        path = self._layers(reading)[0].path
        return self._shelf.spelled(path) if path else None

    def _walked(self, reading: DiskReading) -> BackingChain | None:
        active, source = self._layers(reading)[0], self._source(reading)
        if source is None or active.kind not in ON_STORAGE or not self._is_local:
            return None
        return self._shelf.chain(source, active.format)

    def _spelled(self, reading: DiskReading) -> BackingChain | None:
        """The chain as written down; None when a part of it is no file or device."""
        images: list[ImagePath] = []
        for layer in self._layers(reading):
            if layer.path is None or layer.kind not in ON_STORAGE:
                return None
            images.append(self._shelf.spelled(layer.path))
        return BackingChain(tuple(reversed(images))) if len(set(images)) == len(images) else None

    def _stated(self, reading: DiskReading) -> BackingChain | None:
        """What libvirt would use: the spelled images, and below an open end what headers say."""
        spelled = self._spelled(reading) if reading.is_spelled else None
        if spelled is None or reading.is_terminated or not self._is_local:
            return spelled
        below = self._shelf.chain(spelled.base, self._layers(reading)[-1].format)
        images = (*(below.images[:-1] if below else ()), *spelled.images)
        return BackingChain(images) if len(set(images)) == len(images) else spelled

    def _state(self, reading: DiskReading, chain: BackingChain) -> None:
        layers = tuple(reversed(self._layers(reading)))
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
