"""What docs/from-virsh.md says of commands typed by hand is so, on both libvirts.

Shut-off guests with small disks: what they hold is written from outside.  Each row of the page that says
what comes of a command by hand names its test; tests/test_from_virsh_page.py holds it to that.
"""

from pathlib import Path
from typing import Any

import libvirt
import pytest

from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Origin, Prune
from reconciler.model.names import SnapshotName
from tests.lab.guest import Lab
from tests.system import by_hand, storage
from tests.system.bench import Bench, bench, discard
from tests.system.desk import LOCAL, Desk
from tests.system.test_versions import NATIVE_REVERT, assert_kept

pytestmark = pytest.mark.qemu


@pytest.fixture
def stand(place: tuple[Lab, Desk]) -> Bench:
    """A shut-off guest of one disk with s1 and s2, and what they hold."""
    lab, at = place
    found = bench(lab, at, disks=1)
    found.take("s1", "s2")
    return found


def said(stand: Bench, *names: str, prune: Prune = Prune.NEVER, **more: Any) -> set[str]:
    """Drift and refusals of a plan for these snapshots."""
    wish = DesiredDomain(
        host=LOCAL,
        domain=stand.guest.name,
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(name)) for name in names),
        origin=Origin(manifest="bench"),
        prune=prune,
        **more,
    )
    plan = stand.desk.plan(wish)
    return {d.kind for d in plan.drift} | {str(why.code) for why in plan.refusals}


