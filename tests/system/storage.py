"""What lies in a folder of images, and whether it is sound."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lxml import etree

from tests.lab.guest import Guest
from tests.lab.journal import check_image, sha256_of_guest_view


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


def frozen(guest: Guest) -> dict[str, dict[str, Path]]:
    """Snapshot → target → its frozen layer, as the records say."""
    found: dict[str, dict[str, Path]] = {}
    for snapshot in guest.domain.listAllSnapshots():
        root = etree.fromstring(snapshot.getXMLDesc())
        taken = {disk.get("name") for disk in root.iterfind("./disks/disk[@snapshot='external']")}
        layers = found[snapshot.getName()] = {}
        for disk in root.iterfind("./domain/devices/disk"):
            target, source = disk.find("target"), disk.find("source")
            if target is not None and source is not None and target.get("dev") in taken:
                path = source.get("file") or source.attrib["dev"]
                layers[target.attrib["dev"]] = Path(path)
    return found


def _format_of(path: Path) -> str:
    """Devices of the tests are raw, their files qcow2."""
    return "raw" if path.is_block_device() else "qcow2"


def moments(guest: Guest) -> dict[tuple[str, str], str]:
    """(snapshot, target) → a sum over all that the guest would read, were it that moment again."""
    return {
        (name, target): sha256_of_guest_view(path, _format_of(path))
        for name, layers in frozen(guest).items()
        for target, path in layers.items()
    }


def view(guest: Guest) -> dict[str, str]:
    """Target → a sum over all that the shut-off guest will read there."""
    return {target: sha256_of_guest_view(path) for target, path in guest.active_images().items()}


def needed(guest: Guest) -> set[Path]:
    """Every image that the guest's disks or its snapshots reach."""
    layers = [path for disks in frozen(guest).values() for path in disks.values()]
    return read_by(guest) | {image for path in layers for image in chain(path)}


def is_locked(image: Path) -> bool:
    """QEMU, or one of its tools, has *image* open for writing."""
    command = ["qemu-img", "info", str(image)]
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


@contextmanager
def held_open(image: Path) -> Iterator[None]:
    """A process has *image* open for writing, and locked, meanwhile.

    It says so itself: to look at the lock is to take it for a moment.
    """
    with subprocess.Popen(
        ["qemu-io", "-f", "qcow2", str(image)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"length\n")
        holder.stdin.flush()
        assert b"iB" in holder.stdout.readline(), f"{image} cannot be opened"
        try:
            yield
        finally:
            holder.stdin.close()
            holder.wait()


def assert_tidy(guest: Guest) -> None:
    """Every image of a shut-off guest is clean for qemu-img, and none is left that nothing reads."""
    assert images(guest.folder) == needed(guest)
    assert_clean(guest.folder)


def assert_clean(folder: Path) -> None:
    """Every image of the folder is clean for qemu-img."""
    for path in images(folder):
        done = subprocess.run(
            ["qemu-img", "check", "-q", str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{path}: {done.stdout}{done.stderr}"


def assert_sound(guest: Guest) -> None:
    """Shut down, every image is clean for qemu-img, and the guest's journals have no gap."""
    if guest.is_running:
        guest.shut_down()
    assert_clean(guest.folder)
    for target, active in guest.active_images().items():
        journal = check_image(active)
        assert journal.head, f"{target}: no record"
        assert journal.is_whole, f"{target}: {journal.problems}"
