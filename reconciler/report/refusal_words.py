"""The words for every refusal code.  Facts in braces: see ``phrase``; ``{thing}`` is the snapshot
concerned, else the domain.
"""

from dataclasses import dataclass

from reconciler.model.refusal import RefusalCode as Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """*meaning* says why virtsnap refuses, *by_hand* what is safe to do about it."""

    sentence: str
    hint: str
    meaning: str
    by_hand: str


WORDS: dict[Code, Words] = {
    Code.AGENT_NOT_CONNECTED: Words(
        sentence="cannot quiesce {domain}: the guest agent is {state|not connected}[: {cause}]",
        hint="start qemu-guest-agent in the guest, or set `quiesce: preferred`; to look: "
        'virsh qemu-agent-command {domain!q} \'{"execute":"guest-ping"}\'',
        meaning="The snapshot says `quiesce: required`, and the file systems of the guest can only "
        "be frozen through qemu-guest-agent, which does not answer, or may not do it: each of its "
        "commands can be blocked in the guest, and nobody is frozen whom it may not thaw.",
        by_hand="Install or start the agent in the guest. Or declare `quiesce: preferred`: the "
        "snapshot is then taken crash consistent, and that is recorded.",
    ),
    Code.AGENT_FROZEN: Words(
        sentence="cannot quiesce {domain}: its file systems are frozen already, not by virtsnap",
        hint="wait for the backup that froze them; if it has died: virsh domfsthaw {domain!q}",
        meaning="Somebody else froze the guest, most likely a backup at work. Thawing it would "
        "break what they are doing.",
        by_hand="Find who froze it. Once you are sure that nobody is at work, thaw it with "
        "`virsh domfsthaw`.",
    ),
    Code.BLOCK_JOB_RUNNING: Words(
        sentence="cannot {act|change} {thing}: a block job[ ({job})] that virtsnap did not start runs on "
        "{disk|a disk}[ of {domain}]",
        hint="wait until it ends: virsh blockjob {domain!q} {disk!q|DISK} --info",
        meaning="Block jobs of others (backups, migrations, copies) are waited for, never ended.",
        by_hand="Wait. `virsh blockjob DOMAIN DISK --abort` ends a job that was left behind; that "
        "is for its owner to decide.",
    ),
    Code.CHAIN_BROKEN: Words(
        sentence="cannot {act|change} {thing}: the backing chain of {disk|a disk} is not sound"
        "[, at {image}][: {cause}]",
        hint="[keep a copy, and with the guest shut off: qemu-img check {corrupt!q}; ]"
        "virtsnap tree {domain!q}; qemu-img info -U --backing-chain {image!q|IMAGE}",
        meaning="Files, definition and image headers of this disk contradict each other, or QEMU has "
        "marked an image as corrupt. Whatever is changed on top of that could lose data.",
        by_hand="Keep copies of all images of the disk first. Put the header right with "
        "`qemu-img rebase -u -F FORMAT -b BASE IMAGE` only while the domain is shut off, and only "
        "if you know what the base was.",
    ),
    Code.CHAIN_TOO_DEEP: Words(
        sentence="cannot {act|take} {thing}: the chain of {disk|a disk} would have {depth|more} images "
        "above its base[, {limit} are allowed]",
        hint="remove older snapshots from {manifest} (with `prune: auto` or `confirm`), or raise "
        "chain.maxDepth if it is the limit",
        meaning="Every snapshot makes the chain longer. The limit is `chain.maxDepth`, or what "
        "this libvirt can start again (libvirt 10.8 to 11.10: 25 images).",
        by_hand="Consolidate older snapshots by removing them from the manifest.",
    ),
    Code.CLAIMED_TWICE: Words(
        sentence="cannot plan {domain}: it is declared more than once[, in {manifests}]",
        hint="leave one of the manifests",
        meaning="Two manifests mean the same domain, by name and UUID or through two Hosts with "
        "one libvirt. Obeying either would undo the other.",
        by_hand="Merge the manifests.",
    ),
    Code.DEFINITION_OWED: Words(
        sentence="cannot define {domain} as it was before the revert: {disk|a disk} was on "
        "{then|another image} there, and is on {image|this one} now",
        hint="virsh snapshot-dumpxml --security-info {domain!q} {name!q|SNAPSHOT} shows it; define what you "
        "want, then virsh snapshot-delete --metadata {domain!q} {name!q|SNAPSHOT}",
        meaning="virtsnap died in a revert to an internal snapshot, right after libvirt had put the "
        "whole definition of that moment in place. Since then somebody has moved a disk to another "
        "image; with the earlier definition the guest would not see what was written there.",
        by_hand="Take from the kept definition what you need with `virsh edit`. Then drop its record, "
        "and apply: virtsnap writes down that it is settled.",
    ),
    Code.DEFINITION_WENT_BACK: Words(
        sentence="cannot {act|change} {thing}: {disk|a disk} of {domain} is on {observed|an image} that a "
        "snapshot froze, and what the guest wrote since lies in {image|another one}[; {cause}]",
        hint="do not start it; virtsnap apply puts it right once nothing else is refused; or by hand: "
        "virsh dumpxml --inactive {domain!q}, and let {disk|the disk} name {image|it} again, without "
        "<backingStore>",
        meaning="An older definition was put back (a restored dump, `virsh define` of the XML from before "
        "a snapshot). Nothing was lost so far: the newer image is there, and nobody reads it. The guest, "
        "once started, would not see what it wrote, and would write into what the snapshot froze. Where "
        "it is certain which image is meant, a plan puts that right (`switch-disk`), when a person "
        "agrees; this refusal says that it is not certain, or that something else is in the way.",
        by_hand="Settle what else is refused, and apply. Or with `virsh edit` let the disk name the newer "
        "image again. If the older state is meant, go back to the snapshot with `revert` after that, "
        "which keeps the present.",
    ),
    Code.DEFINITIONS_DISAGREE: Words(
        sentence="cannot {act|change} {thing}: the running and the persistent definition of {domain} "
        "name different images for {disk|a disk}",
        hint="virsh dumpxml {domain!q}; virsh dumpxml --inactive {domain!q}",
        meaning="After its next start the domain would use another image than now. Which of them "
        "is right is not for virtsnap to guess. A disk that no snapshot has taken or would take "
        "(a CD-ROM, a transient one, one that is skipped) holds nothing up, unless the guest would "
        "have to be shut down and would come back on another image.",
        by_hand="Keep what the running domain uses: `virsh edit` the persistent definition, set "
        "the same `<source>` and remove `<backingStore>`.",
    ),
    Code.DISK_NOT_SUPPORTED: Words(
        sentence="cannot {work|work on the disks}: {cause|disks of this kind are not supported}",
        hint="[leave it out: `disks: {{leave}: skip}`; ][set `type: external`, where it may be left out: "
        "`disks: {{inside}: skip}`; ]to look: virtsnap doctor {domain!q}",
        meaning="External snapshots need a writable disk on files or a block device of this "
        "machine, that only one domain writes to, and that the definition does not exclude "
        "(`snapshot='no'` or `'manual'`). LUNs and floppy disks are never taken: where the guest can "
        "write to one, the plan says that it is left out.",
        by_hand="Skip the disk in the manifest, and back it up by the means of its storage.",
    ),
    Code.DOMAIN_BUSY: Words(
        sentence="cannot {act|change} {thing}: {domain} is busy[ with {job}][ ({cause})]",
        hint="wait until it ends, then plan again; to look: [fuser -v {image!q}; ]virsh domjobinfo "
        "{domain!q}",
        meaning="A backup, migration or snapshot of somebody else is under way on the domain, or of "
        "one of its images (QEMU's locks show that another process has it open), or its QEMU does "
        "not answer (storage that hangs, a process that was stopped). Or somebody (`a change by`, with "
        "whoever the ledger names) changed it again and again while it was looked at: nothing is made of "
        "what is of different moments.",
        by_hand="Wait for it. A QEMU that does not answer: look at its storage, and at its state in "
        "`ps`.",
    ),
    Code.DOMAIN_MISSING: Words(
        sentence="cannot find {domain}: this libvirt has no such domain[; nearly the same: {near}]",
        hint="virsh list --all; put metadata.name or spec.domain in {manifest} right, or remove "
        "the manifest",
        meaning="The manifest names a domain that is not defined here.",
        by_hand="Define the domain, or correct the manifest.",
    ),
    Code.DOMAIN_TRANSIENT: Words(
        sentence="cannot {act|change} {thing}: {domain} is transient[, and {cause}]",
        hint="define it, then plan again: virsh dumpxml --security-info {domain!q} "
        "> domain.xml && virsh define domain.xml",
        meaning="A transient domain exists only while it runs: shut off, it is gone, and libvirt "
        "forgets its snapshots. So nothing is done to it that needs it off: a snapshot with "
        "`power: off`, a revert, deleting what lies in an image that the guest is not on.",
        by_hand="Define it while it runs, from what `virsh dumpxml` says of it now: the guest notices "
        "nothing, its snapshots stay, and it is like any other domain from then on. Not with "
        "`--inactive`: of a domain that was undefined while it ran that is an old definition.",
    ),
    Code.FOREIGN_OVERLAY: Words(
        sentence="cannot {act|change} {thing}: {image|an image} stands on top of {disk|a disk} and was "
        "made by somebody else",
        hint="wait until the backup that made it has ended; if it has died: virtsnap doctor {domain!q}",
        meaning="The active layer is not one that virtsnap or a snapshot record accounts for: "
        "usually a backup at work. It merges it back when it is done.",
        by_hand="If the backup died, `virtsnap doctor DOMAIN` says whether its overlay can be merged by "
        "hand, and which snapshot that would destroy.",
    ),
    Code.HOOK_REFUSED: Words(
        sentence="cannot {step|go on with} {thing}: the hook before it says no[: {cause}]",
        hint="look at what the hook wrote to the log, then plan again: virtsnap plan",
        meaning="The command of `--before-step` ended with an error, or was not done in its time. "
        "Nothing of that step was done; the steps after it wait too.",
        by_hand="Put right what the hook wants, or leave out `--before-step`. A hook never keeps "
        "virtsnap from ending what it began: thawing, starting again, finishing a block commit.",
    ),
    Code.IMAGE_NAME_TAKEN: Words(
        sentence="cannot {act|take} {thing}: the image {image|to be made} {cause|exists already}",
        hint="[give `overlay` a {{ domain.name }}, for {domain} and {other}; ]plan again: "
        "virtsnap plan",
        meaning="Images are never overwritten. The file appeared after the plan was made; or another "
        "domain of the same plan, whose disks lie in the same folder, would get an image of the same "
        "name (or of one that differs in upper and lower case alone): neither gets it then.",
        by_hand="Look what the file is (`qemu-img info -U`). Others may stand on it where virtsnap does "
        "not look: rather declare another name, or another `overlay`, than move it away. Of two "
        "domains: give each `overlay` a `{{ domain.name }}`, or apply one after the other.",
    ),
    Code.INTERNAL_NOT_POSSIBLE: Words(
        sentence="cannot {act|take} {thing} inside the images of {domain}: {cause|libvirt cannot}",
        hint="set `memory: true` or `power: off`; with UEFI set `type: external`",
        meaning="libvirt takes an internal snapshot of a running domain only together with its "
        "memory. With UEFI virtsnap takes none of a running domain, and libvirt before 9.3 none at "
        "all. QEMU numbers "
        "the snapshots inside an image and looks for a number before a name: going back to one "
        "that is called `1` could bring back another one.",
        by_hand="Declare `memory: true` (the guest stands still while its memory is written), or "
        "`power: off` (it is shut down for it), or `type: external`.",
    ),
    Code.INTERNAL_SNAPSHOTS: Words(
        sentence="cannot {act|remove} {thing}: {image|an image} holds internal snapshots[ ({number})]",
        hint="qemu-img snapshot -l -U {image!q|IMAGE}; those that virtsnap took go first when they "
        "leave {manifest}, others by hand",
        meaning="A block commit would silently destroy internal snapshots that are stored in an "
        "image it merges or writes to.",
        by_hand="Take managed ones out of the manifest together with this one: they are deleted "
        "first. Keep this one as long as the others are needed.",
    ),
    Code.LEDGER_UNREADABLE: Words(
        sentence="cannot change {domain}: what virtsnap remembers of it cannot be read[: {cause}]",
        hint="use the newest virtsnap; to look: virsh metadata {domain!q} urn:virtsnap:ledger:1",
        meaning="The ledger in the domain's `<metadata>` was written by a newer version, or is "
        "damaged. Nothing is changed on a guess.",
        by_hand="A newer version reads it. A damaged ledger can be removed, once you have a copy, with "
        "`virsh metadata DOMAIN urn:virtsnap:ledger:1 --remove`; snapshots then count as lost or "
        "are recognised by the marks in their records.",
    ),
    Code.MANAGED_SAVE: Words(
        sentence="cannot {act|change} {thing}: {domain} has a managed save image",
        hint="if virsh managedsave-dumpxml {domain!q} names the images of virsh domblklist {domain!q}: "
        "virsh start {domain!q} (goes on where it was saved); else "
        "virsh managedsave-remove {domain!q} (its memory is lost)",
        meaning="The saved memory belongs to the disks as they are now. Another chain under it "
        "means a guest that does not start, or that corrupts its file systems.",
        by_hand="Start the domain, which uses the saved image up. It goes on with the images that the "
        "definition in the saved image names: where a snapshot was taken since by hand, it would write "
        "into what that froze.",
    ),
    Code.MEMORY_NOT_POSSIBLE: Words(
        sentence="cannot {act|take} {thing} with the memory of {domain}: {cause|it cannot be saved}",
        hint="set `memory: false`[; or start the domain, which is {state}: virsh start {domain!q}]"
        "[; or detach {device}]",
        meaning="`memory: true` keeps RAM and the state of all devices. A domain that is shut off "
        "has neither, and of some devices QEMU cannot save the state.",
        by_hand="Start the domain first, or take the snapshot without memory (`memory: false`): "
        "then these devices do not matter.",
    ),
    Code.NAME_TAKEN: Words(
        sentence="cannot take {snapshot|it}: {domain} has a snapshot of that name that virtsnap "
        "does not manage[, in {image}]",
        hint="choose another name in {manifest}, or set `unmanaged: adopt` there to make it "
        "managed; to look: virtsnap tree {domain!q}",
        meaning="Somebody took a snapshot of that name by hand. Unmanaged snapshots are never "
        "changed, unless the manifest says `unmanaged: adopt` and names them.",
        by_hand="Declare another name, or adopt the snapshot: then it can also be removed by taking it out "
        "of the manifest. One inside an image that libvirt does not know (`qemu-img snapshot -l IMAGE`) goes "
        "with `qemu-img snapshot -d NAME IMAGE` while the domain is shut off.",
    ),
    Code.NEEDS_LOCAL_ACCESS: Words(
        sentence="cannot {act|change} {thing}: the image {image|files} must be read[ ({cause})], and "
        "that is not possible from here",
        hint="[if root may not read it either: ls -l {image!q}; ]run it as root on the hypervisor "
        "itself: sudo virtsnap plan",
        meaning="Proof that nobody else reads an image needs the files themselves. Over a remote "
        "connection, or as a user who may not read them, there is none.",
        by_hand="Run virtsnap on the hypervisor, with sudo.",
    ),
    Code.NEEDS_POWER_OFF: Words(
        sentence="cannot {act|remove} {thing} while {domain} is running: {cause|libvirt cannot}",
        hint="[take {snapshots} out of the manifest too, and ]shut the domain down, then plan again: "
        "virsh shutdown {domain!q}",
        meaning="While a domain runs, libvirt deletes an internal snapshot only inside the image "
        "that the guest writes to; one below an external snapshot is out of its reach. And libvirt "
        "before 10.9 forgets the snapshot and leaves it in the images where the domain has a disk, "
        "or a UEFI flash image, that holds no snapshots. And while a guest writes to an image, nobody "
        "can merge a branch that stands on it.",
        by_hand="Shut the domain down: then it is deleted, and an external snapshot above keeps "
        "what it holds. An image that holds an internal snapshot is never merged, so it goes first.",
    ),
    Code.NO_SPACE: Words(
        sentence="cannot {act|change} {thing}: not enough space[ in {folder}][, {need} needed]"
        "[, {free} free][, and it has {whole} in all]",
        hint="[blockdev --getsize64 {device!q}; make the device larger (lvextend), or ]"
        "df -h {folder!q|FOLDER}; make room",
        meaning="A commit copies data into its base, and every overlay grows. A full file system "
        "pauses guests. A block device does not grow at all: a commit into one is begun only if "
        "all that the disk can hold has room there.",
        by_hand="Make room in that folder, or make the device larger.",
    ),
    Code.NOT_ADOPTABLE: Words(
        sentence="cannot adopt {snapshot|it}: {cause|it is not whole}",
        hint="take it out of {manifest}, it then stays unmanaged; to look: virtsnap tree {domain!q}",
        meaning="Adopted, a snapshot may be reverted to, merged and removed like any other. So only "
        "one is adopted that still holds all of its moment, and of a kind that a manifest can ask "
        "for: its disks all external or all internal, with or without their memory.",
        by_hand="Leave it unmanaged. Whether `virsh snapshot-delete` is safe for it depends on the libvirt: "
        "see docs/from-virsh.md.",
    ),
    Code.ORDER_NOT_MET: Words(
        sentence="cannot take {snapshot|it} yet: it comes after {after|another snapshot}, and "
        "{cause|it is not there}",
        hint="put {after|that snapshot} right first, or move this one before it in {manifest}",
        meaning="It comes after a snapshot (by `after`, or in the list) that is lost, refused, or "
        "not in the present branch.",
        by_hand="See the refusal of the other snapshot.",
    ),
    Code.OUTSIDE_FOLDERS: Words(
        sentence="cannot {act|take} {thing}: the image {image|path} {cause|lies outside the folders where "
        "images may be made}[ ({folder})][; {device} is a block device, which has no folder of its "
        "own]",
        hint="change `overlay` in {manifest}, or add the folder to spec.folders of the Host",
        meaning="Images are made only in the folder of the disk's own image and in the Host's "
        "`folders`, symlinks resolved. Beside a block device none is ever made: `/dev` lies in "
        "memory. `{{ image.folder }}` of a disk on one is the first of the Host's `folders`.",
        by_hand="Add the folder to the Host manifest if it is meant; for a block device one on a "
        "file system with room for what the guest writes.",
    ),
    Code.POWER_STATE: Words(
        sentence="cannot {act|change} {thing}: {domain} is {state|in the wrong power state}[, {cause}]",
        hint="virsh domstate --reason {domain!q}",
        meaning="The snapshot wants another power state (`power: running`), or the domain is in "
        "one in which nothing may be changed (crashed, shutting down, paused by an I/O error).",
        by_hand="Bring the domain into a settled state first: running or shut off.",
    ),
    Code.REQUEST_REUSED: Words(
        sentence="cannot revert to {thing}: the request[ {request}] was done already[, to {done}]",
        hint="give the new wish a new `request` in {manifest}",
        meaning="A revert is done once for each value of `request`, so that no replay of an old "
        "manifest throws away what the guest wrote since. This value was used for another "
        "snapshot.",
        by_hand="Change `spec.revert.request`, or take `spec.revert` out.",
    ),
    Code.REVERT_NOT_POSSIBLE: Words(
        sentence="cannot revert to {thing}: {cause|it is not a place to go back to}",
        hint="virtsnap tree {domain!q} shows what can be gone back to",
        meaning="Going back needs a managed snapshot that was whole before this plan, whose images "
        "are intact, and a place where the present state is kept (unless `present: discard`).",
        by_hand="Put right what is named, or choose another snapshot in `spec.revert.to`.",
    ),
    Code.REVERT_UNPROVEN: Words(
        sentence="cannot revert to {thing}: whether the request[ {request}] was done before is not "
        "known",
        hint="set a new `request` in {manifest} to go back now, or count this one as done: "
        "virtsnap release {domain!q} --request {request!q|REQUEST}",
        meaning="The ledger of the domain was lost or rolled back since the request was made, and "
        "neither a record nor the journal tells whether it was carried out. Doing it twice would "
        "throw away what the guest wrote since.",
        by_hand="Look at the domain (`virtsnap tree`). A new value of `request` is a new wish.",
    ),
    Code.SHARED_STORAGE: Words(
        sentence="cannot {act|change} {thing}: {folder|its folder} is on storage that other hosts can "
        "mount, and they may have the images open",
        hint="if no other host uses it: add {folder|the folder} to spec.folders of the Host",
        meaning="Offline commits and removals need the certainty that nobody has the image open. "
        "On NFS, Ceph, GFS2 and the like another host might.",
        by_hand="Start the domain (running domains are consolidated through QEMU), or state with "
        "`folders` that no other host uses it.",
    ),
    Code.SHUT_DOWN_REFUSED: Words(
        sentence="cannot shut down {domain}: {cause|it does not obey}",
        hint="set shutdown.then to destroy in {manifest} (its disks are then as after a crash), or give it more time with shutdown.timeout; "
        "by hand: virsh shutdown {domain!q}",
        meaning="The snapshot is taken shut off (`power: off`), and the guest did not shut down within "
        "`shutdown.timeout`, or cannot be asked, being paused. A request to shut down cannot be taken "
        "back: a guest that obeys late is started again by the next plan.",
        by_hand="Shut the guest down from inside, or with `virsh shutdown`; then apply. What virtsnap "
        "did not shut down it does not start. `shutdown: {then: destroy}` pulls the plug: the "
        "snapshot is then as consistent as after a crash.",
    ),
    Code.SNAPSHOT_EXPOSED: Words(
        sentence="cannot keep {thing} as it is: {image|an image}, which it froze, is {disk|a disk} of "
        "{readers|a domain}, which writes to it once it is started",
        hint="do not start {readers!q|DOMAIN}; virsh dumpxml {readers!q|DOMAIN} shows the disk, which needs an "
        "overlay of its own",
        meaning="A definition names the frozen image of a snapshot as a writable disk, so that the "
        "guest's next write destroys that moment. Nothing has been written yet: the snapshot is "
        "there, and is left alone until the definition is put right.",
        by_hand="Do not start the guest. With `virsh edit` let the disk name the overlay again that it "
        "stood on, or a new one: `qemu-img create -f qcow2 -F FORMAT -b IMAGE NEW`.",
    ),
    Code.SNAPSHOT_HAS_BRANCHES: Words(
        sentence="cannot {act|remove} {thing}: several chains stand on it[, those of {snapshots}]",
        hint="remove all of them but one first; to look: virtsnap tree {domain!q}",
        meaning="Merging one branch down would change what the others stand on.",
        by_hand="Remove branches from the manifest until only one is left.",
    ),
    Code.SNAPSHOT_HELD: Words(
        sentence="cannot {act|remove} {thing}: a hold lies on {name|it}",
        hint="if it may go: virtsnap release {domain!q}/{name!q|SNAPSHOT}",
        meaning="`protect: true`, or a safety snapshot of a revert: no pruning takes it until the "
        "hold is ended.",
        by_hand="End the hold with `virtsnap release DOMAIN/SNAPSHOT`, or with `protect: false`.",
    ),
    Code.SNAPSHOT_LOST: Words(
        sentence="cannot take {snapshot|it} again: it was taken once and is lost[ ({cause})]",
        hint="remove it from {manifest}; for a new moment declare a new name, or set "
        "`ifLost: retake`",
        meaning="A snapshot is a moment. What was taken and has gone is never quietly taken again "
        "under the same name with newer content, unless the manifest says `ifLost: retake`.",
        by_hand="Find out who removed it. Then remove it from the manifest; virtsnap forgets it.",
    ),
    Code.SNAPSHOT_UNPROVEN: Words(
        sentence="cannot {act|change} {thing}: which image of {disk|a disk} it froze is not "
        "proven: {says|they disagree}",
        hint="virsh snapshot-dumpxml {domain!q} {name!q|SNAPSHOT}; virtsnap tree {domain!q}",
        meaning="What virtsnap wrote down when the snapshot was taken, libvirt's record of it, the "
        "header of its overlay and its saved memory name different images. One of them was changed "
        "behind virtsnap's back. Nobody goes back to the snapshot, and no image that any of them "
        "names is removed, until they agree.",
        by_hand="Find out which image holds the moment (`qemu-img info --backing-chain`, dates, sizes). "
        "Where the record is wrong, put its `<source>` right with `virsh snapshot-edit`. Where an "
        "image has gone, bring it back from a backup. Where the record is right, say so: `virtsnap "
        "release DOMAIN/SNAPSHOT --as-recorded`; from then on its images, as they are now, count as "
        "the moment.",
    ),
    Code.STORAGE_ABSENT: Words(
        sentence="cannot {act|change} {thing}: {image|an image} of {disk|its chain} cannot be found"
        "[: {cause}]",
        hint="mount the folder or start the pool: ls -l {image!q|IMAGE}; virsh pool-list --all",
        meaning="A missing file is no proof that it has gone: a folder may be unmounted, a pool "
        "inactive. While the chain cannot be read whole, nothing on it is changed.",
        by_hand="Bring the storage back. If the image is really gone, restore it from a backup.",
    ),
    Code.UNMANAGED_READER: Words(
        sentence="cannot {act|remove} {thing}: {image|an image} is {how|read} by[ {kind}] "
        "{reader|somebody else}[, as far as can be told: {cause}]",
        hint="[mount the folder of {missing!q}, or start its pool; ]"
        "[let {unresolved} name its disk by a pool that is there: virsh pool-list --all; ]"
        "[set `unmanaged: adopt` and declare {adoptable}; ]"
        "keep it until that reader is gone[, or make that stand by itself, while nobody uses it: "
        "qemu-img rebase -b '' {file!q}]; to look: virtsnap tree {domain!q}",
        meaning="Merging data into an image changes it for everybody who reads it: another "
        "domain, an image file, a snapshot that virtsnap does not manage. That would corrupt them. "
        "A domain with a disk that is out of sight counts as a reader of every image: a volume of a "
        "pool that is not there, a folder that is not mounted. So does an image on top of what is no "
        "file of this host.",
        by_hand="Make the other reader independent (`qemu-img rebase -b ''`, `virsh blockpull`; never "
        "one that holds internal snapshots, which would lose what they hold), adopt the snapshot, "
        "wait, or keep it. Never move the reader's file away: out of sight, it still stands on the "
        "image.",
    ),
}
