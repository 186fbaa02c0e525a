"""A revert that the manifest asks for: done once for each request (law 3), or refused."""

from dataclasses import replace

from reconciler.model.desired import DesiredRevert, RevertPower
from reconciler.model.drift import SnapshotMissing
from reconciler.model.ledger import EntryState, RequestState
from reconciler.model.names import SnapshotName
from reconciler.model.refusal import Refusal, RefusalCode, refusal
from reconciler.model.request import Selection
from reconciler.model.snapshot import MemoryCapture, SnapshotRecord
from reconciler.planning import (
    capture,
    differ,
    going_back,
    going_inside,
    keeping,
    powering,
    saved_memory,
    storage,
    transience,
)
from reconciler.planning.builder import Builder
from reconciler.planning.differ import Declared
from reconciler.planning.world import World


def revert(builder: Builder, wish: Declared, before: World, selection: Selection) -> None:
    """Fulfil the declared revert request; *before* is the world that the plan began with."""
    if wish.domain is None or wish.domain.revert is None:
        return
    wanted = wish.domain.revert
    if not selection.has_snapshot(builder.world.domain.name, wanted.to):
        return
    known = builder.world.ledger.request(wanted.request)
    if known is not None and known.state is not RequestState.BEGUN:
        why = _why_known(wanted, known.state, known.to)
        builder.refuse(*([why] if why else []))
        return
    why = _why_not_now(builder, wish, before) or _why_not(builder.world, wanted)
    start = builder.mark()
    if why is None:
        record = builder.world.domain.record(wanted.to)
        assert record is not None
        go = going_back.plan if record.is_external else going_inside.plan
        why = go(builder, wish.domain, wanted, record)
    if why is not None:
        builder.back_to(start)
        builder.refuse(replace(why, snapshot=wanted.to).doing("revert to"))
    else:
        _warn(builder, wanted)


def _why_known(wanted: DesiredRevert, state: RequestState, to: SnapshotName) -> Refusal | None:
    if state is RequestState.UNPROVEN:
        return _refuse(wanted, RefusalCode.REVERT_UNPROVEN)
    if state is RequestState.FAILED:
        return saved_memory.did_not_load(wanted, to)
    if state is RequestState.VOID:
        cause = (
            f"{wanted.request} was asked for before this {to} was taken, and means another moment;"
            " a new `request` means this one"
        )
        return keeping.impossible(wanted, cause)
    if to != wanted.to:
        return _refuse(wanted, RefusalCode.REQUEST_REUSED, done=to)
    return None


def _refuse(wanted: DesiredRevert, code: RefusalCode, **facts: object) -> Refusal:
    return refusal(code, snapshot=wanted.to, request=wanted.request, **facts)


def _why_not_now(builder: Builder, wish: Declared, before: World) -> Refusal | None:
    """The target was complete before this plan, and nothing that comes first is still to be taken."""
    assert wish.domain is not None
    wanted = wish.domain.revert
    assert wanted is not None
    is_unfinished = not before.domain.is_active and powering.half_reverted(before) is not None
    for difference in differ.compare(wish, builder.world).differences:
        # of images that are half rewritten nothing can be taken first
        if isinstance(difference, SnapshotMissing) and not is_unfinished:
            cause = f"{difference.snapshot} is declared and must be taken first"
            return keeping.impossible(wanted, cause)
    record = before.domain.record(wanted.to)
    entry = before.agreeing_entry(record) if record else None
    now = builder.world.domain.record(wanted.to)
    if entry is None and now is not None and builder.world.is_managed(now):
        return keeping.impossible(
            wanted, "virtsnap did not manage it before this plan; plan again after it"
        )
    if record is None:
        return keeping.impossible(wanted, "there is no such snapshot")
    if entry is None:
        return keeping.impossible(wanted, "virtsnap does not manage it")
    if entry.state is not EntryState.TAKEN:
        return keeping.impossible(wanted, f"it is {entry.state}")
    return None


def _why_not(world: World, wanted: DesiredRevert) -> Refusal | None:
    domain = world.domain
    record = domain.record(wanted.to)
    if record is None:
        return keeping.impossible(wanted, "there is no such snapshot")
    if world.ledger.definition is not None:
        return keeping.impossible(wanted, "a revert before it still owes a definition")
    transient = transience.why_not(world, "a revert shuts it off, and would end it")
    if transient is not None or domain.persistent is None:
        return transient
    if domain.checkpoints:
        cause = f"the checkpoints {', '.join(domain.checkpoints)} would not match any more"
        return keeping.impossible(wanted, cause)
    fault = next((d for d in storage.dangling(world, frozenset()) if d.snapshot == wanted.to), None)
    if fault is not None:
        return keeping.impossible(wanted, f"{fault.image}, which it froze, is {fault.cause}")
    for disk in record.disks:
        taken = disk.source is not None and disk.capture == "internal"
        if taken and all(d.target != disk.target for d in domain.persistent):
            return keeping.impossible(wanted, f"the domain has no disk {disk.target} any more")
    return None


def _warn(builder: Builder, wanted: DesiredRevert) -> None:
    domain = builder.world.domain
    record = domain.record(wanted.to)
    assert record is not None
    found = []
    is_recorded = wanted.power is RevertPower.RECORDED
    if is_recorded and keeping.recorded(builder.world, record) is None:
        found.append(
            f"{record.name}: what {domain.name} did when it was taken is not known; it ends as it was"
        )
    if domain.firmware == "uefi":
        goes = capture.holds_nvram(builder.world, is_internal=not record.is_external)
        does = "goes back too" if goes else "stays as it is now"
        found.append(f"{domain.name}: the NVRAM {does}")
    if domain.has_tpm:
        found.append(f"{domain.name}: the TPM state stays as it is now")
    if _drops_memory(record, wanted):
        found.append(f"{record.name}: its memory is left out, as `power: off` asks for")
    builder.warn(*found)


def _drops_memory(record: SnapshotRecord, wanted: DesiredRevert) -> bool:
    return record.memory is not MemoryCapture.NONE and wanted.power is RevertPower.OFF
