"""The distribution's own packages, downloaded and unpacked but never installed."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

# Debian's and Ubuntu's names for the smallest kernel with virtio drivers.
_KERNEL_META_PACKAGES = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}


class PackageError(RuntimeError):
    """The distribution's packages cannot be had."""


def distribution() -> tuple[str, str]:
    """(id, version) of this machine's distribution, e.g. ``("debian", "12")``."""
    fields = dict(
        re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text("utf-8"), re.M)
    )
    return fields.get("ID", ""), fields.get("VERSION_ID", "")


def download_guest_packages(folder: Path) -> None:
    """Kernel, busybox, guest agent and the agent's libraries, as .deb files in *folder*."""
    try:
        _download(folder)
    except (subprocess.CalledProcessError, PackageError):
        # A fresh machine has no package lists, an old one has lists that name files long gone.
        _update_lists()
        try:
            _download(folder)
        except subprocess.CalledProcessError as error:
            raise PackageError(
                f"cannot download the guest's packages: {error.stderr or error}"
            ) from error


def unpack(packages: Iterable[Path], root: Path) -> None:
    """Lay the files of *packages* out below *root*."""
    root.mkdir(parents=True, exist_ok=True)
    for package in sorted(packages):
        _output("dpkg", "-x", str(package), str(root))


def _download(folder: Path) -> None:
    wanted = [*_kernel_packages(), "busybox-static", "qemu-guest-agent"]
    wanted += _libraries_below("qemu-guest-agent")
    # As root, apt drops to its own user, who may not write to our folder.
    _output("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *wanted, folder=folder)


def _kernel_packages() -> list[str]:
    """The real kernel image behind the meta package and, on Ubuntu, its modules."""
    name, version = distribution()
    meta = _KERNEL_META_PACKAGES.get(name)
    if meta is None:
        raise PackageError(f"cannot choose a kernel: no package is known for {name} {version}")
    image = next((d for d in _depends(meta) if re.match(r"linux-image-.*\d", d)), None)
    if image is None:
        raise PackageError(f"cannot choose a kernel: {meta} depends on no kernel image")
    modules = [d for d in _depends(image) if d.startswith("linux-modules-")]
    return [image, *modules]


def _depends(package: str) -> list[str]:
    listing = _output("apt-cache", "depends", package)
    return re.findall(r"^ [ |]*(?:Pre)?Depends: ([a-z0-9][^\s<:]+)", listing, re.M)


def _libraries_below(package: str) -> list[str]:
    """Library packages reached from *package* through library packages only, sorted."""
    only_depends = [
        f"--no-{kind}"
        for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    ]
    listing = _output("apt-cache", "depends", "--recurse", *only_depends, package)
    graph: dict[str, list[str]] = {}
    current = ""
    for line in listing.splitlines():
        if line and line[0] not in " |":
            current = line.strip()
        elif found := re.match(r"\s*\|?(?:Pre)?Depends: ([a-z0-9][^\s<]+)", line):
            graph.setdefault(current, []).append(found[1])
    libraries: set[str] = set()
    waiting = [package]
    while waiting:
        for name in graph.get(waiting.pop(), []):
            if name.startswith("lib") and name not in libraries:
                libraries.add(name)
                waiting.append(name)
    return sorted(libraries)


def _update_lists() -> None:
    privilege = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        _output(*privilege, "apt-get", "-q", "update")
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackageError(
            "cannot read the package lists: run `apt-get update` as root, then try again"
        ) from error


def _output(*command: str, folder: Path | None = None) -> str:
    return subprocess.run(
        command,
        check=True,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout
