"""Memory, and snapshots inside the images."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import HypervisorError, StepRefused, VirtsnapError
from reconciler.model.action import (
    CommitMethod,
    CreateSnapshot,
    DeleteSnapshot,
    RevertInternal,
)
from reconciler.model.chain import MEMORY_FORMAT, Presence
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Ledger
from reconciler.model.names import SnapshotName
from reconciler.model.power import PowerState
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from tests.contract.bench import (
    Bench,
    Handle,
    RealBench,
    active,
    chain,
    commit,
    go_on,
    image,
    inside,
    nothing,
    record,
    seen,
    take,
    with_memory,
)


def do(bench: Bench, handle: Handle, action: CreateSnapshot) -> CreateSnapshot:
    """Take a snapshot of any kind."""
    bench.host.create_snapshot(handle.uuid, action, quiesce=False)
    return action


def deletion(bench: Bench, handle: Handle, name: str) -> DeleteSnapshot:
    """Of an internal snapshot."""
    taken = record(bench, handle, name)
    images = tuple((d.target, d.source) for d in taken.disks if d.source is not None)
    return DeleteSnapshot(snapshot=taken.name, images=images)


# --- memory beside overlays


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_memory_lies_beside_the_overlays_and_the_guest_goes_on(
    bench: Bench, *, paused: bool
) -> None:
    handle = bench.domain(disks=2, running=True)
    bench.guest_works(handle)
    if paused:
        bench.pause(handle)
    power = seen(bench, handle).power

    action = do(bench, handle, with_memory(bench, handle, "s1"))

    found = record(bench, handle, "s1")
    assert (found.memory, found.memory_file) == (MemoryCapture.EXTERNAL, action.memory_file)
    assert found.state == power
    assert found.is_external
    assert action.memory_file in found.mentions
    for new in action.overlays:
        assert chain(bench, handle, new.target)[-2:] == (new.frozen, new.overlay)
    assert action.memory_file is not None
    memory = image(bench, action.memory_file)
    assert (memory.format, memory.presence) == (MEMORY_FORMAT, Presence.PRESENT)
    assert (memory.is_examined, memory.backing) == (True, None)
    if isinstance(bench, RealBench):
        assert Path(action.memory_file).stat().st_mode & 0o777 == 0o600
    assert seen(bench, handle).power is power
    if paused:
        bench.resume(handle)
    bench.demand_whole(handle)


def test_a_file_in_the_place_of_the_memory_is_not_written_over(bench: Bench) -> None:
    handle = bench.domain(running=True)
    action = with_memory(bench, handle, "s1")
    assert action.memory_file is not None
    bench.put_file(action.memory_file)
    before = seen(bench, handle)

    with pytest.raises(StepRefused):
        do(bench, handle, action)

    assert seen(bench, handle) == before
    if isinstance(bench, RealBench):
        assert Path(action.memory_file).read_text() == "somebody's file"


def test_a_domain_that_is_off_has_no_memory_to_keep(bench: Bench) -> None:
    handle = bench.domain()
    action = with_memory(bench, handle, "s1")

    with pytest.raises(StepRefused):
        do(bench, handle, action)

    assert seen(bench, handle).records == ()
    assert action.memory_file is not None
    assert not bench.has_file(action.memory_file)


def test_a_guest_that_is_halted_writes_nothing_after_that_moment(bench: Bench) -> None:
    handle = bench.domain(disks=2, running=True)
    bench.guest_works(handle)

    action = do(bench, handle, with_memory(bench, handle, "s1", halts=True))

    assert seen(bench, handle).power is PowerState.SHUT_OFF
    assert record(bench, handle, "s1").state == "running"
    for new in action.overlays:
        assert active(bench, handle, new.target) == new.overlay
        assert bench.content(new.overlay) == bench.content(new.frozen) != {}


def test_after_the_memory_of_a_paused_guest_was_saved_nothing_is_merged_until_it_goes_on(
    bench: Bench,
) -> None:
    handle = bench.domain(running=True)
    bench.guest_works(handle)
    bench.pause(handle)
    action = do(bench, handle, with_memory(bench, handle, "s1"))
    new = action.overlays[0]
    merge = commit(new.frozen, new.overlay, method=CommitMethod.ACTIVE)

    def merged() -> None:
        bench.host.commit_live(handle.uuid, merge, bandwidth=0, progress=nothing, stop_asked=go_on)

    with pytest.raises(HypervisorError):
        merged()
    with pytest.raises(VirtsnapError):
        do(bench, handle, with_memory(bench, handle, "s2"))
    assert chain(bench, handle)[-1] == new.overlay
    assert [r.name for r in seen(bench, handle).records] == ["s1"]
    assert seen(bench, handle).holds_images is False

    bench.resume(handle)
    assert seen(bench, handle).holds_images is None
    bench.pause(handle)
    assert seen(bench, handle).holds_images is True
    merged()
    bench.host.pivot(handle.uuid, new.target)

    assert chain(bench, handle)[-1] == new.frozen
    bench.resume(handle)
    bench.demand_whole(handle)


# --- inside the images


def test_a_snapshot_inside_the_images_of_a_shut_off_domain(bench: Bench) -> None:
    handle = bench.domain(disks=2)
    images = {target: active(bench, handle, target) for target in handle.targets}
    for path in images.values():
        bench.write(path, 1, 11)

    do(bench, handle, inside(bench, handle, "i1"))
    for path in images.values():
        bench.write(path, 1, 12)

    found = record(bench, handle, "i1")
    assert (found.memory, found.state, found.is_current) == (MemoryCapture.NONE, "shutoff", True)
    assert not found.is_external
    for target, path in images.items():
        assert active(bench, handle, target) == path
        assert image(bench, path).internal_snapshots == ("i1",)
        said = found.disk(target)
        assert said is not None
        assert (said.capture, said.source, said.overlay) == (DiskCapture.INTERNAL, path, None)
        assert bench.content(path) == {1: 12}
        assert bench.content_inside(path, "i1") == {1: 11}


def test_deleting_one_leaves_the_others_and_what_the_guest_sees(bench: Bench) -> None:
    handle = bench.domain()
    path = active(bench, handle)
    for number, name in enumerate(("i1", "i2", "i3"), start=1):
        bench.write(path, 1, number)
        do(bench, handle, inside(bench, handle, name))
    bench.write(path, 1, 9)

    bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "i2"))
    bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "i3"))

    assert [(r.name, r.parent, r.is_current) for r in seen(bench, handle).records] == [
        ("i1", None, True)
    ]
    assert image(bench, path).internal_snapshots == ("i1",)
    assert bench.content(path) == {1: 9}
    assert bench.content_inside(path, "i1") == {1: 1}


def test_qemu_goes_back_by_the_number_and_deletes_by_the_name(bench: Bench) -> None:
    handle = bench.domain()
    path = active(bench, handle)
    for number, name in ((1, "2"), (2, "1")):
        bench.write(path, 1, number)
        do(bench, handle, inside(bench, handle, name))
    bench.write(path, 1, 9)
    found = image(bench, path)
    assert (found.internal_snapshots, found.internal_ids) == (("2", "1"), ("1", "2"))
    assert found.mistaken_for("1") == "2"

    bench.host.revert_internal(
        handle.uuid, going_back(bench, handle, "1"), Ledger(uuid=handle.uuid)
    )
    assert bench.content(path) == {1: 1}  # that is what 2 holds

    bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "1"))
    assert image(bench, path).internal_snapshots == ("2",)
    assert bench.content_inside(path, "2") == {1: 1}


def test_a_running_guest_deletes_by_the_name_too(bench: Bench) -> None:
    handle = bench.domain(running=True)
    path = active(bench, handle)
    for name in ("2", "1"):
        do(bench, handle, inside(bench, handle, name))

    bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "2"))

    assert image(bench, path).internal_snapshots == ("1",)
    assert image(bench, path).internal_ids == ("2",)


def going_back(bench: Bench, handle: Handle, name: str) -> RevertInternal:
    return RevertInternal(
        snapshot=SnapshotName(name),
        request="r1",
        images=tuple((t, active(bench, handle, t)) for t in handle.targets),
        memory=False,
        power=PowerState.SHUT_OFF,
        config=RevertConfig.DISKS,
        kept_by=None,
        definition=None,
        owed=None,
    )


def test_with_memory_inside_the_images_of_a_running_guest_and_deleted_again(bench: Bench) -> None:
    handle = bench.domain(disks=2, running=True)
    bench.guest_works(handle)

    do(bench, handle, inside(bench, handle, "i1"))

    found = record(bench, handle, "i1")
    assert (found.memory, found.memory_file) == (MemoryCapture.INTERNAL, None)
    assert found.state == "running"
    domain = seen(bench, handle)
    assert domain.power is PowerState.RUNNING
    paths = [active(bench, handle, target) for target in handle.targets]
    assert [image(bench, path).internal_snapshots for path in paths] == [("i1",), ("i1",)]

    bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "i1"))

    assert seen(bench, handle).records == ()
    assert [image(bench, path).internal_snapshots for path in paths] == [(), ()]
    bench.demand_whole(handle)


def test_a_guest_halted_for_one_inside_its_image_writes_nothing_more(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.guest_works(handle)

    do(bench, handle, inside(bench, handle, "i1", halts=True))

    assert seen(bench, handle).power is PowerState.SHUT_OFF
    path = active(bench, handle)
    assert bench.content(path) == bench.content_inside(path, "i1") != {}


def test_one_inside_a_frozen_layer_is_deleted_while_off_and_the_layer_keeps_what_it_holds(
    bench: Bench,
) -> None:
    handle = bench.domain()
    base = active(bench, handle)
    bench.write(base, 1, 1)
    do(bench, handle, inside(bench, handle, "i1"))
    bench.write(base, 1, 2)
    taken = take(bench, handle, "s1")

    bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "i1"))

    assert image(bench, base).internal_snapshots == ()
    assert bench.content(base) == bench.content(taken.overlays[0].overlay) == {1: 2}
    assert [(r.name, r.parent, r.is_current) for r in seen(bench, handle).records] == [
        ("s1", None, True)
    ]


def test_one_inside_a_frozen_layer_is_not_deleted_while_the_guest_runs(bench: Bench) -> None:
    handle = bench.domain(running=True)
    base = active(bench, handle)
    do(bench, handle, inside(bench, handle, "i1"))
    take(bench, handle, "s1")

    with pytest.raises(VirtsnapError):
        bench.host.delete_snapshot(handle.uuid, deletion(bench, handle, "i1"))

    assert image(bench, base).internal_snapshots == ("i1",)
    assert [r.name for r in seen(bench, handle).records] == ["i1", "s1"]


def test_inside_the_images_means_all_of_them(bench: Bench) -> None:
    handle = bench.domain(disks=2)
    action = inside(bench, handle, "i1")
    some = replace(action, internal=handle.targets[:1], skipped=handle.targets[1:])

    with pytest.raises(HypervisorError) as caught:
        do(bench, handle, some)

    assert caught.value.code == 67
    assert seen(bench, handle).records == ()
