"""Disks on block devices: the overlay is a file, and what is merged ends on the device."""

import pytest

from reconciler.errors import HypervisorError, StepRefused
from reconciler.model.action import CommitMethod, CommitOverlays
from reconciler.model.chain import Image
from reconciler.model.domain import DiskKind
from reconciler.model.names import DiskTarget, ImagePath
from tests.contract.bench import (
    Bench,
    Handle,
    active,
    chain,
    commit,
    disk,
    go_on,
    image,
    nothing,
    record,
    seen,
    take,
)

VDA = DiskTarget("vda")
both = pytest.mark.parametrize("running", [True, False], ids=["running", "off"])


def into_device(device: ImagePath, *merged: ImagePath, method: CommitMethod) -> CommitOverlays:
    """Merge into a raw device."""
    return commit(device, *merged, method=method, base_format="raw")


def kinds(bench: Bench, handle: Handle) -> list[tuple[DiskKind, ImagePath | None, str]]:
    """What each definition says of the disk."""
    return [
        (each.kind, each.source, each.format)
        for definition in seen(bench, handle).definitions
        for each in definition
    ]


@both
def test_the_overlay_is_a_file_and_the_device_is_known_as_one(
    bench: Bench, *, running: bool
) -> None:
    handle = bench.on_device(running=running)
    device = active(bench, handle)
    definitions = 2 if running else 1
    assert kinds(bench, handle) == [(DiskKind.BLOCK, device, "raw")] * definitions

    (new,) = take(bench, handle, "s1").overlays

    assert kinds(bench, handle) == [(DiskKind.FILE, new.overlay, "qcow2")] * definitions
    assert chain(bench, handle) == (device, new.overlay)
    below: Image = image(bench, device)
    assert below.is_device
    assert below.device_size == below.virtual_size == image(bench, new.overlay).virtual_size
    assert below.allocated is None
    assert not image(bench, new.overlay).is_device
    said = record(bench, handle, "s1").disk(VDA)
    assert said is not None
    assert (said.source, said.source_format, said.overlay) == (device, "raw", new.overlay)


def test_a_running_guest_is_pivoted_onto_the_device(bench: Bench) -> None:
    handle = bench.on_device(running=True)
    device = active(bench, handle)
    take(bench, handle, "s1")
    take(bench, handle, "s2")
    _, s1, s2 = chain(bench, handle)

    low = into_device(device, s1, method=CommitMethod.LIVE)
    bench.host.commit_live(handle.uuid, low, bandwidth=0, progress=nothing, stop_asked=go_on)
    assert chain(bench, handle) == (device, s2)
    assert image(bench, s2).backing == device
    top = into_device(device, s2, method=CommitMethod.ACTIVE)
    bench.host.commit_live(handle.uuid, top, bandwidth=0, progress=nothing, stop_asked=go_on)
    bench.host.pivot(handle.uuid, VDA)

    assert kinds(bench, handle) == [(DiskKind.BLOCK, device, "raw")] * 2
    assert chain(bench, handle) == (device,)


def test_offline_the_data_goes_into_the_device_and_the_definition_back_to_it(bench: Bench) -> None:
    handle = bench.on_device()
    device = active(bench, handle)
    for number, name in enumerate(("s1", "s2", "s3"), start=1):
        bench.write(active(bench, handle), 0, number)
        bench.write(active(bench, handle), number, 10 + number)
        take(bench, handle, name)
    _, s1, s2, s3 = chain(bench, handle)
    whole = bench.content(s3)
    offline = CommitMethod.OFFLINE

    low = commit(device, s1, method=offline, base_format="raw", rebased=(s2,))
    bench.host.commit_offline(handle.uuid, low)
    assert (image(bench, s2).backing, image(bench, s2).backing_format) == (device, "raw")
    bench.host.commit_offline(handle.uuid, into_device(device, s2, s3, method=offline))
    bench.host.switch_disk(handle.uuid, VDA, to=device, image_format="raw")

    assert bench.content(device) == whole == {0: 3, 1: 11, 2: 12, 3: 13}
    assert kinds(bench, handle) == [(DiskKind.BLOCK, device, "raw")]
    assert disk(bench, handle).stated is None
    for path in (s1, s2, s3):
        bench.host.remove_image(path)
    assert bench.content(active(bench, handle)) == whole


def test_a_device_is_not_removed(bench: Bench) -> None:
    handle = bench.on_device()
    device = active(bench, handle)

    with pytest.raises(StepRefused):
        bench.host.remove_image(device)

    assert bench.has_file(device)
    assert image(bench, device).is_device


def test_what_has_outgrown_the_device_cannot_be_merged(bench: Bench) -> None:
    handle = bench.on_device()
    device = active(bench, handle)
    take(bench, handle, "s1")
    _, s1 = chain(bench, handle)
    bench.write(s1, 1, 11)
    bench.grow(s1)

    with pytest.raises(HypervisorError):
        bench.host.commit_offline(handle.uuid, into_device(device, s1, method=CommitMethod.OFFLINE))

    assert chain(bench, handle) == (device, s1)
    assert bench.content(s1)[1] == 11
