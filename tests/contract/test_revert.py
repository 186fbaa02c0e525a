"""Disks put on new overlays over a frozen layer, and the ledger with them."""

import pytest

from reconciler.errors import HypervisorError, StepRefused
from reconciler.model.action import NewOverlay, RevertSnapshot
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import Ledger, LedgerRequest
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from tests.contract.bench import Bench, Handle, active, chain, disk, record, seen, take

S1 = SnapshotName("s1")


def two_disks_with_a_snapshot(bench: Bench, *, running: bool = False) -> Handle:
    handle = bench.domain(disks=2, running=running)
    if not running:
        for number, target in enumerate(handle.targets, start=1):
            bench.write(active(bench, handle, target), 0, number)
    take(bench, handle, "s1")
    return handle


def going_back(
    bench: Bench, handle: Handle, *, config: RevertConfig = RevertConfig.DISKS
) -> RevertSnapshot:
    found = record(bench, handle, "s1")
    return RevertSnapshot(
        snapshot=S1,
        request="r1",
        disks=tuple(
            NewOverlay(
                target=DiskTarget(target),
                frozen=_known(found.frozen(target)),
                frozen_format="qcow2",
                overlay=ImagePath(active(bench, handle, target).replace("-s1.", "-back.")),
            )
            for target in handle.targets
        ),
        config=config,
        discards=True,
        owed=None,
    )


def _known(path: ImagePath | None) -> ImagePath:
    assert path is not None
    return path


def ledger(handle: Handle) -> Ledger:
    request = LedgerRequest(request="r1", to=S1)
    return Ledger(uuid=handle.uuid, serial=9, requests=(request,))


@pytest.mark.parametrize("config", RevertConfig)
def test_disks_and_ledger_change_in_one_define(bench: Bench, config: RevertConfig) -> None:
    handle = two_disks_with_a_snapshot(bench)
    for target in handle.targets:
        bench.write(active(bench, handle, target), 0, 77)
    action = going_back(bench, handle, config=config)

    bench.host.make_overlays(handle.uuid, action.disks)
    bench.host.define_reverted(handle.uuid, action, ledger(handle))

    for number, new in enumerate(action.disks, start=1):
        assert active(bench, handle, new.target) == new.overlay
        assert chain(bench, handle, new.target) == (new.frozen, new.overlay)
        assert bench.content(new.overlay) == {0: number}
        assert disk(bench, handle, new.target).stated is None
    assert seen(bench, handle).ledger == ledger(handle)
    assert seen(bench, handle).name == handle.name


def test_an_overlay_that_nobody_wrote_to_is_blank_and_private(bench: Bench) -> None:
    handle = two_disks_with_a_snapshot(bench)
    action = going_back(bench, handle)
    bench.host.make_overlays(handle.uuid, action.disks)
    first, second = (new.overlay for new in action.disks)
    bench.write(second, 3, 3)

    images = {image.path: image for image in bench.host.observe().images}

    assert images[first].is_blank
    assert not images[second].is_blank
    assert not images[action.disks[0].frozen].is_blank


def test_an_image_that_exists_is_never_overwritten(bench: Bench) -> None:
    handle = two_disks_with_a_snapshot(bench)
    action = going_back(bench, handle)
    bench.put_file(action.disks[0].overlay)

    with pytest.raises(StepRefused):
        bench.host.make_overlays(handle.uuid, action.disks)

    assert not bench.has_file(action.disks[1].overlay)


def test_a_domain_that_was_started_is_left_alone(bench: Bench) -> None:
    handle = two_disks_with_a_snapshot(bench, running=True)
    action = going_back(bench, handle)
    bench.host.make_overlays(handle.uuid, action.disks)
    before = active(bench, handle)

    with pytest.raises(StepRefused):
        bench.host.define_reverted(handle.uuid, action, ledger(handle))

    assert active(bench, handle) == before


def test_a_frozen_layer_that_is_gone_is_an_error(bench: Bench) -> None:
    handle = two_disks_with_a_snapshot(bench)
    action = going_back(bench, handle)
    gone = tuple(
        NewOverlay(
            target=new.target,
            frozen=ImagePath(f"{new.frozen}.gone"),
            frozen_format="qcow2",
            overlay=new.overlay,
        )
        for new in action.disks
    )

    with pytest.raises(HypervisorError):
        bench.host.make_overlays(handle.uuid, gone)
