"""Booted guests kept as a saved state, from which running guests are cloned in about a second."""

import fcntl
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import libvirt

from tests.lab import agent as guest_agent
from tests.lab import console
from tests.lab.domain_xml import DiskSpec, domain_xml, target_name
from tests.lab.kernel import GuestFiles
from tests.lab.save_image import copy_for_another_domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a guest must have in common with the saved one it is cloned from."""

    disks: int = 1
    agent: bool = True
    write: bool = True

    @property
    def name(self) -> str:
        """For a folder."""
        return (
            f"{self.disks}-{'agent' if self.agent else 'mute'}-{'writer' if self.write else 'idle'}"
        )

    @property
    def kernel_options(self) -> str:
        """For the guest's command line."""
        return "" if self.write else "labnowrite"


def make_data_disks(files: GuestFiles, folder: Path, name: str, count: int) -> tuple[DiskSpec, ...]:
    """Fresh, empty, self-contained images ``<folder>/<name>-vda.qcow2``, ..."""
    specs = disk_specs(folder, name, count)
    for spec in specs:
        command = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", files.data_disk, spec.source)
        subprocess.run([str(part) for part in command if part], check=True)
    return specs


def disk_specs(folder: Path, name: str, count: int) -> tuple[DiskSpec, ...]:
    """The disks of a guest, whether or not their images are there yet."""
    targets = [target_name(index) for index in range(count)]
    return tuple(DiskSpec(source=folder / f"{name}-{t}.qcow2", target=t) for t in targets)


def copy_file(source: Path, copy: Path) -> None:
    """A copy that shares blocks where the file system can, and stays sparse."""
    subprocess.run(["cp", "--reflink=auto", "--sparse=auto", str(source), str(copy)], check=True)


class Golden:
    """One booted guest's memory and disks, at the same moment."""

    def __init__(self, connection: libvirt.virConnect, files: GuestFiles, folder: Path, kind: Kind):
        """Boot a guest of *kind* and save it into *folder*: the slow part, once.

        Another process that was told the same *folder* waits for it, and then has it too.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._kind = kind
        self._console = folder / "golden.log"
        self._state = folder / "golden.save"
        self._disks = disk_specs(folder, "golden", kind.disks)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "is-there").exists():
                self._boot(connection, files)
                (folder / "is-there").touch()

    def _boot(self, connection: libvirt.virConnect, files: GuestFiles) -> None:
        kind = self._kind
        make_data_disks(files, self._folder, "golden", kind.disks)
        xml = domain_xml(
            f"golden-{self._folder.name}",
            self._disks,
            files,
            uuid=str(uuid.uuid4()),
            console_log=self._console,
            agent=kind.agent,
            kernel_options=kind.kernel_options,
        )
        domain = connection.createXML(xml, 0)
        if kind.agent:
            guest_agent.wait_until_it_answers(domain)
        else:
            console.wait_until_up(self._console)
        domain.save(str(self._state))

    def clone(
        self, connection: libvirt.virConnect, *, name: str, uuid: str, folder: Path, log: Path
    ) -> None:
        """Bring the domain *name*, defined but shut off, to where the saved guest was."""
        state = folder / f"{name}.save"
        paths = {self._console: log}
        for mine, copy in zip(self._disks, disk_specs(folder, name, self._kind.disks), strict=True):
            assert mine.source is not None
            assert copy.source is not None
            copy_file(mine.source, copy.source)
            paths[mine.source] = copy.source
        shutil.copyfile(self._console, log)
        try:
            copy_for_another_domain(self._state, state, name=name, uuid=uuid, paths=paths)
            connection.restoreFlags(str(state), None, libvirt.VIR_DOMAIN_SAVE_RUNNING)
        finally:
            state.unlink(missing_ok=True)
