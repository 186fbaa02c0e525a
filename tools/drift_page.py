"""``docs/reference/drift.md`` from the kinds of drift, with the report's own words for each."""

from datetime import UTC, datetime
from typing import get_args

from reconciler.model import drift
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerState
from reconciler.report import drift_text

HEAD = """\
<!-- made by tools/generate.py from reconciler/model/drift.py; do not edit -->
# Drift

Every way in which a host can differ from its manifests, or in which its three truths (libvirt's
records, the definitions, the image files) disagree. `kind` is its word in `-o json`.

What a plan can do about it is in its steps; what it must not do is a [refusal](refusals.md). The rest is
listed under `drift:` with its remedy, and counts as in sync. Below, *says* is how the text of a plan
puts it, *remedy* what it adds in brackets.
"""

_DOMAIN = "web01"
_LATE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_S1 = SnapshotName("s1")
_VDA = DiskTarget("vda")
_IMAGE = ImagePath("/srv/images/web01-vda-s1.qcow2")
_OTHER = ImagePath("/srv/images/web01-vda.qcow2")


def _undeclared(why: drift.Undeclared, source: str | None = None) -> drift.Difference:
    return drift.SnapshotUndeclared(snapshot=_S1, why=why, other_source=source)


def _dangling(
    cause: drift.DanglingCause, *, is_managed: bool, is_declared: bool = False
) -> drift.Difference:
    return drift.RecordDangling(
        snapshot=_S1,
        disk=_VDA,
        image=_OTHER,
        cause=cause,
        is_managed=is_managed,
        is_declared=is_declared,
    )


def _unrecorded(*, is_ours: bool, is_declared: bool = False) -> drift.Difference:
    return drift.OverlayUnrecorded(
        disk=_VDA,
        image=_IMAGE,
        is_ours=is_ours,
        snapshot=_S1 if is_ours else None,
        is_declared=is_declared,
    )


#: What each kind looks like, one for every wording.
EXAMPLES: tuple[drift.Difference, ...] = (
    drift.SnapshotMissing(snapshot=_S1),
    drift.SnapshotMissing(snapshot=_S1, is_above_taken=True),
    drift.SnapshotLost(snapshot=_S1),
    *(_undeclared(why) for why in drift.Undeclared),
    _undeclared(drift.Undeclared.NOT_IN_MANIFEST, "/srv/other/manifests"),
    drift.SnapshotUnmanaged(snapshot=_S1),
    drift.SnapshotUnmanaged(snapshot=_S1, is_declared=True),
    drift.DescriptionDiffers(snapshot=_S1, desired="Before the upgrade", observed="test"),
    drift.CaptureDiffers(snapshot=_S1, field="disks.vdb", desired="skip", observed="external"),
    drift.HoldDiffers(snapshot=_S1, desired=True),
    drift.HoldDiffers(snapshot=_S1, desired=False),
    _dangling(drift.DanglingCause.WRITTEN, is_managed=True),
    _dangling(drift.DanglingCause.MERGED, is_managed=True, is_declared=True),
    _dangling(drift.DanglingCause.MISSING, is_managed=False),
    _dangling(drift.DanglingCause.EXPOSED, is_managed=True, is_declared=True),
    drift.RecordOutdated(snapshot=_S1, disk=_VDA, image=_OTHER),
    drift.RecordOutdated(snapshot=_S1, disk=_VDA, image=_OTHER, said=_IMAGE),
    drift.DefinitionWentBack(disk=_VDA, image=_OTHER, observed=_IMAGE),
    drift.SnapshotUnproven(
        snapshot=_S1,
        disk=_VDA,
        says=((drift.Truth.LEDGER, _OTHER), (drift.Truth.RECORD, _IMAGE)),
    ),
    drift.CurrentMisplaced(snapshot=_S1, observed=None),
    *(
        drift.CurrentMisplaced(
            snapshot=_S1, observed=_S1, disk=_VDA, image=_IMAGE, said=_OTHER, is_managed=managed
        )
        for managed in (True, False)
    ),
    _unrecorded(is_ours=True),
    _unrecorded(is_ours=True, is_declared=True),
    _unrecorded(is_ours=False),
    drift.ImageOrphaned(
        disk=_VDA,
        image=_IMAGE,
        snapshot=_S1,
        is_emptied=False,
        is_superseded=True,
        size=3 << 20,
    ),
    drift.DefinitionsDisagree(disk=_VDA, live=_IMAGE, persistent=_OTHER),
    drift.ChainTooDeep(disk=_VDA, depth=9, limit=8),
    drift.ChainBroken(disk=_VDA, image=_OTHER, cause="missing"),
    drift.JobUnfinished(disk=_VDA, job="commit", is_ours=True),
    drift.JobUnfinished(disk=_VDA, job="copy", is_ours=False),
    *(drift.LedgerStale(fault=fault) for fault in drift.LedgerFault),
    drift.FreezeUnended(),
    drift.DefinitionOwed(snapshot=SnapshotName("definition-before-revert-INC-4711"), is_there=True),
    drift.DefinitionOwed(
        snapshot=SnapshotName("definition-before-revert-INC-4711"), is_there=False
    ),
    drift.PowerOwed(state=PowerState.RUNNING, is_off=True),
    drift.PowerOwed(state=PowerState.RUNNING, is_off=False),
    drift.PowerOwed(state=PowerState.RUNNING, is_off=False, until=_LATE),
    drift.RevertRequested(snapshot=_S1, request="INC-4711"),
    drift.DomainMissing(near=("web-01",)),
    drift.ManifestGone(manifest="web01.yaml", snapshots=(_S1,)),
)


