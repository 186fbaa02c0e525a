"""Block devices that are really there: files behind ``/dev/loop…``, detached again by name."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self


class LoopDevices:
    """Attaches files; detaches each of them at the end, however that comes.  Root only."""

    def __init__(self) -> None:
        self._attached: list[str] = []

    def attach(self, file: Path) -> Path:
        """A device with the content of *file*."""
        device = _losetup("--find", "--show", str(file)).strip()
        self._attached.append(device)
        return Path(device)

    def named(self, file: Path, link: Path) -> Path:
        """The same, and a link to it as LVM would make one for a volume; the link."""
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.attach(file))
        return link

    def detach_all(self) -> None:
        """What a QEMU still has open goes with it."""
        while self._attached:
            _losetup("--detach", self._attached.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.detach_all()


def _losetup(*arguments: str) -> str:
    done = subprocess.run(["losetup", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip()
        raise RuntimeError(f"cannot make block devices: {said}\nfix: run the tests as root")
    return done.stdout
