"""The lab: one private daemon, and guests on it by the dozen."""

import os
import shutil
import uuid
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import libvirt

from tests.lab.daemon import Daemon
from tests.lab.domain_xml import DiskSpec, domain_xml
from tests.lab.event_loop import ensure_event_loop
from tests.lab.golden import Golden, Kind, disk_specs, make_data_disks
from tests.lab.guest_domain import Guest
from tests.lab.kernel import GuestFiles, build_kernel_and_initramfs
from tests.lab.uefi import uefi_xml

#: a folder where the test runs of several processes keep their booted guests together
SHARED = "VIRTSNAP_LAB_SHARED"
_UNDEFINE_ALL = (
    libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


class Lab:
    """A running private daemon and what it takes to put guests on it."""

    def __init__(self, daemon: Daemon, files: GuestFiles | None = None) -> None:
        """*daemon* runs already and stays its maker's to stop, unless this came from ``started``."""
        ensure_event_loop()
        self.daemon = daemon
        self.files = files or build_kernel_and_initramfs()
        self._connection: libvirt.virConnect | None = None
        self._golden: dict[Kind, Golden] = {}
        self._own_folders: list[Path] = []
        self._numbers = count(1)

    @classmethod
    def started(cls, *, usr: Path | None = None) -> Self:
        """A lab on a daemon of its own; ``stop`` ends both."""
        files = build_kernel_and_initramfs()
        daemon = Daemon(usr=usr)
        daemon.start()
        return cls(daemon, files)

    def stop(self) -> None:
        """End the daemon with every guest."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.daemon.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def connect(self) -> libvirt.virConnect:
        """A fresh connection; the caller closes it."""
        return libvirt.open(self.daemon.uri)

    @property
    def connection(self) -> libvirt.virConnect:
        """The lab's own connection, opened anew when the daemon was restarted."""
        if self._connection is None or not self._connection.isAlive():
            self._connection = self.connect()
        return self._connection

    def define_raw(self, xml: str) -> libvirt.virDomain:
        """Define a domain from any XML."""
        return self.connection.defineXML(xml)

    def guest(
        self,
        name: str | None = None,
        *,
        disks: int = 1,
        running: bool = True,
        agent: bool = True,
        write: bool = True,
        folder: Path | None = None,
        extra_devices: str = "",
        kernel_options: str = "",
    ) -> Guest:
        """A new guest with empty (or, if a clone, just begun) self-contained qcow2 images.

        Running guests are clones of one booted guest of their kind. One with *extra_devices* or
        *kernel_options* has no such model and is booted: about five seconds.
        """
        name = name or f"guest-{next(self._numbers)}"
        kind = Kind(disks=disks, agent=agent, write=write)
        folder = folder or self._new_folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{name}.console"
        is_clone = running and not (extra_devices or kernel_options)
        golden = self._golden_of(kind) if is_clone else None
        specs = disk_specs(folder, name, disks)
        if golden is None:
            make_data_disks(self.files, folder, name, disks)
        domain = self.define_raw(
            domain_xml(
                name,
                specs,
                self.files,
                uuid=str(uuid.uuid4()),
                console_log=log,
                agent=agent,
                kernel_options=f"{kind.kernel_options} {kernel_options}".strip(),
                extra_devices=extra_devices,
            )
        )
        bases = {spec.target: spec.source for spec in specs if spec.source is not None}
        guest = Guest(domain, folder=folder, disks=bases, log=log, agent=agent)
        if golden is not None:
            golden.clone(self.connection, name=name, uuid=guest.uuid, folder=folder, log=log)
            if agent:
                guest.wait_for_agent()
        elif running:
            guest.start()
        return guest

    def guest_of(self, specs: tuple[DiskSpec, ...], name: str | None = None) -> Guest:
        """A shut-off guest with exactly these disks, whose images the caller has made."""
        name = name or f"guest-{next(self._numbers)}"
        folder = self._new_folder(name)
        log = folder / f"{name}.console"
        xml = domain_xml(name, specs, self.files, uuid=str(uuid.uuid4()), console_log=log)
        writable = {s.target: s.source for s in specs if s.source is not None and not s.readonly}
        return Guest(self.define_raw(xml), folder=folder, disks=writable, log=log, agent=True)

    def uefi_guest(self, name: str | None = None, *, tpm: bool = False) -> Guest:
        """A shut-off machine with UEFI and one empty disk, which boots no system.

        Start it with ``domain.create``: nobody in it would say that it is up.
        """
        name = name or f"guest-{next(self._numbers)}"
        folder = self._new_folder(name)
        specs = disk_specs(folder, name, 1)
        make_data_disks(self.files, folder, name, 1)
        domain = self.define_raw(uefi_xml(name, specs, uuid=str(uuid.uuid4()), tpm=tpm))
        disks = {spec.target: spec.source for spec in specs if spec.source is not None}
        log = folder / f"{name}.console"
        return Guest(domain, folder=folder, disks=disks, log=log, agent=False)

    def cleanup(self) -> None:
        """Remove every domain with all libvirt remembers of it, and the folders made for them.

        A folder the caller gave stays: it is the caller's.
        """
        for domain in self.connection.listAllDomains():
            if domain.isActive():
                domain.destroy()
            # A transient domain is gone by now, and would say so.
            with suppress(libvirt.libvirtError):
                if domain.isPersistent():
                    domain.undefineFlags(_UNDEFINE_ALL)
        for folder in self._own_folders:
            shutil.rmtree(folder, ignore_errors=True)
        self._own_folders.clear()

    def _new_folder(self, name: str) -> Path:
        folder = self.daemon.directory / "guests" / name
        folder.mkdir(parents=True)
        self._own_folders.append(folder)
        return folder

    def _golden_of(self, kind: Kind) -> Golden:
        if kind not in self._golden:
            shared = os.environ.get(SHARED)
            version = str(self.connection.getLibVersion())
            root = Path(shared) / version if shared else self.daemon.directory / "golden"
            folder = root / kind.name
            self._golden[kind] = Golden(self.connection, self.files, folder, kind)
        return self._golden[kind]
