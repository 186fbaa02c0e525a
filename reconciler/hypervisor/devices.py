"""Block devices: which names mean one device, and by which of them it is called.

The rule.  A device *is* its number: names are links to a node, and the kernel gives nodes out anew
at each boot (``/dev/dm-3``, ``/dev/sdb``, ``/dev/loop0``).  So two names are one device when their
numbers are equal, and it is called, always, by the first of these that is that very device:

1. ``/dev/VG/LV`` of a logical volume, as LVM and libvirt's own pools call it;
2. ``/dev/mapper/NAME`` of any other device-mapper device, multipath among them;
3. the first name in ``/dev/disk/by-id``, but for those that say what is written on the device, else
   in ``/dev/disk/by-path``;
4. the name it was asked for by first, of which no link at the end is followed.

The first three come back after a reboot and hang on the device alone, not on who asks; names made
from content (``by-uuid``, ``by-label``) are none, for the guest writes the content.  The fourth is
for devices that nobody names for good: whoever made a link to one meant the link.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

#: made by udev from what lies on the device, so the guest's to change
_OF_CONTENT = ("lvm-pv-uuid-",)
#: dm names join VG and LV by one hyphen; a hyphen of their own is doubled
_JOINT = re.compile(r"(?<!-)-(?!-)")
_SECTOR = 512

NumberOf = Callable[[str], int | None]


def number_of(path: str) -> int | None:
    """The number of the device that *path* leads to; None where that is no block device."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else None


def is_device(path: str) -> bool:
    """*path* leads to a block device."""
    return number_of(path) is not None


class DeviceNames:
    """Names the devices of one observation; *dev* and *sys* are folders for the tests to replace."""

    def __init__(
        self, *, dev: str = "/dev", sys: str = "/sys", number_of: NumberOf = number_of
    ) -> None:
        self._dev = dev
        self._sys = sys
        self._number_of = number_of
        self._known: dict[int, str] = {}

    def name(self, number: int, asked: str) -> str:
        """What the device of that number is called; *asked* if it has no lasting name."""
        if number not in self._known:
            found = (n for n in self._lasting(number) if self._number_of(n) == number)
            self._known[number] = next(found, asked)
        return self._known[number]

    def _lasting(self, number: int) -> list[str]:
        mapped, by_udev = self._said(number, "dm/name"), self._by_udev.get(number)
        names = []
        if self._said(number, "dm/uuid").startswith("LVM-"):
            parts = [part.replace("--", "-") for part in _JOINT.split(mapped)]
            names += ["/".join((self._dev, *parts))] if len(parts) == 2 else []
        names += [f"{self._dev}/mapper/{mapped}"] if mapped else []
        return names + ([by_udev] if by_udev else [])

    def is_kernels(self, name: str, number: int) -> bool:
        """*name* is the node that the kernel named, which may be another device tomorrow."""
        return name == self._node(number)

    def _node(self, number: int) -> str | None:
        found = re.search(r"^DEVNAME=(.+)$", self._said(number, "uevent"), re.M)
        return f"{self._dev}/{found[1]}" if found else None

    def below(self, number: int) -> Iterator[str]:
        """All that shares bytes with the device by lying below it: the disk of a partition, what a
        map is made of, the file behind a loop device; and what is below those.
        """
        waiting, seen = [number], {number}
        while waiting:
            at = waiting.pop()
            file = self._said(at, "loop/backing_file")
            if file.startswith("/"):
                yield file
            for other in self._right_below(at):
                node = self._node(other)
                if other not in seen and node is not None:
                    seen.add(other)
                    waiting.append(other)
                    yield node

    def _right_below(self, number: int) -> Iterator[int]:
        folder = Path(os.path.realpath(self._folder(number)))
        said = [f"{entry}/dev" for entry in _listed(f"{folder}/slaves")]
        if (folder / "partition").exists():
            said.append(f"{folder.parent}/dev")
        for path in said:
            major, separator, minor = _read(path).partition(":")
            if separator and major.isdigit() and minor.isdigit():
                yield os.makedev(int(major), int(minor))

    def size(self, number: int) -> int | None:
        """Its bytes, as the kernel says; None where it does not."""
        sectors = self._said(number, "size")
        return int(sectors) * _SECTOR if sectors.isdigit() else None

    def beside(self, name: str, number: int) -> list[str]:
        """The other volumes of its volume group: an image on one may stand on any of them."""
        if not self._said(number, "dm/uuid").startswith("LVM-"):
            return []
        folder = name.rpartition("/")[0]
        return sorted(
            path
            for path in _listed(folder)
            if (other := self._number_of(path)) is not None and other != number
        )

    @cached_property
    def _by_udev(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for folder in ("by-id", "by-path"):
            for path in sorted(_listed(f"{self._dev}/disk/{folder}")):
                number = self._number_of(path)
                if number is not None and not path.rpartition("/")[2].startswith(_OF_CONTENT):
                    found.setdefault(number, path)
        return found

    def _said(self, number: int, what: str) -> str:
        """A fact of the kernel's; empty where there is none."""
        return _read(f"{self._folder(number)}/{what}")

    def _folder(self, number: int) -> str:
        return f"{self._sys}/dev/block/{os.major(number)}:{os.minor(number)}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _listed(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder)]
    except OSError:
        return []
