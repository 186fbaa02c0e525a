"""virtsnap as an ordinary user runs it: ``python -m tests.system.nobody …``, started by root."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import reconciler
from tests.system.site import Said, Site

_CHECKOUT = Path(__file__).parents[2]
_NOBODY = 65534
#: Loaded late by the libraries, and perhaps out of nobody's reach: Python may lie in root's home.
_LATE = ("encodings.idna", "libvirt", "libvirt_qemu", "concurrent.futures.thread", "difflib")


def as_nobody(site: Site, *arguments: str) -> Said:
    """Run virtsnap as the user nobody, who may read little and belongs to no group."""
    assert os.geteuid() == 0, "being another user needs root: run the tests with sudo"
    home = site.folder / "home of nobody"
    home.mkdir(exist_ok=True)
    os.chown(home, _NOBODY, _NOBODY)
    for folder in (site.folder, *site.folder.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.nobody", *arguments],
        cwd=site.folder,
        env={**site.surroundings(), "PYTHONPATH": str(_CHECKOUT), "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def _main() -> int:
    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    from reconciler.cli.main import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_main())