def native_reverts(stand: Bench) -> bool:
    number = stand.desk.host.observe().libvirt_version
    return (number // 1_000_000, number // 1000 % 1000) >= NATIVE_REVERT


def frozen_by(stand: Bench, name: str) -> Path:
    return storage.frozen(stand.guest)[name]["vda"]


def images(stand: Bench) -> set[Path]:
    return storage.images(stand.desk.folder / "images")


# --- taking


def take(stand: Bench, overlay: Path, flag: int) -> None:
    """``virsh snapshot-create-as DOMAIN u1 --disk-only --diskspec vda,file=OVERLAY`` with one flag more."""
    root = (
        "<domainsnapshot><name>u1</name><disks><disk name='vda' snapshot='external'>"
        f"<source file='{overlay}'/></disk></disks></domainsnapshot>"
    )
    stand.guest.domain.snapshotCreateXML(root, by_hand.DISK_ONLY | flag)


def test_an_overlay_without_a_record_is_waited_for(stand: Bench) -> None:
    take(stand, stand.desk.folder / "images/backup.qcow2", by_hand.NO_METADATA)

    assert said(stand, "s1", "s2", "s3") >= {"OverlayUnrecorded", "ForeignOverlay"}
    assert said(stand, "s1", prune=Prune.AUTO) >= {"OverlayUnrecorded", "ForeignOverlay"}
    assert_kept(stand.guest, stand.moments, "s1", "s2")


def test_an_overlay_without_a_record_below_all_snapshots_is_part_of_the_base(
    place: tuple[Lab, Desk],
) -> None:
    lab, at = place
    stand = bench(lab, at, disks=1)
    take(stand, at.folder / "images/x.qcow2", by_hand.NO_METADATA)

    assert not said(stand)
    stand.apply("s1")
    stand.apply()


def test_a_snapshot_on_an_image_that_was_made_before_is_unmanaged(stand: Bench) -> None:
    new = by_hand.make_overlay(
        stand.guest.active_images()["vda"], stand.desk.folder / "images/own.qcow2"
    )
    take(stand, new, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT)

    assert said(stand, "s1", "s2") == {"SnapshotUnmanaged"}
    stand.apply("s1", "s2")
    assert "u1" in by_hand.names(stand.guest)


# --- records


def test_a_record_with_another_source_is_put_right_or_no_longer_gone_back_to(stand: Bench) -> None:
    root = by_hand.record(stand.guest, "s2")
    true = frozen_by(stand, "s2")
    for source in root.xpath("./domain/devices/disk/source|./inactiveDomain/devices/disk/source"):
        source.set("file", str(frozen_by(stand, "s1")))
    by_hand.redefine(stand.guest, root)

    assert "RecordOutdated" in said(stand, "s1", "s2")
    stand.apply("s1", "s2")
    assert frozen_by(stand, "s2") == true
    assert_kept(stand.guest, stand.moments, "s1", "s2")


def test_a_snapshot_that_was_renamed_is_lost_and_nothing_of_it_is_removed(stand: Bench) -> None:
    root = by_hand.record(stand.guest, "s2")
    name = root.find("name")
    assert name is not None
    name.text = "other"
    by_hand.redefine(stand.guest, root)
    by_hand.drop_record(stand.guest, "s2")
    before = images(stand)

    assert "SnapshotLost" in said(stand, "s1", "s2")
    stand.outcome("s1", "s2")
    assert images(stand) == before
    now = storage.moments(stand.guest)
    assert now["other", "vda"] == stand.moments["s2", "vda"]
    assert now["s1", "vda"] == stand.moments["s1", "vda"]


def test_a_native_delete_of_a_declared_one_is_a_loss_until_it_is_not_declared(stand: Bench) -> None:
    view = stand.view()
    stand.guest.domain.snapshotLookupByName("s2").delete(0)

    assert "SnapshotLost" in said(stand, "s1", "s2")
    assert said(stand, "s1") <= {"LedgerStale"}
    stand.apply("s1")
    assert stand.view() == view
    assert_kept(stand.guest, stand.moments, "s1")


@pytest.mark.parametrize("dropped", ["s1", "s2", "s3"])
def test_a_dropped_record_makes_no_other_snapshot_lie(stand: Bench, dropped: str) -> None:
    """libvirt 9.0 rewrites what the records after it say."""
    stand.apply("s1", "s2", "s3")
    stand.write()
    stand.moments = storage.moments(stand.guest)
    view = stand.view()
    by_hand.drop_record(stand.guest, dropped)
    others = [name for name in ("s1", "s2", "s3") if name != dropped]

    assert "SnapshotLost" in said(stand, "s1", "s2", "s3")
    stand.outcome("s1", "s2", "s3")
    assert_kept(stand.guest, stand.moments, *others)
    stand.apply(*others)
    assert_kept(stand.guest, stand.moments, *others)
    assert stand.view() == view
    stand.demand_tidy()


def test_a_dropped_record_of_somebody_else_leaves_an_overlay_of_somebody_else(stand: Bench) -> None:
    by_hand.snapshot(stand.guest, "u1")
    by_hand.drop_record(stand.guest, "u1")

    assert said(stand, "s1", "s2", "s3") >= {"OverlayUnrecorded", "ForeignOverlay"}
    assert_kept(stand.guest, stand.moments, "s1", "s2")


def test_a_current_mark_set_by_hand_is_put_right(stand: Bench) -> None:
    by_hand.point_at(stand.guest, "s1")

    assert said(stand, "s1", "s2") == {"CurrentMisplaced"}
    stand.apply("s1", "s2")
    assert by_hand.current(stand.guest) == "s2"
    assert_kept(stand.guest, stand.moments, "s1", "s2")


# --- reverting


def test_a_native_revert_from_in_sync_costs_no_snapshot(stand: Bench) -> None:
    assert not said(stand, "s1", "s2")
    s1 = stand.guest.domain.snapshotLookupByName("s1")
    if not native_reverts(stand):
        with pytest.raises(libvirt.libvirtError):
            stand.guest.domain.revertToSnapshot(s1)
        assert not said(stand, "s1", "s2")
        return
    stand.guest.domain.revertToSnapshot(s1)

    assert said(stand, "s1", "s2") == {"LedgerStale"}
    asked = discard("s2", "r1")
    assert "RevertUnproven" in {str(r.code) for r in stand.outcome("s1", "s2", **asked).refusals}
    assert_kept(stand.guest, stand.moments, "s1", "s2")
    stand.apply("s1", "s2")
    assert_kept(stand.guest, stand.moments, "s1", "s2")


def test_in_sync_again_after_a_revert_by_hand_a_native_revert_costs_no_snapshot(
    stand: Bench,
) -> None:
    """The image in use is made anew on what s1 froze: s1's record still names what s2 froze."""
    active = stand.guest.active_images()["vda"]
    active.unlink()
    by_hand.make_overlay(frozen_by(stand, "s1"), active)
    by_hand.point_at(stand.guest, "s1")

    assert said(stand, "s1", "s2") == {"CurrentMisplaced"}
    stand.apply("s1", "s2")
    if native_reverts(stand):
        stand.guest.domain.revertToSnapshot(stand.guest.domain.snapshotLookupByName("s2"))
    assert_kept(stand.guest, stand.moments, "s1", "s2")


# --- block jobs and files


def started(stand: Bench) -> libvirt.virDomain:
    """On, and doing nothing."""
    stand.guest.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    return stand.guest.domain


def wait_for_job(domain: libvirt.virDomain) -> None:
    while domain.blockJobInfo("vda", 0):
        pass


def test_a_pull_by_hand_leaves_the_snapshots_beside_the_chain(stand: Bench) -> None:
    view = stand.view()
    domain = started(stand)
    domain.blockPull("vda", 0, 0)
    wait_for_job(domain)
    domain.destroy()

    assert_kept(stand.guest, stand.moments, "s1", "s2")
    stand.outcome("s1", "s2")
    assert_kept(stand.guest, stand.moments, "s1", "s2")
    stand.apply()
    assert not by_hand.names(stand.guest)
    assert stand.view() == view
    assert stand.guest.disks["vda"].exists()


def test_a_copy_by_hand_leaves_the_snapshots_on_the_old_images(stand: Bench) -> None:
    view = stand.view()
    domain = started(stand)
    copy = stand.desk.folder / "images/copy.qcow2"
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{copy}'/></disk>"
    domain.blockCopy("vda", xml, {}, libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    assert "BlockJobRunning" in said(stand, "s1", "s2", "s3")
    while "ready='yes'" not in domain.XMLDesc(0):
        pass
    domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    domain.destroy()

    stand.outcome("s1", "s2")
    assert stand.guest.active_images()["vda"] == copy
    assert stand.view() == view
    assert_kept(stand.guest, stand.moments, "s1", "s2")


def test_an_offline_commit_by_hand_is_seen_once_the_definition_says_so(stand: Bench) -> None:
    top, below = stand.guest.active_images()["vda"], frozen_by(stand, "s2")
    by_hand.run("qemu-img", "commit", "-q", str(top))
    by_hand.redirect(stand.guest, {"vda": below})

    assert "RecordDangling" in said(stand, "s1", "s2")
    assert storage.moments(stand.guest)["s1", "vda"] == stand.moments["s1", "vda"]


def test_a_rebase_by_hand_is_told_as_far_as_it_shows(stand: Bench) -> None:
    top, middle = stand.guest.active_images()["vda"], frozen_by(stand, "s2")
    base = frozen_by(stand, "s1")
    by_hand.run("qemu-img", "rebase", "-u", "-F", "qcow2", "-b", str(base), str(top))

    assert said(stand, "s1", "s2") == {"CurrentMisplaced"}
    stand.apply("s1", "s2")
    assert_kept(stand.guest, stand.moments, "s1", "s2")

    gone = stand.desk.folder / "images/gone.qcow2"
    by_hand.run("qemu-img", "rebase", "-u", "-F", "qcow2", "-b", str(gone), str(middle))
    assert said(stand, "s1", "s2") == {"RecordDangling", "StorageAbsent"}


def test_a_snapshot_inside_an_image_keeps_it_from_being_merged(stand: Bench) -> None:
    by_hand.run("qemu-img", "snapshot", "-c", "inside", str(frozen_by(stand, "s2")))

    assert "InternalSnapshots" in said(stand, prune=Prune.AUTO)
