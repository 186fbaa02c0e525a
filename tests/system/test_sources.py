"""Sources that are not all of a plain file, on real libvirts: nobody's bytes change, odd files stop nobody."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Origin, Prune
from reconciler.model.names import DiskTarget, SnapshotName
from reconciler.model.outcome import DomainOutcome
from reconciler.report.refusals import explained
from tests.hypervisor.test_odd_sources import marked, odd_files
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.lab.journal import sha256_of_guest_view
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk
from tests.system.desk import desk as at_a_desk

pytestmark = pytest.mark.qemu


@pytest.fixture
def spot(lab_clean: Lab, tmp_path: Path) -> Iterator[tuple[Lab, Desk]]:
    """A desk on the installed libvirt alone: the second of the lab has no storage driver."""
    with at_a_desk(lab_clean, tmp_path) as found:
        yield lab_clean, found


def wish(*names: str, of: str = "web01", skip: str = "") -> DesiredDomain:
    """These snapshots of the domain, and no other."""
    skipped = frozenset({DiskTarget(skip)} if skip else ())
    return DesiredDomain(
        host=LOCAL,
        domain=of,
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(n), skip=skipped) for n in names),
        origin=Origin(manifest="sources"),
        prune=Prune.AUTO,
    )


def image(path: Path, backing: str | None = None) -> Path:
    """An image of 8 MiB; *backing* as the header is to say it."""
    path.parent.mkdir(exist_ok=True)
    below = ("-u", "-b", backing, "-F", "qcow2") if backing is not None else ()
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", *below, str(path), "8M")
    return path


def with_one_snapshot(lab: Lab, desk: Desk, path: Path, name: str = "web01") -> Guest:
    """A domain, shut off, with s1; something lies in its overlay."""
    guest = lab.guest_of((DiskSpec(source=path),), name)
    by_hand.write(path, 1, 0x11)
    assert desk.apply(wish("s1", of=name)).error is None
    by_hand.write(guest.active_images()["vda"], 2, 0x22)
    return guest


def refused(desk: Desk, guest: Guest, wanted: DesiredDomain) -> DomainOutcome:
    """Nothing is done, and no byte of any image changes."""
    files = {path: path.read_bytes() for path in storage.images(Path(guest.disks["vda"]).parent)}
    before = guest.domain.XMLDesc(0)

    outcome = desk.apply(wanted)

    assert outcome.refusals, outcome
    assert not outcome.plan.steps
    assert {path: path.read_bytes() for path in files} == files
    assert guest.domain.XMLDesc(0) == before
    return outcome


def codes(outcome: DomainOutcome) -> set[str]:
    return {str(r.code) for r in outcome.refusals}


def merged(desk: Desk, guest: Guest) -> None:
    """s1 goes, and the guest reads what it read."""
    before = storage.view(guest)
    outcome = desk.apply(wish())
    assert outcome.error is None, outcome.error
    assert not outcome.refusals, outcome.refusals
    assert guest.active_images() == guest.disks
    assert storage.view(guest) == before


@contextmanager
def pool(lab: Lab, folder: Path, name: str) -> Iterator[libvirt.virStoragePool]:
    """A pool of files; as it is left, so it goes."""
    xml = f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>"
    made = lab.connection.storagePoolDefineXML(xml)
    made.create()
    try:
        yield made
    finally:
        for each in lab.connection.listAllStoragePools():
            if each.name() == name:
                if each.isActive():
                    each.destroy()
                each.undefine()


def volume(name: str) -> str:
    return (
        "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source pool='theirs' volume='{name}'/><target dev='vda' bus='virtio'/></disk>"
    )


def test_a_volume_of_a_pool_that_is_stopped_or_gone_reads_what_it_stands_on(
    spot: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = spot
    guest = with_one_snapshot(lab, desk, image(tmp_path / "ours" / "base.qcow2"))
    theirs = image(tmp_path / "theirs" / "v.qcow2", str(guest.disks["vda"]))
    with pool(lab, theirs.parent, "theirs") as made:
        other = lab.guest_of((DiskSpec(source=theirs),), "db01")
        root = etree.fromstring(other.domain.XMLDesc(0))
        disk = root.find("devices/disk")
        assert disk is not None
        disk.getparent().replace(disk, etree.fromstring(volume("v.qcow2")))  # type: ignore[union-attr]  # it has one
        by_hand.define(other, root)

        assert codes(refused(desk, guest, wish())) == {"UnmanagedReader"}
        made.destroy()
        (stopped,) = refused(desk, guest, wish()).refusals
        made.undefine()
        (gone,) = refused(desk, guest, wish()).refusals

    assert (stopped.code, stopped.fact("readers")) == ("UnmanagedReader", "db01")
    assert not stopped.fact("cause")
    assert (gone.code, gone.fact("readers")) == ("UnmanagedReader", "db01")
    assert "volume v.qcow2 of pool theirs" in gone.fact("cause")
    other.domain.undefine()
    merged(desk, guest)


def test_a_disk_that_is_moved_out_of_sight_still_reads_what_it_stood_on(
    place: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = place
    guest = with_one_snapshot(lab, desk, image(tmp_path / "ours" / "base.qcow2"))
    theirs = image(tmp_path / "theirs" / "db01.qcow2", str(guest.disks["vda"]))
    lab.guest_of((DiskSpec(source=theirs),), "db01")
    read = sha256_of_guest_view(theirs)
    theirs.rename(tmp_path / "out of sight")

    (why,) = refused(desk, guest, wish()).refusals

    assert (why.code, why.fact("missing")) == ("UnmanagedReader", str(theirs))
    (tmp_path / "out of sight").rename(theirs)
    assert sha256_of_guest_view(theirs) == read


def test_the_hint_for_a_file_that_reads_along_can_be_typed(
    spot: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = spot
    guest = with_one_snapshot(lab, desk, image(tmp_path / "base.qcow2"))
    clone = image(tmp_path / "a clone.qcow2", str(guest.disks["vda"]))
    read = sha256_of_guest_view(clone)

    (why,) = refused(desk, guest, wish()).refusals
    hint = explained(why, domain="web01").hint

    command = hint[hint.index("qemu-img rebase") :].partition("; ")[0]
    by_hand.run(*shlex.split(command))
    merged(desk, guest)
    assert sha256_of_guest_view(clone) == read


def test_a_relative_name_behind_a_link_protects_what_qemu_reads_and_what_it_might(
    place: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = place
    bases = [image(tmp_path / name / "base.qcow2") for name in ("old", "new")]
    image(tmp_path / "new" / "b.qcow2", "base.qcow2")
    link = tmp_path / "old" / "b.qcow2"
    link.symlink_to("../new/b.qcow2")
    other = lab.guest_of((DiskSpec(source=link),), "db01")
    for number, base in enumerate(bases):
        guest = with_one_snapshot(lab, desk, base, f"web0{number}")
        assert codes(refused(desk, guest, wish(of=guest.name))) == {"UnmanagedReader"}
    assert codes(refused(desk, other, wish("s1", of="db01"))) == {"DiskNotSupported"}


SLICES = "<slices><slice type='storage' offset='1048576' size='1048576'/></slices>"
NBD = (
    "<backingStore type='network'><format type='raw'/>"
    "<source protocol='nbd' name='x'><host name='localhost' port='10809'/></source>"
    "<backingStore/></backingStore>"
)


def changed(guest: Guest, inside: str, *, at: str) -> None:
    """*inside* put into the source of vda, or beside it."""
    root = etree.fromstring(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    element = root.find(at)
    assert element is not None
    element.append(etree.fromstring(inside))
    by_hand.define(guest, root)


def test_a_source_that_is_a_part_of_a_file_is_not_supported(
    place: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = place
    path = tmp_path / "container.raw"
    by_hand.run("truncate", "-s", "8M", str(path))
    guest = lab.guest_of((DiskSpec(source=path, image_format="raw"),), "web01")
    changed(guest, SLICES, at="devices/disk/source")

    assert codes(refused(desk, guest, wish("s1"))) == {"DiskNotSupported"}
    assert not any(path.read_bytes())


def test_neither_is_a_snapshot_of_one_that_was_taken_before_it(
    spot: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = spot
    guest = with_one_snapshot(lab, desk, image(tmp_path / "base.qcow2"))
    record = by_hand.record(guest, "s1")
    source = record.find("domain/devices/disk/source")
    assert source is not None
    source.append(etree.fromstring(SLICES))
    by_hand.redefine(guest, record)

    assert codes(refused(desk, guest, wish())) == {"DiskNotSupported"}


def test_a_stated_backing_store_that_is_no_file_is_not_forgotten(
    place: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = place
    guest = with_one_snapshot(lab, desk, image(tmp_path / "base.qcow2"))
    changed(guest, NBD, at="devices/disk")

    assert codes(refused(desk, guest, wish())) == {"ChainBroken"}
    assert codes(refused(desk, guest, wish("s1", "s2"))) == {"ChainBroken"}


@pytest.mark.parametrize("which", ["base", "overlay"])
def test_an_image_that_qemu_marked_as_corrupt_is_not_merged(
    spot: tuple[Lab, Desk], tmp_path: Path, which: str
) -> None:
    lab, desk = spot
    guest = with_one_snapshot(lab, desk, image(tmp_path / "base.qcow2"))
    path = guest.disks["vda"] if which == "base" else guest.active_images()["vda"]
    marked(path, 1)  # type: ignore[arg-type]  # a path is one

    (why,) = refused(desk, guest, wish()).refusals

    assert (why.code, why.fact("corrupt")) == ("ChainBroken", str(path))
    by_hand.run("qemu-img", "check", "-q", "-r", "all", str(path))
    merged(desk, guest)


def test_odd_files_stop_nobody(place: tuple[Lab, Desk], tmp_path: Path) -> None:
    lab, desk = place
    guest = with_one_snapshot(lab, desk, image(tmp_path / "ours" / "base.qcow2"))
    (tmp_path / "odd").mkdir()
    odd = odd_files(tmp_path / "odd")
    for number, what in enumerate(("raw", "empty", "a folder", "an ISO")):
        lab.guest_of((DiskSpec(source=Path(odd[what][0])),), f"db0{number}")
    remote = image(tmp_path / "odd" / "remote", "nbd://localhost/x")
    (why,) = refused(desk, guest, wish()).refusals
    assert (why.code, why.fact("readers")) == ("UnmanagedReader", str(remote))
    remote.unlink()
    merged(desk, guest)


def test_one_image_twice_in_a_guest_is_refused_before_it_is_frozen(
    spot: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = spot
    path = image(tmp_path / "base.qcow2")
    specs = (DiskSpec(source=path), DiskSpec(source=path, target="vdb", readonly=True))
    guest = lab.guest_of(specs, "web01")

    assert codes(refused(desk, guest, wish("s1"))) == {"DiskNotSupported"}


def test_an_optional_disk_that_is_missing_and_skipped_is_in_nobodys_way(
    place: tuple[Lab, Desk], tmp_path: Path
) -> None:
    lab, desk = place
    path, usb = image(tmp_path / "base.qcow2"), tmp_path / "usb.raw"
    specs = (DiskSpec(source=path), DiskSpec(source=usb, target="vdb", image_format="raw"))
    guest = lab.guest_of(specs, "web01")
    xml = guest.domain.XMLDesc(0).replace(f"file='{usb}'", f"file='{usb}' startupPolicy='optional'")
    lab.define_raw(xml)

    for names in (("s1",), ("s1", "s2"), ("s2",), ()):
        outcome = desk.apply(wish(*names, skip="vdb"))
        assert (outcome.error, outcome.refusals) == (None, ())
        assert by_hand.names(guest) == list(names)
    assert guest.active_images()["vda"] == path
