"""What people do to records by hand leaves the fake and each libvirt in the same state."""

import copy
from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.errors import HypervisorError
from reconciler.model.names import DiskTarget, ImagePath, folder_of
from tests.contract.bench import Bench, FakeBench, Handle, RealBench, chain, take
from tests.contract.test_twins import benches, compare
from tests.fakes.domain import FakeRecord
from tests.fakes.person import Person
from tests.lab.guest import Guest
from tests.system import by_hand

__all__ = ["benches"]

pytestmark = pytest.mark.qemu

VDA = DiskTarget("vda")
Dump = FakeRecord | etree._Element


def real(bench: Bench, handle: Handle) -> Guest:
    """The guest of a real bench."""
    assert isinstance(bench, RealBench)
    return bench.guests[handle.uuid]


def drop_subtree(bench: Bench, handle: Handle, name: str, *, too: bool) -> None:
    """``snapshot-delete --metadata --children``, or ``--children-only``."""
    if isinstance(bench, FakeBench):
        Person(bench.host).snapshot_delete_children(handle.name, name, too=too)
    else:
        by_hand.drop_subtree(real(bench, handle), name, too=too)


def redefine(
    bench: Bench, handle: Handle, name: str, source: ImagePath, *, where: str = "both"
) -> None:
    """``snapshot-edit``: another image for vda."""
    if isinstance(bench, FakeBench):
        Person(bench.host).snapshot_redefine(handle.name, name, {VDA: source}, where=where)
    else:
        by_hand.change_source(real(bench, handle), name, {"vda": Path(source)}, where=where)


def dump(bench: Bench, handle: Handle, name: str) -> Dump:
    """``snapshot-dumpxml --security-info``."""
    if isinstance(bench, FakeBench):
        record: FakeRecord = copy.deepcopy(bench.host.domain(handle.name).records[name])  # type: ignore[index]
        return record
    return by_hand.record(real(bench, handle), name)


def register(bench: Bench, handle: Handle, dumped: Dump) -> None:
    """``snapshot-create --redefine``; a parent that is gone is left out."""
    if isinstance(bench, FakeBench):
        assert isinstance(dumped, FakeRecord)
        Person(bench.host).snapshot_register(handle.name, dumped)
    else:
        assert isinstance(dumped, etree._Element)
        by_hand.register(real(bench, handle), dumped)


def move(bench: Bench, handle: Handle, name: str, parent: str | None) -> bool:
    """``snapshot-edit`` of the parent; False where it is refused."""
    try:
        if isinstance(bench, FakeBench):
            Person(bench.host).snapshot_move(handle.name, name, parent)
        else:
            by_hand.change_parent(real(bench, handle), name, parent)
    except (HypervisorError, libvirt.libvirtError):
        return False
    return True


def point_at(bench: Bench, handle: Handle, name: str) -> None:
    """``snapshot-current``."""
    if isinstance(bench, FakeBench):
        Person(bench.host).snapshot_current(handle.name, name)
    else:
        by_hand.point_at(real(bench, handle), name)


def two_branches(bench: Bench, handle: Handle) -> None:
    """s1, s2, s3, and from s1 on s5, s6; the images are one line all the same."""
    for name in ("s1", "s2", "s3"):
        take(bench, handle, name)
    point_at(bench, handle, "s1")
    for name in ("s5", "s6"):
        take(bench, handle, name)


both = pytest.mark.parametrize("running", [True, False], ids=["running", "off"])


@both
@pytest.mark.parametrize("name", ["s1", "s2", "s3", "s5", "s6"])
def test_a_record_dropped_at_every_place(
    benches: tuple[Bench, Bench], name: str, *, running: bool
) -> None:
    if running and name not in ("s1", "s2"):
        pytest.skip("where it runs the two that have descendants tell enough")

    def story(bench: Bench, handle: Handle, look: object) -> None:
        two_branches(bench, handle)
        bench.drop_record(handle, name)

    compare(benches, story, disks=1, running=running)


def test_subtrees_dropped(benches: tuple[Bench, Bench]) -> None:
    def story(bench: Bench, handle: Handle, look: object) -> None:
        assert callable(look)
        two_branches(bench, handle)
        drop_subtree(bench, handle, "s2", too=True)
        look()
        drop_subtree(bench, handle, "s5", too=False)
        look()
        take(bench, handle, "s7")
        drop_subtree(bench, handle, "s5", too=True)
        look()
        drop_subtree(bench, handle, "s1", too=True)

    compare(benches, story, disks=1, running=False)


@both
@pytest.mark.parametrize("where", ["both", "live", "inactive"])
def test_a_source_edited_and_the_record_below_dropped(
    benches: tuple[Bench, Bench], where: str, *, running: bool
) -> None:
    """9.0 rewrites each inner definition by itself, at every depth."""
    if where == "inactive" and not running:
        pytest.skip("the record of a domain that is off has one inner definition")

    def story(bench: Bench, handle: Handle, look: object) -> None:
        assert callable(look)
        two_branches(bench, handle)
        base, one, *_ = chain(bench, handle)
        gone = ImagePath(f"{folder_of(base)}/{handle.name}-gone.qcow2")
        redefine(bench, handle, "s3", one, where=where)
        look()
        redefine(bench, handle, "s6", base, where=where)
        redefine(bench, handle, "s5", gone, where=where)
        look()
        bench.drop_record(handle, "s1")

    compare(benches, story, disks=1, running=running)


@both
def test_a_record_dropped_and_registered_from_an_old_dump(
    benches: tuple[Bench, Bench], *, running: bool
) -> None:
    def story(bench: Bench, handle: Handle, look: object) -> None:
        assert callable(look)
        two_branches(bench, handle)
        old = {name: dump(bench, handle, name) for name in ("s1", "s2", "s3", "s6")}
        bench.drop_record(handle, "s6")
        register(bench, handle, old["s6"])
        look()
        bench.drop_record(handle, "s1")
        bench.drop_record(handle, "s2")
        register(bench, handle, old["s2"])
        look()
        register(bench, handle, old["s3"])
        register(bench, handle, old["s1"])

    compare(benches, story, disks=1, running=running)


def test_parents_moved(benches: tuple[Bench, Bench]) -> None:
    def story(bench: Bench, handle: Handle, look: object) -> None:
        assert callable(look)
        two_branches(bench, handle)
        assert move(bench, handle, "s3", "s6")
        look()
        assert not move(bench, handle, "s5", "s3")
        assert not move(bench, handle, "s5", "s9")
        assert move(bench, handle, "s5", None)
        look()
        bench.drop_record(handle, "s5")

    compare(benches, story, disks=1, running=False)
