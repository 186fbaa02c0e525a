"""The table of snapshot kinds × guest states (``docs/reference/snapshot-kinds.md``), on each libvirt.

One guest for each row of ``tools/kinds_page.py``: every cell is what is seen of it here.
"""

import os
from dataclasses import dataclass, field, replace

import libvirt
import pytest

from reconciler.model.desired import (
    CaptureType,
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
)
from reconciler.model.names import SnapshotName
from tests.lab.guest import Guest, Lab
from tests.lab.journal import sha256_of_guest_view
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk
from tools.kinds_page import LET_GO, ROWS, STATES, YES, Row

pytestmark = pytest.mark.qemu

#: all of the table; else of the three states to delete in one for each row, another on each libvirt
IS_SOAK = bool(os.environ.get("VIRTSNAP_SOAK"))
#: what is written before the snapshot is taken, and after it
BEFORE, AFTER = "before", "after"
_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut off",
}


@dataclass
class Bench:
    """One guest of a row, and what is declared of it."""

    desk: Desk
    guest: Guest
    row: Row
    revert: DesiredRevert | None = None
    #: holds that are to be ended
    released: list[str] = field(default_factory=list)

    # --- the guest, by hand

    @property
    def state(self) -> str:
        return _STATES[self.guest.domain.state()[0]]

    def bring(self, state: str) -> None:
        """Into *state*; no boot is waited for."""
        domain = self.guest.domain
        if state == "shut off":
            if domain.isActive():
                domain.destroy()
        elif not domain.isActive():
            domain.create()
        if state == "paused" and self.state == "running":
            domain.suspend()
        if state == "running" and self.state == "paused":
            domain.resume()
        assert self.state == state

    def go_on(self) -> None:
        """It is resumed, and has written to its disks since anything was taken of it."""
        self.bring("running")
        if self.row.memory:
            self.guest.wait_for_agent()
            self.guest.wait_for_record(self.guest.head() + 2)

    def write(self, text: str) -> None:
        """Known data: by the guest that is up, else from outside."""
        if self.row.taken == "shut off":
            by_hand.write(self.guest.active_images()["vda"], 90, ord(text[0]))
            return
        self.bring("running")
        status, said = self.guest.execute("/bin/sh", "-c", f"echo {text} > /data/known; sync")
        assert status == 0, said

    def reads(self) -> str:
        """What the guest itself finds there, from its disk and its memory."""
        self.bring("running")
        self.guest.wait_for_agent()
        return self.guest.execute("/bin/cat", "/data/known")[1].strip()

    # --- virtsnap

    def wish(self, *names: str) -> DesiredDomain:
        """Snapshots of the row's kind."""
        kind, memory = CaptureType(self.row.type), self.row.memory
        wanted = [DesiredSnapshot(name=SnapshotName(n), type=kind, memory=memory) for n in names]
        wanted += [DesiredSnapshot(name=SnapshotName(n), protect=False) for n in self.released]
        return DesiredDomain(
            host=LOCAL,
            domain=self.guest.name,
            snapshots=tuple(wanted),
            origin=Origin(manifest="table"),
            prune=Prune.AUTO,
            revert=self.revert,
        )

    def apply(self, *names: str) -> str:
        """One pass: ``yes``, or the code of what is refused."""
        return self.pass_over(self.wish(*names))

    def pass_over(self, wish: DesiredDomain) -> str:
        """The same of any wish."""
        outcome = self.desk.apply(wish)
        assert outcome.error is None, outcome.error
        codes = {str(refusal.code) for refusal in outcome.refusals}
        return ", ".join(sorted(codes)) or YES

    # --- the data

    def moment(self, name: str) -> str:
        """A sum over all that the snapshot holds of the disk."""
        if self.row.type == "external":
            return sha256_of_guest_view(storage.frozen(self.guest)[name]["vda"])
        image = self.guest.disks["vda"]
        copy = image.with_suffix(".moment")
        by_hand.run("qemu-img", "convert", "-U", "-l", name, "-O", "raw", str(image), str(copy))
        found = sha256_of_guest_view(copy, "raw")
        copy.unlink()
        return found


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_kind_of_snapshot_in_every_state(place: tuple[Lab, Desk], row: Row) -> None:
    lab, at = place
    bench = Bench(at, lab.guest("web01", running=row.taken != "shut off"), row)
    bench.write(BEFORE)
    bench.bring(row.taken)

    assert bench.apply("s1") == row.create
    if row.errors is not None:
        assert by_hand.names(bench.guest) == []
        assert said_by_libvirt(bench.guest, row) == row.errors
        return
    moment = bench.moment("s1")
    bench.write(AFTER)
    for number, (state, cell) in enumerate(zip(STATES, row.revert, strict=True)):
        assert go_back(bench, f"r{number}", state) == cell
        if row.taken == "shut off":
            assert storage.view(bench.guest)["vda"] == moment
    assert bench.moment("s1") == moment
    bench.revert = None
    for number, (state, cell) in enumerate(zip(STATES, row.delete, strict=True)):
        if IS_SOAK or number == (ROWS.index(row) + lab.connection.getLibVersion() // 1_000_000) % 3:
            assert take_and_delete(bench, f"d{number}", state) == cell
    delete_all(bench)


def said_by_libvirt(guest: Guest, row: Row) -> tuple[int, int]:
    """Its errors when it is asked for this kind: all of it, and disk-only."""
    memory = f"snapshot='{row.type if row.memory else 'no'}'"
    if row.memory and row.type == "external":
        memory += f" file='{guest.folder}/memory.save'"
    xml = (
        f"<domainsnapshot><name>s1</name><memory {memory}/>"
        f"<disks><disk name='vda' snapshot='{row.type}'/></disks></domainsnapshot>"
    )
    found = []
    for flags in (0, by_hand.DISK_ONLY):
        with pytest.raises(libvirt.libvirtError) as caught:
            guest.domain.snapshotCreateXML(xml, flags)
        found.append(caught.value.get_error_code())
    return found[0], found[1]


def go_back(bench: Bench, request: str, state: str) -> str:
    """Revert to s1 from *state*; what is kept and what is there after it is as it must be."""
    guest, row = bench.guest, bench.row
    if row.memory and state == "paused":
        bench.go_on()  # else it may be paused again before it has written anything
    bench.bring(state)
    if state == "shut off":
        by_hand.write(guest.active_images()["vda"], 92, 0x41)
    active = guest.active_images()
    present = None if state == "running" else storage.view(guest)["vda"]
    bench.revert = DesiredRevert(to=SnapshotName("s1"), request=request)

    cell = bench.apply("s1")

    assert bench.state == row.taken
    kept = f"before-revert-{request}"
    assert present is None or bench.moment(kept) == present
    if row.type == "external":
        frozen = storage.frozen(guest)
        assert frozen[kept] == active
        assert storage.chain(guest.active_images()["vda"])[1] == frozen["s1"]["vda"]
    else:
        assert kept in by_hand.names(guest)
        assert guest.active_images() == guest.disks
    if row.memory:
        assert bench.reads() == BEFORE
    assert not bench.desk.plan(bench.wish("s1")).steps
    return cell


def take_and_delete(bench: Bench, name: str, state: str) -> str:
    """A further snapshot in the row's state, deleted in *state*; what its refusal names leads there too."""
    row = bench.row
    if (row.type, row.memory, row.taken) == ("external", True, "paused"):
        bench.go_on()
    bench.bring(row.taken)
    assert bench.apply("s1", name) == YES
    bench.bring(state)
    view = storage.view(bench.guest) if state == "shut off" else None

    cell = bench.apply("s1")

    assert view is None or storage.view(bench.guest) == view
    if cell != YES:
        assert name in by_hand.names(bench.guest)
        bench.go_on()
        assert bench.apply("s1") == YES
    assert name not in by_hand.names(bench.guest)
    if row.memory and state != "shut off":
        bench.bring("running")
        bench.guest.verify()
    return cell


def delete_all(bench: Bench) -> None:
    """Holds ended, everything goes; the guest reads what it read, from the images it began with."""
    guest = bench.guest
    bench.bring("shut off")
    view = storage.view(guest)
    bench.released = [name for name in by_hand.names(guest) if name != "s1"]
    assert bench.apply("s1") == YES
    bench.released = []
    assert bench.apply() == YES
    assert by_hand.names(guest) == []
    assert storage.images(guest.folder) == set(guest.disks.values())
    assert storage.view(guest) == view
    assert not list(guest.folder.glob("*.save"))


def test_a_paused_guest_whose_memory_was_saved(place: tuple[Lab, Desk]) -> None:
    lab, at = place
    (row,) = [r for r in ROWS if (r.type, r.memory, r.taken) == ("external", True, "paused")]
    bench = Bench(at, lab.guest("web01"), row)
    bench.bring("paused")
    assert bench.apply("s1") == YES
    (s1,) = bench.wish("s1").snapshots

    def asked(*snapshots: DesiredSnapshot, revert: DesiredRevert | None = None) -> str:
        bench.revert = revert
        wish = bench.wish()
        return bench.pass_over(replace(wish, snapshots=snapshots))

    further = replace(s1, name=SnapshotName("s2"))
    seen = {
        "create, external with memory": asked(s1, further),
        "create, internal with memory": asked(s1, replace(further, type=CaptureType.INTERNAL)),
        "delete": asked(),
        "revert": asked(s1, revert=DesiredRevert(to=s1.name, request="r1")),
        "create, external": asked(s1, replace(further, memory=False)),
    }

    assert seen == LET_GO
    assert by_hand.names(bench.guest) == ["s1", "s2"]
    bench.bring("running")
    bench.bring("paused")  # at once: it has written nothing
    assert bench.apply() == YES
    assert by_hand.names(bench.guest) == []
    bench.guest.domain.resume()
    bench.guest.verify()
