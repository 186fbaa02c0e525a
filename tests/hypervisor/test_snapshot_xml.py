"""Reading and rewriting snapshot records, on what libvirt 9.0 really said."""

from reconciler.hypervisor import domain_xml, snapshot_xml
from reconciler.hypervisor.xml import Element, parse, written
from reconciler.model.action import SourceChange
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath
from reconciler.model.snapshot import DiskCapture, MemoryCapture, SnapshotRecord
from tests.captures import capture

VDA, VDB = DiskTarget("vda"), DiskTarget("vdb")


def uuid_in(root: Element) -> DomainUuid:
    return DomainUuid(root.findtext("domain/uuid") or "")


def read(text: str, *, is_current: bool = False) -> SnapshotRecord:
    root = parse(text)
    return snapshot_xml.record(
        root, uuid=uuid_in(root), is_current=is_current, canonical=ImagePath, place=lambda _: None
    )


def last(path: str | None) -> str:
    return (path or "").rpartition("/")[2]


def test_the_frozen_layer_is_in_the_inner_domain_and_the_overlay_in_disks() -> None:
    first = read(capture("external-two-disks/02-snapshot-s1"))
    second = read(capture("external-two-disks/03-snapshot-s2"))

    assert (first.parent, second.parent) == (None, "s1")
    assert (last(first.frozen(VDB)), last(second.frozen(VDB))) == (
        "two-disks-vdb.qcow2",
        "vdb-s1.qcow2",
    )
    assert [last(disk.overlay) for disk in second.disks] == ["vda-s2.qcow2", "vdb-s2.qcow2"]
    assert second.is_external
    assert second.state == "disk-snapshot"
    assert second.created > 0
    assert second.inactive_sources == ()


def test_a_disk_left_out_is_a_mention_only() -> None:
    record = read(capture("external-subset/01-snapshot"))

    skipped = record.disk(VDB)
    assert skipped is not None
    assert skipped.capture is DiskCapture.SKIPPED
    assert skipped.source in record.mentions
    assert record.frozen(VDB) is None


def test_an_empty_drive_is_not_writable() -> None:
    drive = read(capture("external-shut-off/01-snapshot")).disk(DiskTarget("sda"))

    assert drive is not None
    assert (drive.source, drive.is_writable) == (None, False)


def test_memory_is_told_apart() -> None:
    running, off, external = (
        read(capture(name))
        for name in ("internal/01-running", "internal/02-off", "external-memory/01-snapshot")
    )

    assert (running.memory, off.memory, external.memory) == (
        MemoryCapture.INTERNAL,
        MemoryCapture.NONE,
        MemoryCapture.EXTERNAL,
    )
    assert last(external.memory_file) == "memory.save"
    assert running.disks[0].capture is DiskCapture.INTERNAL
    assert external.is_external


def test_a_missing_memory_element_is_no_memory() -> None:
    # As 11.3 writes a shut-off external snapshot (facts §1.1).
    root = parse(capture("external-shut-off/01-snapshot"))
    memory = root.find("memory")
    assert memory is not None
    root.remove(memory)

    assert read(written(root)).memory is MemoryCapture.NONE


def test_only_the_intent_that_names_a_snapshot_makes_it_ours() -> None:
    ours, by_hand = read(capture("ledger/03-snapshot")), read(capture("ledger/04-by-hand"))

    assert (ours.uid, ours.ledger_serial) == ("uid-of-s1", 7)
    assert [last(path) for path in ours.intent_images] == ["vda-s1.qcow2"]
    assert (by_hand.uid, by_hand.intent_images, by_hand.ledger_serial) == (None, (), 7)


def test_a_clone_does_not_inherit_the_intent() -> None:
    root = parse(capture("ledger/03-snapshot"))

    record = snapshot_xml.record(
        root,
        uuid=DomainUuid("another"),
        is_current=False,
        canonical=ImagePath,
        place=lambda _: None,
    )

    assert record.uid is None


def test_revert_disks_and_an_unfinished_delete_are_seen() -> None:
    root = parse(capture("external-two-disks/02-snapshot-s1"))
    reverted = parse(
        "<revertDisks><disk name='vda' snapshot='external' type='file'>"
        "<source file='/after-revert.qcow2'/></disk></revertDisks>"
    )
    root.append(reverted)
    disk = root.find("disks/disk")
    assert disk is not None
    disk.append(parse("<snapshotDeleteInProgress/>"))

    record = read(written(root))

    assert record.is_delete_unfinished
    assert record.disks[0].revert_overlay == "/after-revert.qcow2"
    assert "/after-revert.qcow2" in record.mentions


def test_a_changed_source_moves_in_both_inner_definitions_and_drops_stale_chains() -> None:
    root = parse(capture("external-two-disks/03-snapshot-s2"))
    change = SourceChange(target=VDA, source=ImagePath("/base.raw"), source_format="raw")

    snapshot_xml.change(root, change, is_block=False)

    for tag in ("domain", "inactiveDomain"):
        inner = root.find(tag)
        assert inner is not None, tag
        vda, vdb = domain_xml.disks(inner)
        assert (vda.active.path, vda.active.format, vda.is_spelled) == ("/base.raw", "raw", False)
        assert (last(vdb.active.path), vdb.is_spelled) == ("vdb-s1.qcow2", True)
    assert last(read(written(root)).disks[0].overlay) == "vda-s2.qcow2"


def test_an_inactive_definition_on_another_image_is_not_moved() -> None:
    root = parse(capture("external-two-disks/03-snapshot-s2"))
    source = root.find("inactiveDomain/devices/disk/source")
    assert source is not None
    source.set("file", "/elsewhere.qcow2")
    change = SourceChange(target=VDA, source=ImagePath("/base.raw"), source_format="raw")

    snapshot_xml.change(root, change, is_block=False)

    assert source.get("file") == "/elsewhere.qcow2"
    record = read(written(root))
    assert record.inactive_sources == ("/elsewhere.qcow2",)
    assert "/elsewhere.qcow2" in record.mentions


def test_a_changed_overlay_is_in_disks_and_no_longer_hidden_by_revert_disks() -> None:
    root = parse(capture("external-two-disks/03-snapshot-s2"))
    root.append(parse("<revertDisks><disk name='vda'><source file='/old'/></disk></revertDisks>"))

    snapshot_xml.change(
        root, SourceChange(target=VDA, overlay=ImagePath("/new.qcow2")), is_block=False
    )

    disk = read(written(root)).disks[0]
    assert (disk.overlay, disk.revert_overlay) == ("/new.qcow2", None)
    assert root.find("revertDisks") is None


def test_a_block_device_is_written_as_one() -> None:
    root = parse(capture("external-two-disks/03-snapshot-s2"))
    change = SourceChange(target=VDA, source=ImagePath("/dev/vg/a"), source_format="raw")

    snapshot_xml.change(root, change, is_block=True)

    inner = root.find("domain")
    assert inner is not None
    disk = domain_xml.disks(inner)[0]
    assert (disk.active.kind, disk.active.path) == (domain_xml.DiskKind.BLOCK, "/dev/vg/a")


def test_a_description_is_put_in_where_there_was_none() -> None:
    root = parse(capture("external-two-disks/03-snapshot-s2"))

    snapshot_xml.describe(root, "a < b")
    snapshot_xml.describe(root, "a & b")

    assert read(written(root)).description == "a & b"
    assert len(root.findall("description")) == 1
