"""Removing eight neighbouring snapshots: one `virtsnap apply` against eight `virsh snapshot-delete`.

Each of the eight overlays holds other content of the same region of the disk, as with a database or
a log that is written over and over. Both guests have the same history. Bytes are what QEMU hands to
the kernel to write (``wchar`` of /proc/PID/io), which no page cache or file system can hide; the
guests write nothing of their own meanwhile. Seconds are those of the commands, start-up included.
"""

import hashlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab.guest import Guest
from tests.system.site import Site

MIB = 16
_FILE = "/data/region"


class BenchError(Exception):
    """The bench does not measure what it says it measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one way of removing has cost."""

    bytes_written: int
    seconds: float


def measure(site: Site, *, count: int) -> tuple[Removal, Removal]:
    """(by virtsnap, by virsh), the data of both guests checked afterwards."""
    snapshots = tuple(f"s{number}" for number in range(1, count + 1))
    ours = site.lab.guest("by-virtsnap", write=False)
    theirs = site.lab.guest("by-virsh", write=False)
    for taken, name in enumerate(snapshots, start=1):
        for guest in (ours, theirs):
            _write_region(guest, name)
            site.declare(guest, *snapshots[:taken], prune="auto")
        site.apply()
    for guest in (ours, theirs):
        _write_region(guest, "last")
    removals = _by_virtsnap(site, ours), _by_virsh(site, theirs, snapshots)
    for guest in (ours, theirs):
        _check(guest)
    return removals


def _by_virtsnap(site: Site, guest: Guest) -> Removal:
    path = site.declare(guest, prune="auto")
    before, began = _written(site, guest), time.perf_counter()
    site.apply("-f", str(path))
    seconds = time.perf_counter() - began
    return Removal(bytes_written=_written(site, guest) - before, seconds=seconds)


def _by_virsh(site: Site, guest: Guest, snapshots: tuple[str, ...]) -> Removal:
    before, began = _written(site, guest), time.perf_counter()
    for name in snapshots:
        _virsh(site, "snapshot-delete", guest.name, name)
    seconds = time.perf_counter() - began
    return Removal(bytes_written=_written(site, guest) - before, seconds=seconds)


def _virsh(site: Site, *command: str) -> None:
    done = subprocess.run(
        ["virsh", "-q", "-c", site.lab.daemon.uri, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"`virsh {' '.join(command)}`: {done.stderr.strip()}")


def _block(word: str) -> bytes:
    line = f"region {word}\n".encode()
    return (line * ((1 << 20) // len(line) + 1))[: 1 << 20]


def _write_region(guest: Guest, word: str) -> None:
    """The same blocks each time: the file is there already, and is written in place."""
    block = "/run/block"
    script = (
        f"yes 'region {word}' | head -c {1 << 20} > {block}; n=0; while [ $n -lt {MIB} ]; do "
        f"dd if={block} of={_FILE} bs=1M seek=$n conv=notrunc 2>/dev/null || exit 1; n=$((n+1)); "
        f"done; rm {block}; sync"
    )
    _in_guest(guest, script)


def _check(guest: Guest) -> None:
    """The guest reads what it wrote last, from a disk that is one image again."""
    said = _in_guest(guest, f"echo 3 > /proc/sys/vm/drop_caches; sha256sum {_FILE}")
    if said.split()[0] != hashlib.sha256(_block("last") * MIB).hexdigest():
        raise BenchError(f"the data of {guest.name} is not what it wrote")
    if guest.active_images() != guest.disks or guest.domain.listAllSnapshots():
        raise BenchError(f"the snapshots of {guest.name} are not gone")


def _in_guest(guest: Guest, script: str) -> str:
    status, printed = guest.execute("/bin/sh", "-c", script)
    if status:
        raise BenchError(f"cannot run {script!r} in {guest.name}: {printed.strip()}")
    return printed


def _written(site: Site, guest: Guest) -> int:
    """Bytes that the QEMU process of *guest* has written so far."""
    pid_files = list((site.lab.daemon.directory / "run").rglob(f"{guest.name}.pid"))
    if not pid_files:
        raise BenchError(f"cannot find the QEMU process of {guest.name}")
    fields = Path(f"/proc/{int(pid_files[0].read_text())}/io").read_text().split()
    return int(fields[fields.index("wchar:") + 1])
