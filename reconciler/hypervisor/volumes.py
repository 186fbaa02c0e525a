"""Where the volumes of storage pools lie: ``<disk type='volume'>`` names one by pool and name."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import libvirt

from reconciler.hypervisor.domain_xml import Place, Volume
from reconciler.hypervisor.xml import parse
from reconciler.model.domain import DiskKind

_OF_FILES = frozenset({"dir", "fs", "netfs"})
#: their volumes lie in the target folder by their names, as those of files do
_OF_NAMED_DEVICES = frozenset({"disk", "logical", "zfs"})
_OF_NETWORK = frozenset({"gluster", "iscsi-direct", "rbd", "sheepdog"})


@dataclass(frozen=True, slots=True)
class _Pool:
    kind: str
    folder: str | None


class VolumeBook:
    """Asks libvirt at most once for each volume of one observation."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._pools: dict[str, _Pool | None] = {}
        self._known: dict[Volume, Place | None] = {}

    def place(self, volume: Volume) -> Place | None:
        """Where *volume* lies; None when nobody can tell.

        A pool that is stopped does not know its volumes, but its definition has their folder.
        """
        if volume not in self._known:
            self._known[volume] = self._asked(*volume)
        return self._known[volume]

    def _asked(self, pool: str, name: str) -> Place | None:
        found = self._pool(pool)
        if found is None:
            return None
        if found.kind in _OF_NETWORK:
            return Place(kind=DiskKind.NETWORK, path=None)
        kind = DiskKind.FILE if found.kind in _OF_FILES else DiskKind.BLOCK
        with suppress(libvirt.libvirtError):
            path = self._raw.storagePoolLookupByName(pool).storageVolLookupByName(name).path()
            return Place(kind=kind, path=path)
        is_by_name = found.kind in _OF_FILES | _OF_NAMED_DEVICES
        if not is_by_name or found.folder is None or not name or "/" in name:
            return None
        return Place(kind=kind, path=f"{found.folder.rstrip('/')}/{name}")

    def _pool(self, name: str) -> _Pool | None:
        if name not in self._pools:
            self._pools[name] = None
            with suppress(libvirt.libvirtError):
                root = parse(self._raw.storagePoolLookupByName(name).XMLDesc(0))
                folder = root.findtext("target/path")
                self._pools[name] = _Pool(root.get("type", ""), folder or None)
        return self._pools[name]
