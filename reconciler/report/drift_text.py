"""Every difference as a sentence, with what would remedy it."""

import shlex
from datetime import datetime
from typing import assert_never

from reconciler.model.drift import (
    CaptureDiffers,
    ChainBroken,
    ChainTooDeep,
    CurrentMisplaced,
    DanglingCause,
    DefinitionOwed,
    DefinitionsDisagree,
    DefinitionWentBack,
    DescriptionDiffers,
    Difference,
    DomainMissing,
    FreezeUnended,
    HoldDiffers,
    ImageOrphaned,
    JobUnfinished,
    LedgerFault,
    LedgerStale,
    ManifestGone,
    OverlayUnrecorded,
    PowerOwed,
    RecordDangling,
    RecordOutdated,
    RevertRequested,
    SnapshotLost,
    SnapshotMissing,
    SnapshotUndeclared,
    SnapshotUnmanaged,
    SnapshotUnproven,
    Undeclared,
)
from reconciler.model.names import base_name
from reconciler.report.units import joined, size


def sentence(difference: Difference) -> str:
    """What differs."""
    match difference:
        case SnapshotMissing(snapshot=name, is_above_taken=is_above):
            late = " (it stands above one that is taken already)" if is_above else ""
            return f"{name} is declared and not taken{late}"
        case SnapshotLost(snapshot=name):
            return f"{name} was taken once and has vanished"
        case SnapshotUndeclared():
            return _undeclared(difference)
        case SnapshotUnmanaged(snapshot=name):
            return f"{name} is unmanaged"
        case DescriptionDiffers(snapshot=name, observed=observed):
            return f"{name} is described as {observed!r}" if observed else f"{name} is undescribed"
        case CaptureDiffers(snapshot=name, field=field, desired=desired, observed=observed):
            return f"{name} was taken with {field} {observed}, and {desired} is declared"
        case HoldDiffers(snapshot=name, desired=desired):
            return f"{name} is {'not held' if desired else 'held'}, and `protect` says otherwise"
        case RecordDangling(snapshot=name, disk=disk, image=image, cause=cause):
            return f"{name} no longer holds {disk}: {base_name(image)} {_DANGLING[cause]}"
        case RecordOutdated(snapshot=name, disk=disk, image=image, said=str(said)):
            return f"the record of {name} names {base_name(said)} for {disk}; it froze {base_name(image)}"
        case RecordOutdated(snapshot=name, disk=disk, image=image):
            return f"the record of {name} names images of {disk} merged into {base_name(image)}"
        case SnapshotUnproven(snapshot=name, disk=disk, says=says):
            words = ", ".join(f"{truth} says {base_name(path)}" for truth, path in says)
            return f"which image of {disk} {name} froze is not proven: {words}"
        case CurrentMisplaced(snapshot=name, disk=str(disk), image=str(image), said=said):
            other = base_name(said) if said else "no image"
            return (
                f"{name} is current, and its record says that {disk} went on in {other};"
                f" it is on {base_name(image)}"
            )
        case CurrentMisplaced(snapshot=name, observed=observed):
            return f"{observed or 'no snapshot'} is marked current, and {name} is"
        case OverlayUnrecorded(disk=disk, image=image, is_ours=is_ours):
            whose = "made by virtsnap" if is_ours else "made by somebody else"
            return f"{base_name(image)} on {disk} belongs to no snapshot, {whose}"
        case ImageOrphaned(image=image, snapshot=name, size=amount):
            of_size = f", {size(amount)}" if amount is not None else ""
            return f"{image} is read by nobody (made for {name}{of_size})"
        case DefinitionsDisagree(disk=disk, live=live, persistent=persistent):
            return f"{disk} is {_image(live)} now, and {_image(persistent)} after the next start"
        case DefinitionWentBack(disk=disk, image=image, observed=observed):
            return (
                f"{disk} is on {base_name(observed)} again, and what was written since lies in"
                f" {base_name(image)}"
            )
        case ChainTooDeep(disk=disk, depth=depth, limit=limit):
            return f"{disk} has {depth} images above its base, {limit} are allowed"
        case ChainBroken(disk=disk, image=image, cause=cause):
            return f"the chain of {disk} is not sound at {image}: {cause}"
        case JobUnfinished(disk=disk, job=job, is_ours=is_ours):
            return f"a block job ({job}) {'of virtsnap ' if is_ours else ''}is there on {disk}"
        case LedgerStale(fault=fault, snapshot=name):
            return _LEDGER[fault] + (f" ({name})" if name else "")
        case FreezeUnended():
            return "the guest may be frozen still, by a virtsnap that did not end"
        case PowerOwed(state=state, is_off=True):
            return f"the guest was shut down by virtsnap, and was {state} before"
        case PowerOwed(until=until):
            late = f", and may obey until {until:%Y-%m-%dT%H:%M:%SZ}" if until else ""
            return f"the guest was asked by virtsnap to shut down; it is on{late}"
        case DefinitionOwed(snapshot=name, is_there=is_there):
            where = f"lies in {name}" if is_there else f"is lost with {name}"
            return f"a revert left the definition of that moment; the one before it {where}"
        case RevertRequested(snapshot=name, request=request):
            return f"{request} asks to go back to {name}"
        case DomainMissing(near=near):
            return "there is no such domain" + (
                f"; nearly the same: {joined(near)}" if near else ""
            )
        case ManifestGone(manifest=manifest, snapshots=snapshots):
            return f"the manifest{f' {manifest}' if manifest else ''} has gone, {joined(snapshots)} stay"
        case _:
            assert_never(difference)


