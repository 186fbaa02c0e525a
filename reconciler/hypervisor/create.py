"""Taking a snapshot: named files, nothing overwritten, all disks or none."""

import os
from contextlib import suppress
from dataclasses import replace
from shlex import quote
from typing import Any

import libvirt

from reconciler.errors import AgentError, HypervisorError, StepRefused
from reconciler.hypervisor import (
    agent,
    definitions,
    domain_xml,
    migratable,
    reserving,
    snapshot_xml,
)
from reconciler.hypervisor.connection import Connection
from reconciler.hypervisor.explaining import explaining
from reconciler.hypervisor.paths import is_same_file
from reconciler.hypervisor.xml import Element, parse
from reconciler.model.action import CreateSnapshot, NewOverlay
from reconciler.model.ledger import Consistency
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath
from reconciler.model.reservation import Reservation
from reconciler.model.snapshot import MemoryCapture


def create(
    connection: Connection,
    uuid: DomainUuid,
    action: CreateSnapshot,
    *,
    quiesce: bool,
    agent_timeout: int,
    thaw_seconds: float,
    reserved: Reservation | None = None,
) -> str:
    """Take the snapshot; with *quiesce* a guest is never left frozen by us.

    What its agent had to say against the thaw, where that was done all the same, is handed back.
    """
    domain = connection.domain(uuid)
    what = f"take snapshot {action.snapshot} of {domain.name()}"
    with explaining(what):
        definition = parse(domain.XMLDesc(0))
    is_active = domain_xml.is_live(definition)
    if is_active and action.consistency is Consistency.OFFLINE:
        raise StepRefused(f"cannot {what}: it was to be taken shut off, and the domain was started")
    if action.memory is not MemoryCapture.NONE:
        migratable.demand(domain, definition, what)
    for new in action.overlays:
        _demand_ready(definition, new, what)
    if action.memory_file is not None and not connection.is_local:
        raise StepRefused(f"cannot {what}: {action.memory_file} cannot be looked for from here")
    if reserved is None:
        with reserving.reserve(action.new_files if connection.is_local else (), what) as own:
            try:
                return create(
                    connection,
                    uuid,
                    action,
                    quiesce=quiesce,
                    agent_timeout=agent_timeout,
                    thaw_seconds=thaw_seconds,
                    reserved=own,
                )
            finally:
                own.give_back()
    for path in action.new_files if connection.is_local else ():
        # libvirt would take over any empty file, and writes the memory over whatever lies there
        # (facts §1.1, §1.4).
        if not reserved.is_empty(path):
            raise StepRefused(
                f"cannot {what}: {path} is not the file that was made for it",
                hint=f"ls -l {quote(path)}",
            )
    text = snapshot_xml.created(replace(action, skipped=_others(definition, action)))
    flags = _flags(domain, action, is_active=is_active, what=what)
    said = ""
    if quiesce and is_active:
        said = _take_quiesced(domain, text, flags, what, agent_timeout, thaw_seconds)
    else:
        with explaining(what):
            domain.snapshotCreateXML(text, flags)
    if not is_active:
        definitions.say_again(domain, definition, [new.target for new in action.overlays])
    if not connection.is_local:
        return said
    if not is_active:
        for new in action.overlays:
            _make_private(new.overlay, new.frozen, what)
    if action.memory_file is not None:
        _make_private(action.memory_file, None, what)
    return said


def _flags(domain: Any, action: CreateSnapshot, *, is_active: bool, what: str) -> int:
    """What libvirt is asked for (facts §1.2, §1.3)."""
    has_memory = action.memory is not MemoryCapture.NONE
    if is_active and action.internal and not has_memory:
        raise StepRefused(f"cannot {what}: the domain has been started")
    if not is_active and has_memory:
        raise StepRefused(f"cannot {what}: the domain has been shut off")
    flags: int = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    if action.overlays and not has_memory:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    if action.halts:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_HALT
    elif action.memory is MemoryCapture.EXTERNAL:
        with explaining(what):
            if domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE
    return flags


def _demand_ready(definition: Element, new: NewOverlay, what: str) -> None:
    disks = domain_xml.disks(definition)
    disk = next((disk for disk in disks if disk.target == new.target), None)
    if disk is None:
        raise StepRefused(f"cannot {what}: the domain has no disk {new.target}")
    path = disk.active.path
    is_same = path is not None and (path == new.frozen or is_same_file(path, new.frozen))
    if disk.volume is None and not is_same:
        raise StepRefused(f"cannot {what}: {new.target} is on {path}, not on {new.frozen}")


def _others(definition: Element, action: CreateSnapshot) -> tuple[DiskTarget, ...]:
    """Every disk that is not taken: left unsaid, libvirt would take what it thinks fit."""
    taken = {new.target for new in action.overlays} | set(action.internal)
    targets = (domain_xml.target_of(element) for element in domain_xml.disk_elements(definition))
    return tuple(target for target in targets if target not in taken)


def _take_quiesced(
    domain: Any, text: str, flags: int, what: str, agent_timeout: int, thaw_seconds: float
) -> str:
    """Frozen, taken, thawed, each by itself: with libvirt's QUIESCE a thaw that fails, a hook in the
    guest being enough, makes a failure of a snapshot whose overlays are in use by then."""
    # Asked first: a hung agent then has no freeze waiting for it, a freeze of others is seen, and
    # nobody is frozen whose agent may not thaw.
    if agent.is_frozen_or_can_be(domain):
        raise AgentError(
            f"cannot {what}: the guest is frozen already, by someone else",
            hint=f"virsh domfsthaw {quote(domain.name())}",
        )
    agent.limit_answers(domain, agent_timeout)
    try:
        agent.freeze(domain, what)
        with explaining(what):
            domain.snapshotCreateXML(text, flags)
    except HypervisorError as failure:
        _thaw_after(failure, domain, thaw_seconds)
        raise
    try:
        return agent.thaw(domain, seconds=thaw_seconds)
    except AgentError as error:
        # no agent's failure any more: the snapshot is there
        hint = f"virsh domfsthaw {quote(domain.name())}"
        raise HypervisorError(error.message, hint=hint, code=error.code) from error


def _thaw_after(failure: HypervisorError, domain: Any, seconds: float) -> None:
    try:
        agent.thaw(domain, seconds=seconds)
    except (AgentError, libvirt.libvirtError) as error:
        failure.message += f"; and the guest may be frozen ({error})"
        failure.args = (failure.message,)
        failure.hint = f"virsh domfsthaw {quote(domain.name())}"


def _make_private(path: ImagePath, like: ImagePath | None, what: str) -> None:
    """libvirt before 11.10 lets qemu-img make it 0644, readable for all (CVE-2025-13193).

    An overlay gets the owner of the image below; the memory stays libvirt's, as it is written.
    """
    try:
        if like is not None or os.stat(path).st_mode & 0o077:  # noqa: PTH116
            os.chmod(path, 0o600)  # noqa: PTH101
        if like is not None:
            below = os.stat(like)  # noqa: PTH116
            with suppress(PermissionError):
                os.chown(path, below.st_uid, below.st_gid)
    except OSError as error:
        raise HypervisorError(
            f"cannot {what}: {path} was made but cannot be made private: {error.strerror}",
            hint=f"chmod 600 {quote(path)}",
        ) from error
