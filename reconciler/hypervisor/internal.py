"""Deleting internal snapshots: by libvirt, which ignores what fails (facts §4.1), so it is looked at."""

import os
from shlex import quote
from typing import Any

from reconciler.errors import HypervisorError, StepRefused
from reconciler.hypervisor import domain_xml, qcow2, qemu_img
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.paths import is_same_file
from reconciler.hypervisor.xml import parse
from reconciler.model.action import DeleteSnapshot
from reconciler.model.names import DomainUuid, ImagePath, SnapshotName


def delete(connection: Connection, uuid: DomainUuid, action: DeleteSnapshot) -> None:
    """Delete the record and what the images hold of it; what libvirt leaves while off goes too."""
    domain = connection.domain(uuid)
    what = f"delete snapshot {action.snapshot} of {domain.name()}"
    with explaining(what):
        _demand_inside(domain, action, what)
        domain.snapshotLookupByName(action.snapshot, 0).delete(0)
        if domain.isActive() or not connection.is_local:
            return
    for _, path in action.images:
        if action.snapshot in names_in(path, what):
            qemu_img.delete_snapshot(path, action.snapshot)


def _demand_inside(domain: Any, action: DeleteSnapshot, what: str) -> None:
    """The record is of an internal snapshot; a running guest writes to the images that hold it."""
    record = parse(domain.snapshotLookupByName(action.snapshot, 0).getXMLDesc(0))
    kinds = {disk.get("name"): disk.get("snapshot") for disk in record.iterfind("disks/disk")}
    if any(kinds.get(target) != "internal" for target, _ in action.images):
        raise StepRefused(f"cannot {what}: it is not internal on every disk of the plan")
    if "external" in kinds.values():
        raise StepRefused(f"cannot {what}: it has external disks")
    definition = parse(domain.XMLDesc(0))
    if not domain_xml.is_live(definition):
        return
    active = {disk.target: disk.active.path for disk in domain_xml.disks(definition)}
    for target, path in action.images:
        now = active.get(target)
        if now is None or (now != path and not is_same_file(now, path)):
            raise StepRefused(f"cannot {what}: {target} is on {now}, not on {path}")


def names_in(path: ImagePath, what: str) -> tuple[SnapshotName, ...]:
    """The internal snapshots of a qcow2 image."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HypervisorError(
            f"cannot {what}: {path}: {error.strerror}", hint=f"ls -l {quote(path)}"
        ) from error
    try:
        header = qcow2.read_header(descriptor, qcow2.read_start(descriptor))
    except (OSError, qcow2.NotQcow2Error) as error:
        raise HypervisorError(f"cannot {what}: {path} cannot be read: {error}") from error
    finally:
        os.close(descriptor)
    return tuple(SnapshotName(name) for name in header.internal_snapshots)
