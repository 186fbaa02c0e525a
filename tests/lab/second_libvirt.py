"""A newer libvirt and QEMU beside the installed ones, as a thin layer over this host's /usr.

Debian 12 has 9.0, its backports 11.3. apt resolves the packages against what is installed, with
lists, sources and a cache of its own, and only downloads; ``dpkg -x`` unpacks them. No maintainer
script runs and nothing of the host changes: ``Daemon(usr=…)`` alone sees the result.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.lab import packages
from tests.lab.cache import cache_folder, locked, make_atomically

#: What the suite brings; the fixture ``second_lab`` holds the running daemon to it.
VERSION = "11.3"
_DISTRIBUTION = ("debian", "12")
_SUITE = "bookworm-backports"
_PACKAGES = (
    *("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients"),
    *("qemu-system-x86", "qemu-utils"),
)
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_USUAL_MIRROR = "http://deb.debian.org/debian"


class SecondLibvirtError(RuntimeError):
    """It should be here and cannot be built."""


def why_not() -> str | None:
    """Why this machine runs the installed libvirt alone; None where it runs both."""
    distribution = packages.distribution()
    if distribution != _DISTRIBUTION:
        return f"no second libvirt is known for {' '.join(distribution)}"
    if os.geteuid() != 0:
        return "only root can lay files over /usr"
    installed = installed_version()
    if installed == VERSION:
        return f"the installed libvirt is {VERSION} itself"
    return None


def installed_version() -> str:
    """Major and minor of the installed libvirtd, ``9.0``; ``unknown`` where there is none."""
    try:
        said = _run("/usr/sbin/libvirtd", "--version")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    found = re.search(r"(\d+\.\d+)\.\d+", said)
    return found[1] if found else "unknown"


def second_libvirt() -> Path | None:
    """Its ``usr`` folder, built on the first call and kept; None where ``why_not`` says why."""
    if why_not() is not None:
        return None
    folder = cache_folder() / f"second-libvirt-{_recipe_digest()}"
    with locked("second-libvirt.lock"):
        if not folder.exists():
            make_atomically(folder, _build)
    return folder / "usr"


def _build(result: Path, scratch: Path) -> None:
    try:
        packages.unpack(_downloaded(scratch), result)
    except subprocess.CalledProcessError as error:
        said = "\n".join((error.stdout + error.stderr).splitlines()[-20:])
        said = re.sub(r"//[^/\s]*@", "//", said)
        raise SecondLibvirtError(f"cannot build libvirt {VERSION}: {said}") from error
    _merge_into_usr(result)


def _downloaded(scratch: Path) -> list[Path]:
    """The packages and those of their dependencies that are not installed."""
    lists, archives, sources = scratch / "lists", scratch / "archives", scratch / "sources"
    for folder in (lists / "partial", archives / "partial", sources):
        folder.mkdir(parents=True)
    _write_sources(sources)
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": sources,
        "Dir::State::lists": lists,
        "Dir::Cache": scratch,
        "Dir::Cache::archives": archives,
        # As root, apt drops to its own user, who may not write to our folder.
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": 1,
        # An update that reached no mirror is to fail here, not at the packages it did not list.
        "APT::Update::Error-Mode": "any",
        "Acquire::Retries": 3,
    }
    apt = ["apt-get", "-q", "-y"]
    for name, value in options.items():
        apt += ["-o", f"{name}={value}"]
    _run(*apt, "update")
    _run(*apt, "-t", _SUITE, "--no-install-recommends", "--download-only", "install", *_PACKAGES)
    found = sorted(archives.glob("*.deb"))
    if not any(path.name.startswith("libvirt-daemon_") for path in found):
        raise SecondLibvirtError(f"cannot build libvirt {VERSION}: {_SUITE} brings no libvirt")
    return found


def _write_sources(folder: Path) -> None:
    """The host's own sources, and the suite where it is not among them."""
    main = Path("/etc/apt/sources.list")
    if main.exists():
        shutil.copyfile(main, folder / "main.list")
    for path in Path("/etc/apt/sources.list.d").glob("*"):
        if path.suffix in (".list", ".sources"):
            shutil.copyfile(path, folder / path.name)
    listing = _run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    )
    known = [tuple(line.split(" ")) for line in listing.splitlines()]
    if any(suite == _SUITE for _, suite in known):
        return
    mirrors = (uri for uri, _ in known if re.search(r"/debian/?$", uri))
    mirror = next(mirrors, _USUAL_MIRROR)
    line = f"deb [signed-by={_KEYRING}] {mirror} {_SUITE} main\n"
    (folder / "second-libvirt.list").write_text(line)


def _merge_into_usr(root: Path) -> None:
    """A package that ships /lib or /sbin means /usr/lib and /usr/sbin, as on the host."""
    for name in ("bin", "sbin", "lib", "lib64"):
        folder = root / name
        if folder.is_dir() and not folder.is_symlink():
            shutil.copytree(folder, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(folder)


def _recipe_digest() -> str:
    """Changes with the recipe and the distribution, so that no stale build is used."""
    digest = hashlib.sha256(repr(packages.distribution()).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def _run(*command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout
