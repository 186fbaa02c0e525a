"""``docs/reference/snapshot-kinds.md``: what can be done with each kind of snapshot, in each state,
and with each kind of disk.

``tests/system/test_snapshot_kinds.py`` and ``test_disk_kinds.py`` do all of it on real guests, on each
libvirt, and fail where a cell is not what they saw.
"""

from dataclasses import dataclass

from reconciler.model.refusal import RefusalCode

YES = "yes"
#: nothing was taken, so there is nothing to go back to or to delete
NOTHING = "–"
STATES = ("running", "paused", "shut off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A kind of snapshot, and what the guest did when it was taken.  Cells: by state, in order.

    *errors* is what libvirt, any version, says to a create that is refused here: as a full snapshot,
    and as a disk-only one.
    """

    type: str
    memory: bool
    taken: str
    create: str = YES
    errors: tuple[int, int] | None = None
    revert: tuple[str, str, str] = (YES, YES, YES)
    delete: tuple[str, str, str] = (YES, YES, YES)
    data: str

    @property
    def kind(self) -> str:
        """As people call it."""
        return f"{self.type}, with memory" if self.memory else self.type

    def __str__(self) -> str:
        return f"{self.kind}, {self.taken}"


def _refused(kind: str, taken: str, *, memory: bool) -> Row:
    code = RefusalCode.MEMORY_NOT_POSSIBLE if memory else RefusalCode.INTERNAL_NOT_POSSIBLE
    return Row(
        type=kind,
        memory=memory,
        taken=taken,
        create=code,
        errors=(27, 27) if memory else (84, 67),
        revert=(NOTHING, NOTHING, NOTHING),
        delete=(NOTHING, NOTHING, NOTHING),
        data=NOTHING,
    )


_BOOTS = "it starts anew from the disks of that moment"
_GOES_ON = "it goes on from that moment, memory and disks"
_IS_OFF = "the disks read as at that moment"

ROWS = (
    Row(type="external", memory=False, taken="running", data=_BOOTS),
    Row(type="external", memory=False, taken="paused", data=f"{_BOOTS}, paused before it boots"),
    Row(type="external", memory=False, taken="shut off", data=_IS_OFF),
    Row(type="external", memory=True, taken="running", data=_GOES_ON),
    Row(
        type="external",
        memory=True,
        taken="paused",
        delete=(YES, RefusalCode.POWER_STATE, YES),
        data=f"{_GOES_ON}, once it is resumed",
    ),
    _refused("external", "shut off", memory=True),
    _refused("internal", "running", memory=False),
    _refused("internal", "paused", memory=False),
    Row(type="internal", memory=False, taken="shut off", data=_IS_OFF),
    Row(type="internal", memory=True, taken="running", data=_GOES_ON),
    Row(type="internal", memory=True, taken="paused", data=f"{_GOES_ON}, once it is resumed"),
    _refused("internal", "shut off", memory=True),
)

#: What is asked of a guest that was paused, had its memory saved to a file, and was not resumed
#: since, and what virtsnap makes of it.
LET_GO = {
    "create, external": YES,
    "create, external with memory": RefusalCode.POWER_STATE,
    "create, internal with memory": RefusalCode.POWER_STATE,
    "delete": RefusalCode.POWER_STATE,
    "revert": RefusalCode.SHUT_DOWN_REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRow:
    """A disk beside a plain one.  Cells: what becomes of it in a snapshot of every disk, when the
    manifest names it (``disks: {vdb: external}``), and in an internal snapshot of every disk.
    """

    disk: str
    every: str
    named: str
    internal: str
    remark: str = ""

    def __str__(self) -> str:
        return self.disk


LEFT_OUT = "left out"
_NO = RefusalCode.DISK_NOT_SUPPORTED


def _holds_nothing(disk: str) -> DiskRow:
    return DiskRow(
        disk=disk,
        every=LEFT_OUT,
        named=_NO,
        internal=LEFT_OUT,
        remark="the guest writes nothing there",
    )


_IN_DEVICE = (
    "the overlay is a qcow2 file in the Host's `folders`, the data goes back into the device"
)

DISK_ROWS = (
    DiskRow(disk="qcow2 file", every=YES, named=YES, internal=YES),
    DiskRow(
        disk="raw file",
        every=YES,
        named=YES,
        internal=_NO,
        remark="the overlay is qcow2 beside it; raw holds no internal snapshots",
    ),
    DiskRow(
        disk="raw block device, a folder is declared",
        every=YES,
        named=YES,
        internal=_NO,
        remark=_IN_DEVICE,
    ),
    DiskRow(
        disk="raw block device, no folder is declared",
        every=RefusalCode.OUTSIDE_FOLDERS,
        named=RefusalCode.OUTSIDE_FOLDERS,
        internal=_NO,
        remark="`/dev` lies in memory: no image is ever made there",
    ),
    DiskRow(
        disk="qcow2 block device, a folder is declared",
        every=YES,
        named=YES,
        internal=_NO,
        remark=f"{_IN_DEVICE} if all that the disk can hold has room there, else `NoSpace`",
    ),
    DiskRow(
        disk="network disk",
        every=_NO,
        named=_NO,
        internal=_NO,
        remark="`disks: {vdb: skip}` takes the others; use the snapshots of its storage",
    ),
    DiskRow(
        disk="shareable disk",
        every=_NO,
        named=_NO,
        internal=_NO,
        remark="several guests may write to it at once",
    ),
    DiskRow(
        disk="transient disk",
        every=LEFT_OUT,
        named=_NO,
        internal=_NO,
        remark="what is written there goes when the guest stops",
    ),
    _holds_nothing("read-only disk"),
    _holds_nothing("CD-ROM with a medium"),
    _holds_nothing("empty CD-ROM"),
)

HEAD = """\
<!-- made by tools/generate.py from tools/kinds_page.py; do not edit -->
# Kinds of snapshots and states of the guest

What virtsnap does with each kind of snapshot, by what the guest did when it was taken and by what it
does when it is asked for. `tests/system/test_snapshot_kinds.py` does all of it on real guests, on libvirt
9.0 and on 11.3, and fails where a cell is not what it saw. There is no difference between the two.

- *yes*: done in one pass, with `prune: auto` and else nothing but the defaults of a manifest.
- A code is a [refusal](refusals.md). Nothing was changed, and what its remedy names was done and led there.
- *revert*: the present was kept in `before-revert-REQUEST` first, and reads there as it did. The snapshot
  itself reads as before, the guest does what it did when it was taken (`power: recorded`), nothing is left to do.
- *delete*: with other branches beside it; what the guest reads is the same after it. In the end, all deleted,
  its first images are the only ones, and no memory image is left.
"""

BELOW = """\
## Refused, and why

- **`MemoryNotPossible`**, shut off: a guest that is off has no memory. libvirt says error 27, "memory state cannot
  be saved with offline or disk-only snapshot", whatever it is asked with. Leave `memory` out, or start the guest.
- **`InternalNotPossible`**, running or paused, without memory: QEMU writes an internal snapshot of a guest that is on
  with its memory or not at all. libvirt says error 84, "internal snapshot of a running VM must include the memory
  state"; disk-only, error 67, "active qemu domains require external disk snapshots". Say `memory: true`, or
  `power: "off"`.
- **`PowerState`**, paused, after its memory was saved to a file while it was paused: see below.

## A paused guest whose memory was saved

QEMU hands the images over with the memory, and takes them back when the guest goes on. Until then:

| asked for | |
| --- | --- |
"""

END = """
libvirt 9.0 says error 1, "Block node is read-only" (delete) and "Can't migrate the vm that was paused due to previous
migration" (memory to a file). 11.3 says the same of memory, error 1, "Inactive … can't be a backing child of active …"
(delete) and error 9, "does not support snapshots" (internal). The internal one is taken by 9.0 all the same; virtsnap
refuses it on both, as the image is not QEMU's to write to then. A revert needs the guest off, with its present kept:
no more memory can be saved, and a paused guest hears no power button. `virsh resume` ends all of these.

That it was resumed is seen by the locks that QEMU keeps on every image of a chain it has, whatever the guest did
meanwhile (with QEMU 10.0 one that came back paused from a memory image has let go of them too, with 7.2 it has them).
Over a remote connection nobody can look at locks: there it is seen by what the guest wrote, and one that was resumed
and paused again without writing anything to a disk that was taken is still refused.
"""


DISKS = """\
## Kinds of disks

What becomes of a disk beside a qcow2 one: in a snapshot of every disk, when the manifest names it in `disks`, and in
an internal snapshot. `tests/system/test_disk_kinds.py` asks all of it, on libvirt 9.0 and on 11.3.

- *yes*: it is taken. *left out*: the others are taken. A code is a refusal of the whole snapshot that names the disk.
- Refused by name beside these, with `DiskNotSupported`: encrypted disks, qcow2 with an external data file, other
  formats, volumes of a pool (`type='volume'`), `device='lun'` when it is named, and block devices of another machine.
- An overlay that somebody put on a block device is never merged or removed (`DiskNotSupported`), and an image
  that has outgrown the device below it is not merged into it (`NoSpace`): a device does not grow.

"""


def _disks() -> str:
    columns = ["disk", "every disk", "named", "internal", ""]
    rows = [_line(columns), _line(["---"] * len(columns))]
    for row in DISK_ROWS:
        rows.append(
            _line([row.disk, *map(_cell, (row.every, row.named, row.internal)), row.remark])
        )
    return DISKS + "\n".join(rows) + "\n"


def text() -> str:
    """The whole page."""
    columns = ["kind", "taken while", "create"]
    columns += [f"{verb} while {state}" for verb in ("revert", "delete") for state in STATES]
    rows = [_line([*columns, "after a revert"]), _line(["---"] * (len(columns) + 1))]
    for row in ROWS:
        cells = (row.create, *row.revert, *row.delete)
        rows.append(_line([row.kind, row.taken, *map(_cell, cells), row.data]))
    asked = [_line([what, _cell(cell)]) for what, cell in LET_GO.items()]
    return "\n".join([HEAD, *rows, "", BELOW + "\n".join(asked), END, _disks()])


def _cell(cell: str) -> str:
    return f"`{cell}`" if isinstance(cell, RefusalCode) else cell


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
