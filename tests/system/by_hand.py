"""What an administrator, or another program, does to a guest without virtsnap."""

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import libvirt
from lxml import etree

from tests.lab.guest import Guest

DISK_ONLY = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
CURRENT = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
NO_METADATA = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
SECURE = libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE


def write(image: Path, mebibyte: int, value: int, *, mebibytes: int = 1) -> None:
    """Put *value* into an image that no QEMU has open."""
    command = f"write -q -P {value} {mebibyte}M {mebibytes}M"
    run("qemu-io", "-f", "qcow2", "-c", command, str(image))


def run(*command: str) -> str:
    """What a command prints; its errors are the test's."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def snapshot(
    guest: Guest,
    name: str,
    *,
    disks: Iterable[str] | None = None,
    flags: int = DISK_ONLY,
    memory: Path | None = None,
) -> libvirt.virDomainSnapshot:
    """A snapshot as ``virsh snapshot-create-as`` makes it: all *disks* external, others left out."""
    root = etree.Element("domainsnapshot")
    etree.SubElement(root, "name").text = name
    if memory is not None:
        etree.SubElement(root, "memory", snapshot="external", file=str(memory))
    listed = etree.SubElement(root, "disks")
    for target in guest.active_images():
        taken = disks is None or target in disks
        disk = etree.SubElement(listed, "disk", name=target)
        disk.set("snapshot", "external" if taken else "no")
        if taken:
            path = guest.folder / f"by-hand-{target}-{name}.qcow2"
            etree.SubElement(disk, "source", file=str(path))
    return guest.domain.snapshotCreateXML(etree.tostring(root, encoding="unicode"), flags)


def internal(guest: Guest, name: str) -> None:
    """A full internal snapshot."""
    guest.domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>", 0)


def record(guest: Guest, name: str) -> etree._Element:
    """libvirt's record, with all that writing it back needs."""
    found = guest.domain.snapshotLookupByName(name, 0)
    return etree.fromstring(found.getXMLDesc(SECURE))


def redefine(guest: Guest, root: etree._Element, *, flags: int = 0) -> None:
    """Write a record anew."""
    guest.domain.snapshotCreateXML(etree.tostring(root, encoding="unicode"), REDEFINE | flags)


def names(guest: Guest) -> list[str]:
    """The snapshots, by name."""
    return sorted(found.getName() for found in guest.domain.listAllSnapshots())


def current(guest: Guest) -> str | None:
    """libvirt's current snapshot."""
    if not guest.domain.hasCurrentSnapshot():
        return None
    name: str = guest.domain.snapshotCurrent().getName()
    return name


def point_at(guest: Guest, name: str) -> None:
    """``virsh snapshot-current DOMAIN NAME``."""
    redefine(guest, record(guest, name), flags=CURRENT)


def drop_record(guest: Guest, name: str) -> None:
    """``virsh snapshot-delete --metadata``."""
    flag = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
    guest.domain.snapshotLookupByName(name, 0).delete(flag)


def merge_live(guest: Guest, target: str = "vda", *, base: Path | None = None) -> None:
    """``virsh blockcommit DOMAIN DISK --active --pivot``: into *base*, or one image down."""
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
    if base is None:
        flags |= libvirt.VIR_DOMAIN_BLOCK_COMMIT_SHALLOW
    guest.domain.blockCommit(target, str(base) if base else None, None, 0, flags)
    deadline = time.monotonic() + 60
    while "ready='yes'" not in guest.domain.XMLDesc(0):
        assert time.monotonic() < deadline, "the mirror never gets ready"
        time.sleep(0.02)
    guest.domain.blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)


def redirect(guest: Guest, sources: dict[str, Path]) -> None:
    """``virsh edit``: other images for disks of the persistent definition, chains not spelled out."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    root = etree.fromstring(guest.domain.XMLDesc(flags))
    for disk in root.iterfind("./devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        assert target is not None
        if source is not None and target.get("dev") in sources:
            source.set("file", str(sources[target.get("dev", "")]))
            for spelled in disk.findall("backingStore"):
                disk.remove(spelled)
    define(guest, root)


def define(guest: Guest, root: etree._Element) -> None:
    """``virsh define``."""
    guest.domain.connect().defineXML(etree.tostring(root, encoding="unicode"))


def revert(guest: Guest, name: str, number: int = 1) -> Path:
    """A hand-made revert of the only disk, as ``libvirt-facts.md`` §6 has it; the new image."""
    root = record(guest, name)
    frozen = root.find("./domain/devices/disk/source")
    overlay = root.find("./disks/disk[@snapshot='external']/source")
    assert frozen is not None
    assert overlay is not None
    new = guest.folder / f"by-hand-reverted-{number}.qcow2"
    make_overlay(Path(frozen.attrib["file"]), new)
    redirect(guest, {"vda": new})
    redefine(guest, root, flags=CURRENT)
    overlay.set("file", str(new))
    redefine(guest, root)
    return new


def make_overlay(backing: Path, path: Path) -> Path:
    """``qemu-img create`` on top of *backing*."""
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(path))
    return path


def drop_subtree(guest: Guest, name: str, *, too: bool) -> None:
    """``virsh snapshot-delete --children --metadata``; not *too*: ``--children-only``."""
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
    children = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN
    only = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY
    guest.domain.snapshotLookupByName(name, 0).delete(flags | (children if too else only))


def sources(guest: Guest, name: str) -> dict[str, Path]:
    """Target → the image that a record says it froze."""
    found = {}
    for disk in record(guest, name).iterfind("./domain/devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None:
            found[target.attrib["dev"]] = Path(source.attrib["file"])
    return found


def change_source(guest: Guest, name: str, images: dict[str, Path], *, where: str = "both") -> None:
    """``virsh snapshot-edit``: other images in ``<domain>`` (*live*), ``<inactiveDomain>``, or both."""
    root = record(guest, name)
    inner = {"live": ("domain",), "inactive": ("inactiveDomain",)}
    for element in inner.get(where, ("domain", "inactiveDomain")):
        for disk in root.iterfind(f"./{element}/devices/disk"):
            source, target = disk.find("source"), disk.find("target")
            if source is not None and target is not None and target.get("dev") in images:
                source.set("file", str(images[target.attrib["dev"]]))
    redefine(guest, root)


def change_parent(guest: Guest, name: str, parent: str | None) -> None:
    """``virsh snapshot-edit``: another parent, or none."""
    root = record(guest, name)
    for said in root.findall("parent"):
        root.remove(said)
    if parent is not None:
        etree.SubElement(etree.SubElement(root, "parent"), "name").text = parent
    redefine(guest, root)


def register(guest: Guest, dump: etree._Element) -> None:
    """``virsh snapshot-create --redefine`` of a dump; a parent that is gone is left out."""
    parent = dump.find("parent")
    if parent is not None and parent.findtext("name") not in names(guest):
        dump.remove(parent)
    redefine(guest, dump)
