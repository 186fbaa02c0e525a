"""The words for every finding of ``doctor``.  Facts in braces: see ``phrase``."""

from dataclasses import dataclass

from reconciler.model.finding import FindingCode as Code


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingWords:
    """*hint* is what to do next; *meaning* is for the page, *worse* says what makes it a problem."""

    sentence: str
    hint: str
    meaning: str
    worse: str = ""


_TREE = "virtsnap tree {domain!q}"

WORDS: dict[Code, FindingWords] = {
    Code.LIBVIRT_TOO_OLD: FindingWords(
        sentence="libvirt {version} is older than {oldest}, the oldest that virtsnap works with",
        hint="upgrade libvirt, or take and remove snapshots there with virsh",
        meaning="Nothing was ever tried on it.",
    ),
    Code.LIBVIRT_DEEP_CHAINS: FindingWords(
        sentence="libvirt {version} cannot start a guest whose chain has more than {limit} images",
        hint="keep few snapshots, best with `chain.maxDepth: 8` in every manifest; libvirt 12.0 "
        "can do it again",
        meaning="libvirt 10.8 to 11.10 still takes snapshots of a running guest beyond that, and "
        "the guest does not come up again. virtsnap refuses to go so far.",
    ),
    Code.HOST_NOT_LOCAL: FindingWords(
        sentence="image files of {uri} cannot be looked at from here",
        hint="run it on that host: sudo virtsnap doctor",
        meaning="Over a remote connection only what libvirt tells is checked. Offline commits and "
        "removals of images are refused.",
    ),
    Code.STATE_NOT_WRITABLE: FindingWords(
        sentence="this user may not write to {folder}, where virtsnap keeps its journal and locks",
        hint="sudo virtsnap doctor",
        meaning="`plan`, `status` and `tree` work all the same; `apply` and `run` do not.",
    ),
    Code.FOLDER_NOT_LISTED: FindingWords(
        sentence="not every file in {folder} can be looked at",
        hint="sudo virtsnap doctor; if it says so as root too: ls -la {folder!q}",
        meaning="A file that nobody could look at may stand on any image, so no image in that "
        "folder is merged or removed.",
    ),
    Code.FOLDER_NOT_WRITABLE: FindingWords(
        sentence="this user may not write to {folder}",
        hint="sudo virtsnap doctor; if it says so as root too: findmnt -T {folder!q}",
        meaning="libvirt makes the overlays, but virtsnap itself removes images that were emptied.",
    ),
    Code.IMAGES_UNREADABLE: FindingWords(
        sentence="{image}[ and {more} more in its folder] cannot be read by this user",
        hint="sudo virtsnap doctor",
        meaning="What an image stands on is in its header. While one of them cannot be read, no "
        "image of the host is proven unused.",
    ),
    Code.READER_UNKNOWN: FindingWords(
        sentence="what {reader} stands on cannot be told: {cause}",
        hint="[mount the folder of {missing!q}, or start its pool; ]"
        "[to make it stand by itself, while nobody uses it: qemu-img rebase -b '' {file!q}; ]"
        "to look: virsh pool-list --all; virsh domblklist",
        meaning="It may stand on any image of the host, so none is merged, rewritten or removed. "
        "A domain whose disk is out of sight (a folder that is not mounted, a pool that is not "
        "there) counts as a reader of everything, and so does an image on top of something that "
        "is no file of this host. Moving such a file away would hide it, and not what it reads.",
    ),
    Code.LOW_SPACE: FindingWords(
        sentence="{folder} has {free} free[ of {size}]",
        hint="df -h {folder!q}; make room",
        meaning="Less than 1 GiB or 5 % of the file system. Every overlay grows, a commit copies "
        "into its base, and a full file system pauses guests.",
        worse="not even an empty overlay fits",
    ),
    Code.STORAGE_SHARED: FindingWords(
        sentence="{folder} is on storage that other hosts can mount",
        hint="if no other host uses it: add it to spec.folders of the Host manifest",
        meaning="Offline commits and removals there are refused (`SharedStorage`), because another "
        "host might have the images open.",
    ),
    Code.PAUSED_ON_ERROR: FindingWords(
        sentence="it was paused by an I/O error[ ({state})]",
        hint="df -h; virsh domblkerror {domain!q}; once that is solved: virsh resume {domain!q}",
        meaning="The guest stands still, most often because a file system is full. Nothing is "
        "changed until it runs again.",
    ),
    Code.MANAGED_SAVE: FindingWords(
        sentence="it has a managed save image",
        hint="if virsh managedsave-dumpxml {domain!q} names the images of virsh domblklist {domain!q}: "
        "virsh start {domain!q} (goes on where it was saved); else "
        "virsh managedsave-remove {domain!q} (its memory is lost)",
        meaning="The saved memory belongs to the disks that its own definition names, and a start writes "
        "to those. Until the guest has been started again, everything is refused.",
    ),
    Code.DOMAIN_BUSY: FindingWords(
        sentence="{job} is under way",
        hint="wait until it ends: virsh domjobinfo {domain!q}",
        meaning="A backup, migration or snapshot of somebody else. It is waited for, never ended. Of a "
        "domain that was changed (`a change by`) all the while it was looked at nothing else is said.",
    ),
    Code.JOB_UNFINISHED: FindingWords(
        sentence="a block job of virtsnap ({job}) is left on {disk}",
        hint="virtsnap apply",
        meaning="virtsnap was interrupted. The next `apply` finishes the job or ends it safely.",
    ),
    Code.JOB_FOREIGN: FindingWords(
        sentence="a block job ({job}) that virtsnap did not start is on {disk}",
        hint="wait until it ends: virsh blockjob {domain!q} {disk!q} --info",
        meaning="Until it has ended, nothing of this domain is changed. One that was left behind is "
        "for its owner to end.",
    ),
    Code.FREEZE_UNENDED: FindingWords(
        sentence="its file systems may be frozen still, by a virtsnap that did not end",
        hint="virtsnap apply; or virsh domfsthaw {domain!q}",
        meaning="The ledger says that a freeze began and not that it ended. A frozen guest cannot "
        "write.",
    ),
    Code.POWER_OWED: FindingWords(
        sentence="it was shut down by virtsnap, or asked to, and not seen running again since; it is "
        "{state}",
        hint="virtsnap apply",
        meaning="The ledger says that virtsnap owes the domain its power. While it is shut off that is "
        "a problem. While it is on, a guest that was asked to shut down may still obey.",
    ),
    Code.DEFINITION_OWED: FindingWords(
        sentence="a revert left the definition of that moment; the one before it {state} {snapshot}",
        hint="virtsnap apply",
        meaning="virtsnap died in a revert to an internal snapshot: libvirt had put the whole definition "
        "of that moment in place, and the present one was not defined again yet.",
    ),
    Code.REMOVAL_UNFINISHED: FindingWords(
        sentence="the removal of {snapshot} has begun and is not finished",
        hint="virtsnap apply",
        meaning="Its frozen layer has been written to: it can only be finished, never undone.",
    ),
    Code.DELETE_UNFINISHED: FindingWords(
        sentence="libvirt's own delete of {snapshot}, or of one above it, was interrupted",
        hint=f"{_TREE}; if a single branch stands on it, virsh snapshot-delete again for the one that "
        "was being deleted; never revert to that one",
        meaning="libvirt marks the parent of what was being deleted with `snapshotDeleteInProgress`: the "
        "image that lay under that snapshot has been written to. Where several branches stand on it, "
        "libvirt before 9.9 would change or remove images of the others.",
    ),
    Code.LEDGER_LOST: FindingWords(
        sentence="it has lost its ledger: what virtsnap remembers of it",
        hint="virtsnap plan; virtsnap apply rebuilds it from the records, and removes nothing",
        meaning="Some tool has defined the domain without its `<metadata>`.",
    ),
    Code.LEDGER_ROLLED_BACK: FindingWords(
        sentence="its ledger is older than this machine knows it",
        hint="virtsnap plan; virtsnap apply writes it anew, and removes nothing",
        meaning="A revert, or a definition from an old file, has put back old `<metadata>`.",
    ),
    Code.LEDGER_DAMAGED: FindingWords(
        sentence="its ledger is damaged",
        hint="virsh metadata {domain!q} urn:virtsnap:ledger:1",
        meaning="Nothing is changed on a guess. Keep a copy of it. Removed with `--remove`, it counts as "
        "lost and is rebuilt from the records; what it alone knew is not known any more.",
    ),
    Code.LEDGER_NEWER: FindingWords(
        sentence="its ledger was written by a newer virtsnap",
        hint="use the newest virtsnap on this host",
        meaning="This version does not know what it would have to keep.",
    ),
    Code.LEDGER_UNFINISHED: FindingWords(
        sentence="its ledger and its records disagree[ about {snapshot}]",
        hint="virtsnap apply",
        meaning="A create was interrupted, or an entry has nothing behind it any more.",
    ),
    Code.IMAGE_MISSING: FindingWords(
        sentence="{image}, in the chain of {disk}, is missing",
        hint="mount the folder or start the pool: ls -l {folder!q}; virsh pool-list --all",
        meaning="The guest does not start without it. One that runs has the file open still: do "
        "not shut it down before its data is safe (`virsh blockcopy`).",
    ),
    Code.CHAIN_UNREADABLE: FindingWords(
        sentence="the chain of {disk} cannot be followed beyond {image}",
        hint="sudo virtsnap doctor; if it says so as root too: qemu-img info -U {image!q}",
        meaning="While the chain cannot be read whole, nothing on it is changed.",
    ),
    Code.CHAIN_BROKEN: FindingWords(
        sentence="the chain of {disk} is not sound at {image}: {cause}",
        hint=f"{_TREE}; qemu-img info -U --backing-chain {{image!q}}; virsh dumpxml {{domain!q}}",
        meaning="libvirt obeys a `<backingStore>` in the definition without looking at the files: "
        "the guest may start on the wrong data. Keep copies of all images before you change any.",
    ),
    Code.IMAGE_CORRUPT: FindingWords(
        sentence="QEMU has marked {image} as corrupt",
        hint="keep a copy; then, with the guest shut off: qemu-img check {image!q}",
        meaning="QEMU met metadata in it that contradict each other, and opens it no more for "
        "writing: a guest on it does not start. Nothing is merged into it or out of it, and no "
        "snapshot is taken on it. `qemu-img check` says what is wrong, and repairs it with `-r all`.",
    ),
    Code.BACKING_FORMAT_MISSING: FindingWords(
        sentence="{image} does not say which format its backing file has",
        hint="with the guest shut off: qemu-img rebase -u -F FORMAT -b {backing!q} {image!q}, with the "
        "FORMAT in which {backing} was made, not the one that it looks like",
        meaning="Old tools left that out. libvirt refuses to guess, for a guest could write any "
        "header into a raw image: the domain does not start any more.",
    ),
    Code.DEFINITIONS_DISAGREE: FindingWords(
        sentence="{disk} is {live|absent} now, and {persistent|absent} after the next start",
        hint="virsh dumpxml {domain!q}; virsh dumpxml --inactive {domain!q}; put the second right",
        meaning="After its next start the guest would go on with other data. Everything is refused "
        "until both agree.",
    ),
    Code.CHAIN_DEEP: FindingWords(
        sentence="{disk} has {depth} images above its base, {limit} are allowed",
        hint="remove older snapshots from the manifest, with `prune: confirm` or `auto`",
        meaning="The limit is what this libvirt can start again; four fifths of it are a warning.",
        worse="the limit is reached, or there are more than `chain.maxDepth` allows",
    ),
    Code.FOREIGN_OVERLAY: FindingWords(
        sentence="{image} on {disk} belongs to no snapshot and was not made by virtsnap",
        hint="wait for the backup that made it[; {top} stands on it, and goes first]"
        "[; if it has died: virsh blockcommit {domain!q} {disk!q} --active --pivot --shallow "
        "merges it into {written}, which no snapshot holds]"
        "[; if it has died: virsh start {off!q}, and look again]"
        "[; merged down by hand it would destroy {lost}: if it has died, keep both, while it "
        "runs, with virsh blockpull {domain!q} {disk!q}, which copies what it stands on into it]",
        meaning="Usually a backup at work, or one that died. Until it has gone, nothing is taken "
        "or removed on this domain. A commit by hand writes into the image below: where a snapshot "
        "holds that image, or somebody else stands on it, doctor says what would be lost, and names "
        "no such command. A pull (of a running guest) changes nothing but the overlay itself.",
    ),
    Code.OVERLAY_UNRECORDED: FindingWords(
        sentence="{image} on {disk} belongs to no snapshot any more[; it was made for {snapshot}]",
        hint="take {snapshot|the snapshot} out of the manifest, set `prune: confirm`, "
        "virtsnap apply",
        meaning="Somebody has dropped the record of a snapshot of virtsnap. The image holds what "
        "the guest wrote since; a plan merges it down.",
    ),
    Code.DEFINITION_WENT_BACK: FindingWords(
        sentence="{disk} is on {observed}, which a snapshot froze, and what was written since lies in "
        "{image}",
        hint="do not start it; virtsnap apply, which lets {disk} name that image again",
        meaning="An older definition was put back. The newer image is there, and nobody reads it; the "
        "guest would write into what the snapshot froze. A plan puts that right (`switch-disk`), when a "
        "person agrees.",
    ),
    Code.RECORD_DANGLING: FindingWords(
        sentence="the snapshot {snapshot} no longer holds {disk}: {image} was {cause}",
        hint="[virsh snapshot-delete --metadata {domain!q} {unmanaged!q}, once you are sure, then "
        "virtsnap plan]"
        "[leave it, and never revert to it: with its record this libvirt would rewrite the record of "
        "{after}, which may be whole]"
        "[take {managed} out of the manifest, set `prune: confirm` there, and apply]",
        meaning="Its image was merged, written to or removed behind libvirt's back. Reverting to it "
        "would give wrong data, and deleting it with virsh may remove what others need. Only the "
        "record may go.",
    ),
    Code.RECORD_OUTDATED: FindingWords(
        sentence="the record of {snapshot} does not name {image}, which holds its {disk}",
        hint="virtsnap apply; no virsh snapshot-delete or snapshot-revert before that",
        meaning="The moment itself is whole: the images that the record names were merged, or the "
        "record was changed by hand, or by libvirt 9.0 when another one was dropped. It is written "
        "anew.",
    ),
    Code.SNAPSHOT_UNPROVEN: FindingWords(
        sentence="which image of {disk} the snapshot {snapshot} froze is not proven: {says}",
        hint="virsh snapshot-dumpxml {domain!q} {snapshot!q}, and put right what is wrong",
        meaning="What virtsnap wrote down, libvirt's record, the header of the overlay and the saved "
        "memory name different images. Nothing of the snapshot is used or removed until they agree.",
    ),
    Code.SNAPSHOT_EXPOSED: FindingWords(
        sentence="{image}, which {snapshot} froze, is a disk of {readers}, which writes to it once "
        "it is started",
        hint="do not start it; virsh dumpxml {readers!q|DOMAIN} shows the disk, which needs an overlay of "
        "its own",
        meaning="Nothing has been written yet. The first write destroys that moment.",
    ),
    Code.CURRENT_MISPLACED: FindingWords(
        sentence="{observed|no snapshot} is marked current, and [the disks stand on {stands}]"
        "[its record says that {disk} went on in {said}; it is on {image}]",
        hint="no virsh snapshot-delete or snapshot-revert as long as this is so[; virtsnap apply puts {ours} "
        "right]",
        meaning="libvirt's own delete and revert trust that mark. With a wrong one they remove "
        "images that are still read.",
    ),
    Code.IMAGE_ORPHANED: FindingWords(
        sentence="{image} is read by nobody[; it was made for {snapshot}][, {size}]",
        hint="virtsnap plan; it is removed under `prune: confirm` or `auto`",
        meaning="virtsnap made it, and no definition, record or other image names it.",
    ),
    Code.IMAGE_WRITTEN_ELSEWHERE: FindingWords(
        sentence="another domain writes to an image that {disk} stands on: {readers}",
        hint="do not start both; virsh domblklist {domain!q}, and give each its own overlay",
        meaning="Writing to an image corrupts everybody who stands on it. No snapshot of such a "
        "disk is taken.",
    ),
    Code.IMAGE_READ_ELSEWHERE: FindingWords(
        sentence="another domain reads images of {disk}: {readers}",
        hint=f"{_TREE}; to make the other independent: virsh blockpull, or, while it is off and "
        "holds no internal snapshot: qemu-img rebase -b '' IMAGE (never with -u)",
        meaning="Snapshots can be taken, and not removed: a commit would change what the other "
        "domain reads. A template below the oldest snapshot does not count, it is for sharing.",
        worse="it reads the very image that this guest writes to",
    ),
    Code.INTERNAL_SNAPSHOTS: FindingWords(
        sentence="{image} on {disk} holds {number} internal snapshot(s), libvirt knows {known}",
        hint="qemu-img snapshot -l -U {image!q}; delete them if they are not needed",
        meaning="A block commit would destroy them, so external snapshots of this disk are not "
        "removed.",
    ),
    Code.DISK_NOT_CAPTURED: FindingWords(
        sentence="{disk} cannot be part of a snapshot: it is {cause}",
        hint="leave it out: `{disk}: skip` under `disks`, and back it up by the means of its storage",
        meaning="Snapshots need disks on qcow2 or raw files that one domain writes to. CD-ROMs, "
        "empty, read-only and transient disks are left out anyway and are no finding.",
    ),
    Code.AGENT_ABSENT: FindingWords(
        sentence="it has no channel for the guest agent[, and {required} says `quiesce: required`]",
        hint="set it up as docs/agent.md says, or be content with crash-consistent snapshots",
        meaning="Without qemu-guest-agent the file systems of the guest cannot be frozen for the "
        "moment of a snapshot. See [the guest agent](../agent.md).",
        worse="the manifest says `quiesce: required`",
    ),
    Code.AGENT_NOT_CONNECTED: FindingWords(
        sentence="its guest agent is not connected[, and {required} says `quiesce: required`]",
        hint="in the guest: systemctl start qemu-guest-agent; more in docs/agent.md",
        meaning="The channel is there, and nothing in the guest listens. See "
        "[the guest agent](../agent.md).",
        worse="the manifest says `quiesce: required`",
    ),
    Code.CHECKPOINTS: FindingWords(
        sentence="it has {number} checkpoint(s), such as {checkpoint}",
        hint="virsh checkpoint-list {domain!q}",
        meaning="Incremental backups use them. They do not survive a revert, and may not survive a "
        "commit: the next backup may have to be a full one.",
    ),
    Code.UEFI_NOT_CAPTURED: FindingWords(
        sentence="its UEFI variables are not part of snapshots",
        hint="keep a copy of the NVRAM file where boot entries matter: "
        "virsh dumpxml {domain!q} --xpath //nvram",
        meaning="External snapshots are of disks only. After a revert the guest has its present "
        "boot entries and keys.",
    ),
    Code.TPM_NOT_CAPTURED: FindingWords(
        sentence="the state of its TPM is not part of snapshots",
        hint="keep the recovery keys of encrypted disks (BitLocker, LUKS) outside the guest",
        meaning="External snapshots are of disks only. After a revert, what is sealed to the TPM "
        "may not open any more.",
    ),
}
