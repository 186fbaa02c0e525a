"""Runs a command as systemd would under a unit's limits, as far as that can be had without systemd as init.

``python -m tests.system.confined WISHES COMMAND…`` in a mount namespace of its own, as root.  Not had: what is
done by control groups (devices), and limits that are nothing but a system call less which the filter lacks anyway.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.system import seccomp
from tests.system.unit_file import Unit

_CHECKOUT = Path(__file__).parents[2]
_API = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the unit says."""

    writable: tuple[str, ...]
    capabilities: tuple[str, ...]
    calls: tuple[str, ...]
    families: tuple[str, ...]
    no_execution_of_data: bool
    no_namespaces: bool
    umask: int
    #: what the test lays over folders of the machine: folder there, folder of the test
    laid_over: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: Unit, laid_over: Mapping[str, Path]) -> "Wishes":
        """Everything here is held to; a unit that says less fails."""
        for key, value in _ALWAYS.items():
            assert unit.of_service(key) == value, key
        folders = [path.removeprefix("-") for path in unit.all("Service", "ReadWritePaths")]
        return cls(
            writable=(
                *folders,
                f"/var/lib/{unit.of_service('StateDirectory')}",
                f"/run/{unit.of_service('RuntimeDirectory')}",
            ),
            capabilities=unit.all("Service", "CapabilityBoundingSet"),
            calls=unit.all("Service", "SystemCallFilter"),
            families=unit.all("Service", "RestrictAddressFamilies"),
            no_execution_of_data=unit.of_service("MemoryDenyWriteExecute") == "yes",
            no_namespaces=unit.of_service("RestrictNamespaces") == "yes",
            umask=int(unit.of_service("UMask"), 8),
            laid_over={where: str(folder) for where, folder in laid_over.items()},
        )

    def command(self, *words: str) -> list[str]:
        """*words*, to be started by root."""
        own = [sys.executable, "-m", "tests.system.confined", json.dumps(asdict(self)), *words]
        return ["unshare", "--mount", "--propagation", "private", *own]


_ALWAYS = {
    "ProtectSystem": "strict",
    "ProtectHome": "read-only",
    "PrivateTmp": "yes",
    "ProtectProc": "invisible",
    "NoNewPrivileges": "yes",
    "User": "root",
}


def _main(wishes: Wishes, command: list[str]) -> None:
    if not wishes.capabilities:  # the second time, with no right left to give up
        seccomp.confine(
            wishes.calls,
            wishes.families,
            no_execution_of_data=wishes.no_execution_of_data,
            no_namespaces=wishes.no_namespaces,
        )
        os.execvp(command[0], command)
    _see_only(wishes)
    os.umask(wishes.umask)
    bounds = ",".join(["-all", *(f"+{c.lower()[4:]}" for c in wishes.capabilities)])
    again = json.dumps({**asdict(wishes), "capabilities": ()})
    rights = ["setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "--no-new-privs"]
    own = [sys.executable, "-m", "tests.system.confined", again, *command]
    os.execvp("setpriv", [*rights, *own])


def _see_only(wishes: Wishes) -> None:
    """All that is there read-only, but for what the unit lets be written; own temporary folders."""
    here = os.open(_CHECKOUT, os.O_PATH)
    python = os.open(sys.prefix, os.O_PATH)
    for where, folder in wishes.laid_over.items():
        Path(where).mkdir(parents=True, exist_ok=True)
        _mount("--bind", folder, where)
    for folder in wishes.writable:
        _mount("--bind", folder, folder)
    for point in _mount_points():
        if not _is_below(point, (*_API, *wishes.writable)):
            _mount("-o", "remount,bind,ro", point)
    for folder in ("/tmp", "/var/tmp"):
        _mount("-t", "tmpfs", "tmpfs", folder)
    for descriptor, path in ((here, str(_CHECKOUT)), (python, sys.prefix)):
        if not Path(path).exists():  # the tests themselves may lie in /tmp
            Path(path).mkdir(parents=True)
            # as it is: looked up by its name, the folder would be the empty one just made
            source = f"/proc/self/fd/{descriptor}"
            _mount("--no-canonicalize", "--bind", source, path, keep=descriptor)
    _mount("-t", "proc", "-o", "hidepid=invisible", "proc", "/proc")
    os.chdir("/")


def _mount_points() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    raw = (line.split()[4].encode() for line in lines)
    return sorted({point.decode("unicode_escape") for point in raw})


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _mount(*words: str, keep: int | None = None) -> None:
    subprocess.run(["mount", *words], check=True, pass_fds=() if keep is None else (keep,))


if __name__ == "__main__":
    _main(Wishes(**json.loads(sys.argv[1])), sys.argv[2:])
