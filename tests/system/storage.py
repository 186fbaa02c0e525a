"""What lies in a folder of images, and whether it is sound."""

import json
import subprocess
from pathlib import Path

from tests.lab.guest import Guest
from tests.lab.journal import check_image


def images(folder: Path) -> set[Path]:
    """Every qcow2 file in *folder*."""
    found = set()
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"QFI\xfb":
                    found.add(path)
    return found


def chain(image: Path | str) -> list[Path]:
    """The images of a chain, the active one first."""
    done = subprocess.run(
        ["qemu-img", "info", "-U", "--backing-chain", "--output=json", str(image)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(entry["filename"]) for entry in json.loads(done.stdout)]


def read_by(guest: Guest) -> set[Path]:
    """Every image that the guest's disks reach."""
    return {path for active in guest.active_images().values() for path in chain(active)}


def assert_sound(guest: Guest) -> None:
    """Shut down, every image is clean for qemu-img, and the guest's journals have no gap."""
    if guest.is_running:
        guest.shut_down()
    for path in images(guest.folder):
        done = subprocess.run(
            ["qemu-img", "check", "-q", str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{path}: {done.stdout}{done.stderr}"
    for target, active in guest.active_images().items():
        journal = check_image(active)
        assert journal.head, f"{target}: no record"
        assert journal.is_whole, f"{target}: {journal.problems}"
