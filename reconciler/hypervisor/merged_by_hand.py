"""Finds images that somebody merged down without telling libvirt's records."""

import os
from collections.abc import Iterator

from reconciler.hypervisor import qemu_img
from reconciler.hypervisor.devices import is_device
from reconciler.hypervisor.images import ImageShelf
from reconciler.model.chain import Image, Presence
from reconciler.model.ledger import Ledger
from reconciler.model.names import ImagePath
from reconciler.model.snapshot import SnapshotDisk, SnapshotRecord

#: (path, its inode, size and mtime) twice: while nothing changed the answer holds.
_Key = tuple[object, ...]


class HandMergeFinder:
    """Compares the data; an answer is kept while both files stay as they were."""

    def __init__(self) -> None:
        self._answers: dict[_Key, bool] = {}

    def found(
        self, records: tuple[SnapshotRecord, ...], ledger: Ledger | None, shelf: ImageShelf
    ) -> tuple[tuple[ImagePath, ImagePath], ...]:
        """Pairs (top, base): comparing showed that *top* holds nothing that *base* does not."""
        known = ledger.emptied if ledger else frozenset()
        pairs = {
            pair: formats
            for record in records
            for disk in record.external_disks
            for pair, formats in _suspects(disk, shelf)
            if pair[0] not in known
        }
        return tuple(pair for pair in sorted(pairs) if self._is_same(pair, pairs[pair]))

    def _is_same(self, pair: tuple[ImagePath, ImagePath], formats: tuple[str, str]) -> bool:
        if any(map(is_device, pair)):  # what is written to a device leaves no mark on its node
            return qemu_img.holds_the_same(pair[0], formats[0], pair[1], formats[1])
        key = (*_mark(pair[0]), *_mark(pair[1]))
        if key not in self._answers:
            self._answers[key] = qemu_img.holds_the_same(pair[0], formats[0], pair[1], formats[1])
        return self._answers[key]


def _suspects(
    disk: SnapshotDisk, shelf: ImageShelf
) -> Iterator[tuple[tuple[ImagePath, ImagePath], tuple[str, str]]]:
    """The overlay stands lower than the record says, on an image of the frozen layer's own chain."""
    frozen, overlay = disk.source, disk.overlay
    if frozen is None or overlay is None or frozen == overlay:
        return
    header: Image = shelf.image(overlay, "qcow2")
    below = header.backing
    if header.presence is not Presence.PRESENT or below is None or below == frozen:
        return
    frozen_format = disk.source_format or "qcow2"
    chain = shelf.chain(frozen, frozen_format)
    if chain is None or below not in chain:
        return
    # a blank one holds nothing that its base lacks, whether or not it was ever merged
    if not shelf.image(frozen, frozen_format).is_blank:
        yield (frozen, below), (frozen_format, header.backing_format or "raw")


def _mark(path: ImagePath) -> _Key:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return (path,)
    return (path, status.st_ino, status.st_size, status.st_mtime_ns)
