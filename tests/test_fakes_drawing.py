"""Drawings become the hosts they show."""

from reconciler.model.ledger import EntryState
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.snapshot import DiskCapture
from tests.drawing import chain, domain, host, image, overlay, shut_off, unmanaged, unrecorded


def test_a_chain_reads_from_its_base() -> None:
    assert str(chain("base ← a ← b")) == "base.qcow2 ← a.qcow2 ← b.qcow2"


def test_a_drawn_domain_has_its_snapshots_and_chains() -> None:
    fake = host(domain("web01", unmanaged("u1"), vda="base ← s1 ← u1", vdb="data.img ← s1"))

    seen = fake.observe().domain("web01")
    assert seen is not None
    assert [(r.name, r.parent, r.is_current) for r in seen.records] == [
        ("s1", None, False),
        ("u1", "s1", True),
    ]
    assert seen.live is not None
    assert [disk.chain.images for disk in seen.live if disk.chain] == [
        (image("base"), overlay("web01", "vda", "s1"), "/images/web01-vda-s1.u1"),
        (image("data.img"), overlay("web01", "vdb", "s1")),
    ]
    s1, u1 = seen.records
    assert (s1.uid, u1.uid) == ("u1", None)
    assert s1.frozen(DiskTarget("vdb")) == image("data.img")
    assert [d.capture for d in u1.disks] == [DiskCapture.EXTERNAL, DiskCapture.SKIPPED]
    assert seen.ledger is not None
    entry = seen.ledger.entry(SnapshotName("s1"))
    assert entry is not None
    assert (entry.state, entry.created) == (EntryState.TAKEN, s1.created)
    assert seen.journal_serial == seen.ledger.serial
    assert seen.ledger.serial > s1.ledger_serial > 0


def test_a_shut_off_domain_has_no_live_definition() -> None:
    seen = host(domain("web01", shut_off, vda="base ← s1")).observe().domain("web01")
    assert seen is not None
    assert seen.live is None
    assert seen.disks[0].stated is None


def test_an_unrecorded_overlay_is_in_the_chain_only() -> None:
    seen = host(domain("web01", unrecorded("b"), vda="base ← b")).observe().domain("web01")
    assert seen is not None
    assert seen.records == ()
    assert seen.disks[0].chain is not None
    assert seen.disks[0].chain.depth == 1


def test_two_domains_can_stand_on_one_image() -> None:
    fake = host(domain("web01", vda="base ← s1"), domain("web02", shut_off, vda="base"))
    assert fake.guest_view("web02", "vda").items() != fake.guest_view("web01", "vda").items()


def test_brackets_draw_the_template_below_a_disk() -> None:
    fake = host(domain("web01", vda="(gold) ← base ← s1"), domain("web02", vda="(gold) ← other"))
    seen = fake.observe().domain("web02")
    assert seen is not None
    assert str(seen.disks[0].chain) == "gold.qcow2 ← other.qcow2"
    assert fake.guest_view("web01", "vda")[9] == fake.guest_view("web02", "vda")[9] == 9