#: What each kind means, for somebody who meets it for the first time.
MEANINGS: dict[type[drift.Difference], str] = {
    drift.SnapshotMissing: "The manifest declares it and it was never taken. It is taken now, also "
    "when a later one of the list is there already: order concerns only what is not yet taken.",
    drift.SnapshotLost: "It was taken once, and is gone without virtsnap having removed it. It is "
    "never taken again under the same name, which would be another moment, unless the manifest says "
    "`ifLost: retake`.",
    drift.SnapshotUndeclared: "virtsnap took it, and no manifest names it now. Under `prune: never` "
    "it stays; what has begun to be removed is finished in any case. One with a hold (`protect`) stays "
    "under any `prune`, and is not listed.",
    drift.SnapshotUnmanaged: "Somebody took it by hand, or another tool did. virtsnap never changes "
    "it. With `unmanaged: adopt` it becomes managed once the manifest names it.",
    drift.DescriptionDiffers: "The description in libvirt is not the declared one. The record is "
    "written anew.",
    drift.CaptureDiffers: "It was taken in another way (type, memory or disks) than the manifest "
    "says now.",
    drift.HoldDiffers: "`protect: true` wants a hold that is not there yet, or `protect: false` none "
    "where one is. A manifest that leaves `protect` out has no opinion.",
    drift.RecordDangling: "libvirt still lists the snapshot, and what it froze is no longer there: "
    "an image is missing, was written to since, or was merged away, for instance by `virsh "
    "blockcommit`. It can not be reverted to.",
    drift.RecordOutdated: "The snapshot is whole, and its record does not name the image that holds "
    "it: its data was merged into another one, or somebody edited the record, or libvirt 9.0 did when "
    "another snapshot was dropped with `--metadata`. virtsnap's ledger and the headers of the images "
    "agree on the right one. The record is written anew.",
    drift.DefinitionWentBack: "An older definition was put back while the domain was off: the disk is "
    "on an image that a snapshot froze, and what the guest wrote since lies in one that nobody reads. "
    "A person's `apply` lets the disk name the newer image again (`switch-disk`); nothing else is done "
    "on the domain before. With the older definition the ledger came back too, or went: it is written "
    "anew first, and the journal of this machine says what the frozen image was like.",
    drift.SnapshotUnproven: "virtsnap's ledger, libvirt's record, the header of the overlay and the "
    "saved memory name different images for what the snapshot froze, and none of them is proven. "
    "Nobody goes back to it, and no image that any of them names is removed, until they agree.",
    drift.CurrentMisplaced: "libvirt marks another snapshot as current than the one the guest writes "
    "above; or the record of the current one names other images than the disks are on. libvirt's own "
    "delete and revert trust both and would remove images that are needed.",
    drift.OverlayUnrecorded: "An image in a chain that no snapshot accounts for. Made by virtsnap: "
    "its record was dropped by hand, or a create was interrupted. Made by somebody else: usually a "
    "backup at work; while it is there, nothing is taken or removed.",
    drift.ImageOrphaned: "An image that virtsnap made, and that no definition, no record and no "
    "other image needs. What virtsnap emptied itself is removed in any case; this one it did not.",
    drift.DefinitionsDisagree: "The running guest writes to another image than its persistent "
    "definition names: after the next start it would see other data. Of disks alone that a snapshot "
    "has taken or would take.",
    drift.ChainTooDeep: "A disk has more images above its base than `chain.maxDepth` allows.",
    drift.ChainBroken: "A chain cannot be followed to its base, or the definition spells out another "
    "one than the files.",
    drift.JobUnfinished: "A block job runs, or waits to be ended. One of virtsnap's own is finished; "
    "one of somebody else is waited for.",
    drift.LedgerStale: "What virtsnap remembers with the domain is not what records and journal say: "
    "it was dropped, rolled back (a revert by hand does that), or a crash came in between. A lost or "
    "older ledger is written anew from the records, and nothing else is done in that plan.",
    drift.FreezeUnended: "virtsnap froze the guest's file systems and did not note that they were "
    "thawed. They are thawed first of all.",
    drift.DefinitionOwed: "virtsnap died in a revert to an internal snapshot with `config: disks`: libvirt "
    "had put the whole definition of that moment in place, and the present one was not defined again yet. "
    "It lies in a record that takes no disk.",
    drift.PowerOwed: "virtsnap shut the guest down for a snapshot, or asked it to, and has not seen it "
    "running again since. It is started at the end of the next plan; one that runs again by itself is "
    "left as it is. A guest that did not obey in time may obey late: it stays owed for one more "
    "`shutdown.timeout`.",
    drift.RevertRequested: "The manifest asks to go back to a snapshot, with a `request` that was not "
    "done on this domain yet. It is done once.",
    drift.DomainMissing: "The manifest names a domain that this libvirt does not have.",
    drift.ManifestGone: "The domain was declared by this very source, which was read whole, and has "
    "no manifest there any more. Its snapshots stay.",
}


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_kind(kind) for kind in get_args(drift.Difference))])


def _kind(kind: type[drift.Difference]) -> str:
    shown = [example for example in EXAMPLES if type(example) is kind]
    assert shown, f"no example of {kind.kind}"
    lines = [f"## {kind.kind}", "", MEANINGS[kind], ""]
    for example in shown:
        lines.append(f"- says: `{drift_text.sentence(example)}`")
        lines.append(f"  - remedy: {drift_text.remedy(example, domain=_DOMAIN)}")
    return "\n".join([*lines, ""])
