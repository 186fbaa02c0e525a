"""Many domains with managed snapshots, in sync with their manifests.

virtsnap itself takes the snapshots of the running domains and of one shut-off domain. The other
shut-off ones are copies of that one, byte for byte but for name and UUID: definition, ledger,
records (by REDEFINE) and images.
"""

import os
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libvirt

from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system.site import Site

SNAPSHOTS = tuple(f"s{number}" for number in range(1, 6))
_SECURE = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
_REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
_CURRENT = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
_BLOCK = 4096


def fill(site: Site, *, shut_off: int, running: int) -> None:
    """Bring *shut_off* and *running* domains to life, with five snapshots each."""
    folder = site.lab.daemon.directory / "images"
    folder.mkdir()
    for number in range(running):
        guest = site.lab.guest(f"on-{number:04d}", write=False, folder=folder)
        site.declare(guest, *SNAPSHOTS)
    model = _model(site.lab, folder) if shut_off else None
    if model is not None:
        site.declare(model, *SNAPSHOTS)
    site.apply()
    if model is not None:
        names = [_name(number) for number in range(1, shut_off)]
        _copy_all(site, model, names)


def _name(number: int) -> str:
    return f"off-{number:04d}"


def _model(lab: Lab, folder: Path) -> Guest:
    image = folder / f"{_name(0)}-vda.qcow2"
    command = ("qemu-img", "create", "-q", "-f", "qcow2", str(image), "256M")
    subprocess.run(command, check=True)
    return lab.guest_of((DiskSpec(source=image),), _name(0))


def _copy_all(site: Site, model: Guest, names: list[str]) -> None:
    images = sorted(next(iter(model.disks.values())).parent.glob(f"{model.name}-*.qcow2"))
    definition = model.domain.XMLDesc(_SECURE)
    # Parents first, as REDEFINE wants them.
    topological = libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL
    records = [
        snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
        for snapshot in model.domain.listAllSnapshots(topological)
    ]
    connection = site.lab.connection

    def copy(name: str) -> None:
        """The names are of one length, so they fit in the headers of the images too."""
        for image in images:
            _copy_image(image, model.name, name)
        new = str(uuid.uuid4())

        def renamed(xml: str) -> str:
            return xml.replace(model.name, name).replace(model.uuid, new)

        domain = connection.defineXML(renamed(definition))
        for record in records:
            is_last = record is records[-1]
            domain.snapshotCreateXML(renamed(record), _REDEFINE | (_CURRENT if is_last else 0))
        site.declare(name, *SNAPSHOTS)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(copy, names))


def _copy_image(image: Path, old: str, new: str) -> None:
    """A sparse copy whose header names the new domain's images, and of the same time."""
    before = image.stat()
    content = image.read_bytes()
    header = content[:_BLOCK].replace(os.fsencode(old), os.fsencode(new))
    zeros = bytes(_BLOCK)
    path = image.with_name(image.name.replace(old, new))
    with open(path, "wb") as copy:
        for offset in range(0, len(content), _BLOCK):
            block = header if offset == 0 else content[offset : offset + _BLOCK]
            if block != zeros:
                copy.seek(offset)
                copy.write(block)
        copy.truncate(len(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
