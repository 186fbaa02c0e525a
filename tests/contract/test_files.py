"""What is done to image files that no QEMU has open."""

import pytest

from reconciler.errors import CommitNotBegun, StepRefused
from reconciler.model.action import CommitMethod
from reconciler.model.names import DiskTarget, ImagePath
from tests.contract.bench import (
    Bench,
    Handle,
    active,
    chain,
    commit,
    disk,
    seen,
    take,
)

VDA = DiskTarget("vda")


def two_snapshots(bench: Bench) -> tuple[Handle, ImagePath, ImagePath, ImagePath]:
    """``base ← s1 ← s2``: cluster 0 is 1, 2, 3 from below, and each has one of its own."""
    handle = bench.domain()
    for number, name in enumerate(("s1", "s2", ""), start=1):
        bench.write(active(bench, handle), 0, number)
        bench.write(active(bench, handle), number, 10 + number)
        if name:
            take(bench, handle, name)
    base, s1, s2 = chain(bench, handle)
    assert bench.content(s1) == {0: 2, 1: 11, 2: 12}
    assert bench.content(s2) == {0: 3, 1: 11, 2: 12, 3: 13}
    return handle, base, s1, s2


def header(bench: Bench, path: ImagePath) -> tuple[ImagePath | None, str | None]:
    """What an image says it stands on."""
    image = next(image for image in bench.host.observe().images if image.path == path)
    return image.backing, image.backing_format


def test_the_active_layer_is_merged_and_then_the_definition_is_switched(bench: Bench) -> None:
    handle, base, s1, s2 = two_snapshots(bench)
    whole = bench.content(s2)

    bench.host.commit_offline(handle.uuid, commit(s1, s2, method=CommitMethod.OFFLINE))

    assert bench.content(s1) == whole
    assert bench.content(s2) == whole
    assert chain(bench, handle) == (base, s1, s2)

    bench.host.switch_disk(handle.uuid, VDA, to=s1, image_format="qcow2")
    bench.host.switch_disk(handle.uuid, VDA, to=s1, image_format="qcow2")

    assert chain(bench, handle) == (base, s1)
    assert disk(bench, handle).stated is None
    assert bench.has_file(s2)


def test_an_image_in_the_middle_goes_and_those_above_stand_on_the_base(bench: Bench) -> None:
    handle, base, s1, s2 = two_snapshots(bench)
    branch = ImagePath(s1.replace(".qcow2", "-branch.qcow2"))
    bench.overlay_on(s1, branch)
    bench.write(branch, 5, 55)
    above = {path: bench.content(path) for path in (s2, branch)}

    bench.host.commit_offline(
        handle.uuid, commit(base, s1, method=CommitMethod.OFFLINE, rebased=(s2, branch))
    )

    assert {path: bench.content(path) for path in above} == above
    assert header(bench, s2) == header(bench, branch) == (base, "qcow2")
    assert chain(bench, handle) == (base, s2)


def test_neighbours_are_merged_in_one_pass(bench: Bench) -> None:
    handle, base, s1, s2 = two_snapshots(bench)
    whole = bench.content(s2)

    bench.host.commit_offline(handle.uuid, commit(base, s1, s2, method=CommitMethod.OFFLINE))

    assert bench.content(base) == whole


def test_merging_twice_does_no_harm(bench: Bench) -> None:
    handle, _, s1, s2 = two_snapshots(bench)
    action = commit(s1, s2, method=CommitMethod.OFFLINE)

    bench.host.commit_offline(handle.uuid, action)
    before = bench.content(s1)
    bench.host.commit_offline(handle.uuid, action)

    assert bench.content(s1) == before


def test_headers_alone_are_pointed_at_the_base(bench: Bench) -> None:
    handle, base, s1, s2 = two_snapshots(bench)
    bench.host.commit_offline(handle.uuid, commit(base, s1, method=CommitMethod.OFFLINE))
    whole = bench.content(s2)

    bench.host.rebase_images(handle.uuid, (s2,), base=base, base_format="qcow2")

    assert bench.content(s2) == whole
    assert chain(bench, handle) == (base, s2)


def test_what_a_running_guest_uses_is_not_touched(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.guest_works(handle)
    take(bench, handle, "s1")
    base, s1 = chain(bench, handle)

    with pytest.raises((StepRefused, CommitNotBegun)):
        bench.host.commit_offline(handle.uuid, commit(base, s1, method=CommitMethod.OFFLINE))
    with pytest.raises(StepRefused):
        bench.host.switch_disk(handle.uuid, VDA, to=base, image_format="qcow2")
    with pytest.raises(StepRefused):
        bench.host.remove_image(s1)

    assert chain(bench, handle) == (base, s1)
    assert bench.has_file(s1)
    bench.demand_whole(handle)


def test_a_branch_is_merged_while_its_guest_runs(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.guest_works(handle)
    base = active(bench, handle)
    take(bench, handle, "s1")
    low = ImagePath(base.replace(".qcow2", "-low.qcow2"))
    top = ImagePath(base.replace(".qcow2", "-top.qcow2"))
    bench.overlay_on(base, low)
    bench.overlay_on(low, top)

    bench.host.commit_offline(handle.uuid, commit(low, top, method=CommitMethod.OFFLINE))

    assert bench.content(low) == bench.content(top)
    bench.demand_whole(handle)


def test_an_image_is_removed_and_one_that_has_gone_is_removed(bench: Bench) -> None:
    handle = bench.domain()
    stray = ImagePath(active(bench, handle).replace(".qcow2", "-stray.qcow2"))
    bench.overlay_on(active(bench, handle), stray)

    bench.host.remove_image(stray)
    bench.host.remove_image(stray)

    assert not bench.has_file(stray)
    assert bench.has_file(active(bench, handle))
    assert stray not in {image.path for image in bench.host.observe().images}


def test_a_missing_image_is_seen_to_be_missing(bench: Bench) -> None:
    handle, base, s1, s2 = two_snapshots(bench)
    bench.host.remove_image(s1)

    images = {image.path: image for image in bench.host.observe().images}
    assert disk(bench, handle).chain is None
    assert (images[s1].presence, images[s2].presence) == ("missing", "present")
    assert images[base].is_examined
    assert not images[s1].is_examined
    assert seen(bench, handle).record("s1") is not None
