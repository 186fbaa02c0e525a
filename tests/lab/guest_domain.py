"""One guest of the lab: a persistent domain whose writer proves what happens to its disks."""

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path

import libvirt

from tests.lab import agent as guest_agent
from tests.lab import console


class GuestError(AssertionError):
    """A guest's data is not what it wrote, or the guest does not do what it was asked."""


class Guest:
    """A domain of the lab. *disks* are the base images it began with, by target."""

    def __init__(
        self,
        domain: libvirt.virDomain,
        *,
        folder: Path,
        disks: Mapping[str, Path],
        log: Path,
        agent: bool,
    ) -> None:
        self.domain = domain
        self.name: str = domain.name()
        self.uuid: str = domain.UUIDString()
        self.folder = folder
        self.disks = dict(disks)
        self.log = log
        self._has_agent = agent

    def rebind(self, connection: libvirt.virConnect) -> None:
        """Use another connection, such as one to a restarted daemon.

        A new daemon answers before it has found the agents of the guests it took over.
        """
        self.domain = connection.lookupByUUIDString(self.uuid)
        if self._has_agent and self.is_running:
            self.wait_for_agent()

    # What the guest is doing

    @property
    def is_running(self) -> bool:
        """Whether the domain is active."""
        return bool(self.domain.isActive())

    def active_images(self) -> dict[str, Path]:
        """Target → the image the guest writes to now, or would when started."""
        found = {}
        for disk in ElementTree.fromstring(self.domain.XMLDesc(0)).iterfind("./devices/disk"):
            source, target = disk.find("source"), disk.find("target")
            path = None if source is None else source.get("file") or source.get("dev")
            if path and target is not None:
                found[target.attrib["dev"]] = Path(path)
        return found

    def wait_for_agent(self, *, seconds: float = 120) -> None:
        """Return when the agent answers."""
        guest_agent.wait_until_it_answers(self.domain, seconds=seconds)

    def execute(self, *argv: str, seconds: float = 120) -> tuple[int, str]:
        """Run a command in the guest: (exit status, what it printed)."""
        return guest_agent.execute(self.domain, *argv, seconds=seconds)

    # What the writer wrote

    def head(self, target: str = "vda") -> int:
        """The last record in the guest's journal; 0 before the first."""
        status, printed = self.execute("/bin/tail", "-n", "1", f"{_mounted(target)}/journal")
        if status:
            raise GuestError(f"cannot read the journal of {self.name}/{target}: {printed.strip()}")
        # A line caught in the middle of being appended still begins with its whole number.
        return int(printed.split(" ")[0]) if printed else 0

    def wait_for_record(self, number: int, target: str = "vda", *, seconds: float = 60) -> int:
        """The writer's head once it is at least *number*."""
        head = 0

        def is_written() -> bool:
            nonlocal head
            head = self.head(target)
            return head >= number

        self._wait(is_written, f"write record {number} on {target}", seconds=seconds)
        return head

    def verify(self) -> dict[str, int]:
        """The guest reads back all it wrote, from the disks; target → its head.

        Raises with what is wrong. A writer that met an I/O error has ended: that is wrong too.
        """
        heads = {}
        for target in self.disks:
            status, printed = self.execute("/sbin/labverify", _mounted(target))
            verdict, _, rest = printed.strip().partition(" ")
            if status or verdict != "ok":
                raise GuestError(
                    f"the data of {self.name}/{target} is not whole: {printed.strip()}"
                )
            heads[target] = int(rest)
        return heads

    def fill(self, target: str, mib: int, seed: int) -> None:
        """Write *mib* mebibytes to one disk, so that it is worth committing.

        Afterwards ``verify`` reads them and ``check_image`` compares each byte.
        """
        status, printed = self.execute("/sbin/labfill", _mounted(target), str(mib), str(seed))
        if status:
            raise GuestError(f"cannot fill {self.name}/{target}: {printed.strip()}")

    def mark(self, name: str) -> None:
        """An empty file of that name is on the first disk."""
        status, printed = self.execute("/bin/sh", "-c", f": >/data/{name}; sync")
        if status:
            raise GuestError(f"cannot mark {self.name}: {printed.strip()}")

    def has_marker(self, name: str) -> bool:
        """It is there."""
        return self.execute("/bin/ls", f"/data/{name}")[0] == 0

    # Power

    def start(self, *, seconds: float = 120) -> None:
        """Start the shut-off guest; return when its agent answers, or its init is done."""
        boots = self._boots()
        resumes = bool(self.domain.hasManagedSaveImage())
        self.domain.create()
        if self._has_agent:
            self.wait_for_agent(seconds=seconds)
        elif not resumes:
            console.wait_until_up(self.log, boots=boots + 1, seconds=seconds)

    def shut_down(self, *, seconds: float = 60) -> None:
        """Press the power button; return when the guest has unmounted and gone."""
        self.domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        self._wait(lambda: not self.is_running, "shut down", seconds=seconds)

    def destroy(self) -> None:
        """Pull the plug."""
        self.domain.destroy()

    def turn_deaf(self) -> None:
        """Agent and power button find nothing to run, until the next boot."""
        self.execute("/bin/mv", "/sbin/shutdown", "/sbin/later")

    def obey_late(self, *, seconds: float = 60) -> None:
        """What was asked of the deaf guest is done now; returns when it has gone."""
        guest_agent.start(self.domain, "/sbin/later")
        self._wait(lambda: not self.is_running, "shut down", seconds=seconds)

    # Definitions

    def dumped(self) -> str:
        """``virsh dumpxml --security-info``: with ``--inactive`` a guest that was undefined while it
        ran shows its old definition."""
        return str(self.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))

    def undefine(self) -> None:
        """``virsh undefine --snapshots-metadata``; one that runs is transient from then on."""
        self.domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)

    def create_anew(self, xml: str) -> None:
        """A transient guest is destroyed, and created from *xml*."""
        connection = self.domain.connect()
        self.domain.destroy()
        self.domain = connection.createXML(xml, 0)

    # The agent's bad days

    def hang_agent(self, seconds: float = 30) -> None:
        """The agent stops answering for *seconds*; returns once it no longer answers."""
        guest_agent.start(self.domain, "/sbin/labhang", str(seconds))
        self._wait(lambda: not self._agent_answers(), "let its agent hang", seconds=30)

    def stop_agent(self) -> None:
        """The agent ends until the next boot; returns once libvirt knows."""
        guest_agent.start(self.domain, "/sbin/labstopagent")
        self._wait(lambda: not self._agent_is_connected(), "stop its agent", seconds=30)

    def restart_agent(self, *options: str, hook: str = "") -> None:
        """The agent is another one, with *options*; *hook* is a script that it runs as it freezes
        and thaws (``$1``)."""
        port = "/dev/virtio-ports/org.qemu.guest_agent.0"
        script = f"#!/bin/sh\n{hook}\n"
        agent = f"qemu-ga -m virtio-serial -p {port} -t /run -f /run/other.pid -l /run/other.log"
        more = " ".join(("-F/run/hook", *options) if hook else options)
        does = (
            f"printf '{script}' >/run/hook; chmod 755 /run/hook; : >/run/lab/noagent;"
            f" (usleep 200000; kill $(pidof qemu-ga); usleep 500000; {agent} {more})"
            " </dev/null >/dev/null 2>&1 &"
        )
        guest_agent.start(self.domain, "/bin/sh", "-c", does)
        self._wait(lambda: not self._agent_is_connected(), "stop its agent", seconds=30)
        self.wait_for_agent()

    def _agent_answers(self) -> bool:
        try:
            guest_agent.ask(self.domain, "guest-ping", seconds=1)
        except libvirt.libvirtError:
            return False
        return True

    def _agent_is_connected(self) -> bool:
        return "state='connected'" in self.domain.XMLDesc(0)

    def _boots(self) -> int:
        return self.log.read_text(errors="replace").count("LAB up") if self.log.exists() else 0

    def _wait(self, condition: Callable[[], bool], what: str, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise GuestError(f"{self.name} does not {what} within {seconds:.0f} s")
            time.sleep(0.02)


def _mounted(target: str) -> str:
    return "/data" if target == "vda" else f"/data-{target}"
