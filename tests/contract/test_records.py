"""libvirt's records: forgotten and written anew."""

import pytest

from reconciler.errors import HypervisorError
from reconciler.model.action import RedefineSnapshot, SourceChange
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from tests.contract.bench import Bench, Handle, chain, record, seen, take

VDA = DiskTarget("vda")
S1, S2, S3 = SnapshotName("s1"), SnapshotName("s2"), SnapshotName("s3")

both = pytest.mark.parametrize("running", [True, False], ids=["running", "off"])


def three_snapshots(bench: Bench, *, running: bool = False) -> Handle:
    """``base ← s1 ← s2 ← s3`` on two disks."""
    handle = bench.domain(disks=2, running=running)
    for name in ("s1", "s2", "s3"):
        take(bench, handle, name)
    return handle


@both
def test_forgetting_leaves_what_the_children_say_and_every_image(
    bench: Bench, *, running: bool
) -> None:
    handle = three_snapshots(bench, running=running)
    before = seen(bench, handle)
    disks = {name: record(bench, handle, name).disks for name in ("s1", "s3")}

    bench.host.forget_snapshot(handle.uuid, S2)

    after = seen(bench, handle)
    assert [(r.name, r.parent) for r in after.records] == [("s1", None), ("s3", "s1")]
    assert {name: record(bench, handle, name).disks for name in disks} == disks
    assert (after.live, after.persistent) == (before.live, before.persistent)
    assert all(bench.has_file(path) for path in chain(bench, handle))


def test_the_current_one_forgotten_its_parent_is_current(bench: Bench) -> None:
    handle = three_snapshots(bench)

    bench.host.forget_snapshot(handle.uuid, S3)

    current = seen(bench, handle).current
    assert current is not None
    assert current.name == "s2"


def test_another_one_forgotten_the_current_one_stays(bench: Bench) -> None:
    handle = three_snapshots(bench)

    bench.host.forget_snapshot(handle.uuid, S1)

    assert record(bench, handle, "s3").is_current
    assert record(bench, handle, "s2").parent is None


def test_what_is_forgotten_can_be_forgotten_again(bench: Bench) -> None:
    handle = three_snapshots(bench)
    bench.host.forget_snapshot(handle.uuid, S2)
    before = seen(bench, handle)

    bench.host.forget_snapshot(handle.uuid, S2)

    assert seen(bench, handle) == before


@both
def test_a_description_is_changed_and_nothing_else(bench: Bench, *, running: bool) -> None:
    handle = three_snapshots(bench, running=running)
    before = {name: record(bench, handle, name) for name in ("s1", "s2", "s3")}

    bench.host.redefine_snapshot(
        handle.uuid, RedefineSnapshot(snapshot=S2, description="señal <2> & more")
    )

    after = record(bench, handle, "s2")
    assert after.description == "señal <2> & more"
    assert (after.disks, after.parent, after.created) == (
        before["s2"].disks,
        before["s2"].parent,
        before["s2"].created,
    )
    assert record(bench, handle, "s1") == before["s1"]
    assert record(bench, handle, "s3") == before["s3"]


@both
def test_an_images_path_is_put_right_on_one_disk(bench: Bench, *, running: bool) -> None:
    handle = three_snapshots(bench, running=running)
    base = chain(bench, handle)[0]
    other = ImagePath(f"{base}.other")
    before = record(bench, handle, "s3")

    bench.host.redefine_snapshot(
        handle.uuid,
        RedefineSnapshot(
            snapshot=S3,
            sources=(SourceChange(target=VDA, source=base, source_format="qcow2", overlay=other),),
        ),
    )

    after = record(bench, handle, "s3")
    said = after.disk(VDA)
    assert said is not None
    assert (said.source, said.source_format, said.overlay) == (base, "qcow2", other)
    assert after.disk(DiskTarget("vdb")) == before.disk(DiskTarget("vdb"))
    assert after.inactive_sources == ()
    assert after.is_current


def test_the_current_pointer_is_moved(bench: Bench) -> None:
    handle = three_snapshots(bench)

    bench.host.redefine_snapshot(handle.uuid, RedefineSnapshot(snapshot=S1, make_current=True))

    assert [r.name for r in seen(bench, handle).records if r.is_current] == ["s1"]
    take(bench, handle, "s4")
    assert record(bench, handle, "s4").parent == "s1"


def test_what_is_not_there_is_not_redefined(bench: Bench) -> None:
    handle = three_snapshots(bench)

    with pytest.raises(HypervisorError) as caught:
        bench.host.redefine_snapshot(
            handle.uuid, RedefineSnapshot(snapshot=SnapshotName("s9"), description="x")
        )

    assert caught.value.code == 72
    assert seen(bench, handle).record("s9") is None
