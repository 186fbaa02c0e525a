"""A tiny real Linux guest: kernel, initramfs and an empty data disk, built once and kept.

Everything comes from the distribution's packages: nothing is installed, no root, no mount.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab import packages
from tests.lab.cache import cache_folder, locked, make_atomically
from tests.lab.cpio import CpioArchive
from tests.lab.elf import needed_libraries
from tests.lab.modules import modules_in_load_order

DATA_DISK_BYTES = 256 << 20
_IN_GUEST = Path(__file__).parent / "in_guest"
_LOADER = "ld-linux-x86-64.so.2"
_MODULES = (
    *("virtio_pci", "virtio_blk", "virtio_console", "button", "evdev"),
    *("crc32c_generic", "ext4"),
)
_SCRIPTS = {
    "init": "init",
    "labwriter": "sbin/labwriter",
    "labverify": "sbin/labverify",
    "labfill": "sbin/labfill",
    "labhang": "sbin/labhang",
    "labstopagent": "sbin/labstopagent",
    "shutdown": "sbin/shutdown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFiles:
    """What a guest boots from; *data_disk* is a raw image with an empty ext4."""

    kernel: Path
    initramfs: Path
    data_disk: Path


def build_kernel_and_initramfs() -> GuestFiles:
    """The guest's files, built on the first call and taken from the cache ever after."""
    folder = cache_folder() / _recipe_digest()
    files = GuestFiles(
        kernel=folder / "vmlinuz",
        initramfs=folder / "initramfs.img",
        data_disk=folder / "data.raw",
    )
    with locked("lock"):
        if not folder.exists():
            make_atomically(folder, _build)
    return files


def _build(result: Path, scratch: Path) -> None:
    root = scratch / "root"
    packages.unpack(_downloaded().glob("*.deb"), root)
    kernel = next((root / "boot").glob("vmlinuz-*"))
    shutil.copyfile(kernel, result / "vmlinuz")
    archive = _initramfs(root, kernel.name.removeprefix("vmlinuz-"))
    (result / "initramfs.img").write_bytes(gzip.compress(archive, 6, mtime=0))
    _make_data_disk(result / "data.raw")


def _downloaded() -> Path:
    """The .deb files, kept apart from what is made of them: they are the slow part."""
    folder = cache_folder() / f"packages-{_digest(Path(packages.__file__))}"
    if not folder.exists():
        make_atomically(folder, lambda result, _: packages.download_guest_packages(result))
    return folder


def _initramfs(root: Path, kernel_version: str) -> bytes:
    archive = CpioArchive()
    for folder in (
        *("bin", "sbin", "dev", "proc", "sys", "run", "tmp", "data", "modules"),
        *("usr/sbin", "var/run", "dev/input"),
    ):
        archive.add_folder(folder)
    archive.add_character_device("dev/console", 5, 1)
    archive.add_character_device("dev/null", 1, 3)
    archive.add_file("bin/busybox", _first(root, "bin/busybox", "usr/bin/busybox").read_bytes())
    archive.add_link("bin/sh", "busybox")
    _add_agent(archive, root)
    _add_modules(archive, _first(root, *_module_folders(kernel_version)))
    for script, place in _SCRIPTS.items():
        archive.add_file(place, (_IN_GUEST / script).read_bytes())
    # qemu-ga asks /sbin/shutdown or /usr/sbin/shutdown, depending on its version.
    archive.add_link("usr/sbin/shutdown", "/sbin/shutdown")
    archive.add_file("etc/acpi/PWRF/00000080", b"#!/bin/sh\nexec /sbin/shutdown -h\n")
    archive.add_file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", mode=0o644)
    archive.add_file("etc/group", b"root:x:0:\n", mode=0o644)
    archive.add_file("etc/os-release", b'ID=lab\nNAME="lab guest"\nVERSION_ID="1"\n', mode=0o644)
    return archive.finished()


def _add_agent(archive: CpioArchive, root: Path) -> None:
    """qemu-ga with every library it needs, itself or through another library."""
    agent = _first(root, "usr/sbin/qemu-ga", "usr/bin/qemu-ga")
    archive.add_file("usr/sbin/qemu-ga", agent.read_bytes())
    libraries = {file.name: file for file in root.rglob("*.so*") if "modules" not in file.parts}
    wanted = {_LOADER}
    waiting = [agent]
    while waiting:
        for name in needed_libraries(waiting.pop()):
            if name not in wanted:
                wanted.add(name)
                waiting.append(libraries[name])
    for name in sorted(wanted):
        folder = "lib64" if name == _LOADER else "lib/x86_64-linux-gnu"
        archive.add_file(f"{folder}/{name}", libraries[name].resolve().read_bytes())


def _add_modules(archive: CpioArchive, folder: Path) -> None:
    ordered = modules_in_load_order(folder, _MODULES)
    for name, content in ordered.items():
        archive.add_file(f"modules/{name}", content, mode=0o644)
    archive.add_file("modules/order", "".join(f"{n}\n" for n in ordered).encode(), mode=0o644)


def _module_folders(kernel_version: str) -> tuple[str, ...]:
    return tuple(f"{top}/{kernel_version}/kernel" for top in ("lib/modules", "usr/lib/modules"))


def _make_data_disk(path: Path) -> None:
    """ext4 on the whole disk; few inodes and a small journal keep the qcow2 small."""
    with open(path, "wb") as image:
        image.truncate(DATA_DISK_BYTES)
    small = ("-b", "4096", "-N", "1024", "-m", "0", "-J", "size=4")
    eager = ("-E", "lazy_itable_init=0,lazy_journal_init=0")
    command = ("mkfs.ext4", "-q", "-F", "-L", "labdata", *small, *eager, str(path))
    search_path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    subprocess.run(command, check=True, env={**os.environ, "PATH": search_path})


def _first(root: Path, *candidates: str) -> Path:
    for candidate in candidates:
        if (root / candidate).exists():
            return root / candidate
    raise FileNotFoundError(f"cannot find {' or '.join(candidates)} in the packages")


def _recipe_digest() -> str:
    """Changes when anything that makes the files changes, so that no stale guest is used."""
    here = Path(__file__).parent
    sources = [here / f"{name}.py" for name in ("kernel", "packages", "modules", "cpio", "elf")]
    return _digest(*sources, *sorted(_IN_GUEST.iterdir()))


def _digest(*sources: Path) -> str:
    digest = hashlib.sha256(repr(packages.distribution()).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
