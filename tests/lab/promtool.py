"""Prometheus' own checker, from the distribution's package: unpacked, never installed.

Installing it would start a server that nobody asked for.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.lab import packages
from tests.lab.cache import cache_folder, locked, make_atomically


def promtool() -> str:
    """The program: the machine's own, or the one of the package ``prometheus``, kept once had."""
    installed = shutil.which("promtool")
    if installed:
        return installed
    digest = hashlib.sha256(repr(packages.distribution()).encode()).hexdigest()[:12]
    folder = cache_folder() / f"promtool-{digest}"
    with locked("promtool.lock"):
        if not folder.exists():
            make_atomically(folder, _build)
    return str(folder / "promtool")


def _build(result: Path, scratch: Path) -> None:
    try:
        _download(scratch)
    except subprocess.CalledProcessError:
        # A fresh machine has no package lists, an old one has lists that name files long gone.
        packages._update_lists()
        _download(scratch)
    packages.unpack(scratch.glob("*.deb"), scratch / "root")
    shutil.copy2(scratch / "root" / "usr" / "bin" / "promtool", result / "promtool")


def _download(folder: Path) -> None:
    # As root, apt drops to its own user, who may not write to our folder.
    command = ("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "prometheus")
    subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True)