def remedy(difference: Difference, *, domain: str) -> str:
    """What to do about it in *domain*, when virtsnap was not asked to do anything."""
    quoted = shlex.quote(domain)
    match difference:
        case SnapshotMissing():
            return "virtsnap apply"
        case SnapshotLost():
            return "remove it from the manifest, or set `ifLost: retake`"
        case SnapshotUndeclared(why=Undeclared.MANIFEST_GONE) | ManifestGone():
            return "bring the manifest back; or, to remove them, virtsnap apply --prune-gone"
        case SnapshotUndeclared(why=Undeclared.DELETING):
            return "virtsnap apply"
        case SnapshotUndeclared(other_source=None):
            return "declare it, or set `prune: confirm` or `auto`"
        case SnapshotUndeclared():
            return "apply from that source"
        case SnapshotUnmanaged(is_declared=True):
            return "declare another name, or set `unmanaged: adopt`"
        case SnapshotUnmanaged():
            return "nothing is changed; `unmanaged: ignore` hides it"
        case DescriptionDiffers() | HoldDiffers():
            return "virtsnap apply"
        case CaptureDiffers():
            return "a taken snapshot never changes; declare a new name"
        case RecordDangling(is_managed=False, snapshot=name):
            return f"virtsnap doctor {quoted}, for how {name} can be dropped"
        case RecordDangling(cause=DanglingCause.EXPOSED, image=image):
            return (
                f"give that disk another image than {base_name(image)} before its guest is started"
            )
        case SnapshotUnproven(snapshot=name):
            return (
                f"virsh snapshot-dumpxml {quoted} {shlex.quote(name)}, and put right what is wrong"
            )
        case RecordDangling(is_declared=True):
            return "remove it from the manifest"
        case RecordDangling():
            return "set `prune: confirm` or `auto`"
        case ImageOrphaned(is_emptied=True):
            return "virtsnap apply"
        case ImageOrphaned(snapshot=name):
            target = shlex.quote(f"{domain}/{name}")
            return f"once it is not wanted, with `prune: confirm`: virtsnap apply --target {target}"
        case CurrentMisplaced(is_managed=False):
            return "do not revert to, or delete, a snapshot of this domain with virsh"
        case RecordOutdated() | CurrentMisplaced() | LedgerStale(fault=LedgerFault.LEFTOVER):
            return "virtsnap apply"
        case OverlayUnrecorded(is_ours=False):
            return f"wait for the backup that made it; if it has died: virtsnap doctor {quoted}"
        case OverlayUnrecorded(is_declared=True):
            return "remove the snapshot from the manifest"
        case OverlayUnrecorded():
            return "set `prune: confirm` or `auto`"
        case DefinitionsDisagree():
            return f"virsh dumpxml --inactive {quoted}, and put it right"
        case DefinitionWentBack():
            return "virtsnap apply, before the guest is started"
        case ChainTooDeep():
            return "remove older snapshots from the manifest"
        case ChainBroken():
            return f"virtsnap tree {quoted}; qemu-img info -U --backing-chain IMAGE"
        case JobUnfinished(is_ours=True) | FreezeUnended():
            return "virtsnap apply"
        case PowerOwed(is_off=False, until=datetime()):
            return "nothing now; once it has obeyed, virtsnap apply starts it again"
        case PowerOwed():
            return "virtsnap apply"
        case JobUnfinished(disk=disk):
            return f"virsh blockjob {quoted} {disk} --info"
        case LedgerStale(fault=LedgerFault.NEWER):
            return "use the newest virtsnap"
        case LedgerStale(fault=LedgerFault.DAMAGED):
            return f"virsh metadata {quoted} urn:virtsnap:ledger:1"
        case DefinitionOwed(is_there=False):
            return f"virsh dumpxml --inactive {quoted}, and put it right; then virtsnap apply"
        case LedgerStale() | RevertRequested() | DefinitionOwed():
            return "virtsnap apply"
        case DomainMissing():
            return "define the domain, or correct the manifest"
        case _:
            assert_never(difference)


_DANGLING = {
    DanglingCause.MISSING: "is missing",
    DanglingCause.WRITTEN: "was written to since",
    DanglingCause.EXPOSED: "is a disk of a definition, and may be written to",
    DanglingCause.MERGED: "was merged away",
    DanglingCause.DELETED: "does not hold it any more",
}

_LEDGER = {
    LedgerFault.LOST: "the domain has lost its ledger",
    LedgerFault.ROLLED_BACK: "the ledger is older than this machine knows it",
    LedgerFault.UNCONFIRMED: "a snapshot was taken and not written down",
    LedgerFault.LEFTOVER: "the ledger has an entry that nothing stands behind",
    LedgerFault.PARTIAL: "a definition of the running domain has lost the ledger, or has another",
    LedgerFault.NEWER: "the ledger is of a newer virtsnap",
    LedgerFault.DAMAGED: "the ledger is damaged",
}


def _undeclared(difference: SnapshotUndeclared) -> str:
    name = difference.snapshot
    by_other = f", it was declared by {difference.other_source}" if difference.other_source else ""
    match difference.why:
        case Undeclared.NOT_IN_MANIFEST:
            return f"{name} is managed and not in the manifest{by_other}"
        case Undeclared.DELETING:
            return f"the removal of {name} has begun and is not finished{by_other}"
        case Undeclared.MANIFEST_GONE:
            return f"{name} is managed and its manifest has gone{by_other}"
        case _:
            assert_never(difference.why)


def _image(path: str | None) -> str:
    return path.rpartition("/")[2] if path else "absent"
