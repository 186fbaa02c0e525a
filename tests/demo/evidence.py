"""What the demo claims, looked at: the guest ran all the time, and its data is whole."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import libvirt

from tests.demo.stage import DemoError
from tests.lab.guest import Guest, Lab
from tests.lab.journal import check_image

_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a guest: another process, another start or another boot is another run."""

    pid: int
    #: clock ticks since the host's boot
    started: int
    boot_id: str


def run_of(lab: Lab, guest: Guest) -> Run:
    """The run that *guest* is in."""
    pid = _pid(lab, guest)
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Run(
        pid=pid, started=int(stat[19]), boot_id=_told(guest, "/proc/sys/kernel/random/boot_id")
    )


def uptime(guest: Guest) -> float:
    """Seconds since the guest booted, by its own clock."""
    return float(_told(guest, "/proc/uptime").split()[0])


def prove_same_run(lab: Lab, guest: Guest, before: Run) -> None:
    """The guest was neither stopped nor started since *before*."""
    state, _ = guest.domain.state()
    if state != libvirt.VIR_DOMAIN_RUNNING:
        raise DemoError(f"cannot see {guest.name} running: its state is {state}")
    now = run_of(lab, guest)
    if now != before:
        raise DemoError(f"{guest.name} was stopped in between: {before} became {now}")


def prove_image_whole(image: Path) -> int:
    """An image that nobody writes to holds one moment of the guest's journal; its last record."""
    checked = subprocess.run(
        ["qemu-img", "check", "-q", str(image)], capture_output=True, text=True, check=False
    )
    if checked.returncode:
        raise DemoError(f"`qemu-img check {image}` ended with {checked.returncode}")
    journal = check_image(image)
    if not journal.is_whole or not journal.head:
        problems = "; ".join(journal.problems) or "no record at all"
        raise DemoError(f"the data in {image.name} is not whole: {problems}")
    return journal.head


def prove_images(guest: Guest, expected: int) -> None:
    """Beside the guest's disk lie *expected* images, and it stands on the last of them."""
    found = sorted(path.name for path in guest.folder.glob("*.qcow2"))
    if len(found) != expected:
        raise DemoError(f"expected {expected} images of {guest.name}, found {', '.join(found)}")


def _told(guest: Guest, path: str) -> str:
    status, printed = guest.execute("/bin/cat", path)
    if status:
        raise DemoError(f"cannot read {path} in {guest.name}: {printed.strip()}")
    return printed.strip()


def _pid(lab: Lab, guest: Guest) -> int:
    """libvirt writes it down; where depends on who runs libvirt."""
    for path in (lab.daemon.directory / "run").rglob(f"{guest.name}.pid"):
        return int(path.read_text())
    raise DemoError(f"cannot find the QEMU process of {guest.name}")


def wait_for_snapshots(guest: Guest, names: set[str]) -> float:
    """Until libvirt has exactly the snapshots *names* of *guest*; the seconds it took."""
    began = time.monotonic()
    while {snapshot.getName() for snapshot in guest.domain.listAllSnapshots()} != names:
        if time.monotonic() - began > _PATIENCE:
            raise DemoError(f"{guest.name} never had the snapshots {sorted(names)}")
        time.sleep(0.05)
    return time.monotonic() - began
