"""What a revert inside the images puts back, what it keeps meanwhile, and whether anybody wrote."""

from dataclasses import replace

import pytest

from reconciler.errors import HypervisorError, StepRefused
from reconciler.model.action import RevertInternal
from reconciler.model.desired import RevertConfig
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry, LedgerRequest
from reconciler.model.names import SnapshotName
from reconciler.model.power import PowerState
from tests.contract.bench import Bench, Handle, active, image, inside, record, seen, take

I1, KEPT = SnapshotName("i1"), SnapshotName("definition of r1")
CREATED = 1_700_000_000


def ledger(handle: Handle, serial: int = 7) -> Ledger:
    """With the record that is there only meanwhile."""
    entry = LedgerEntry(name=KEPT, uid="u7", state=EntryState.DELETING, created=CREATED)
    request = LedgerRequest(request="r1", to=I1)
    return Ledger(uuid=handle.uuid, serial=serial, entries=(entry,), requests=(request,))


def with_i1(bench: Bench) -> Handle:
    """Two disks, written to since the snapshot; the definition has changed too."""
    handle = bench.domain(disks=2)
    bench.change_hardware(handle, "then")
    for number, target in enumerate(handle.targets, start=1):
        bench.write(active(bench, handle, target), 0, number)
    bench.host.create_snapshot(handle.uuid, inside(bench, handle, "i1"), quiesce=False)
    for target in handle.targets:
        bench.write(active(bench, handle, target), 0, 77)
    bench.change_hardware(handle, "now")
    return handle


def going_back(bench: Bench, handle: Handle, config: RevertConfig) -> RevertInternal:
    return RevertInternal(
        snapshot=I1,
        request="r1",
        images=tuple((t, active(bench, handle, t)) for t in handle.targets),
        memory=False,
        power=PowerState.SHUT_OFF,
        config=config,
        kept_by=None,
        definition=KEPT,
        owed=None,
    )


def test_a_kept_definition_is_defined_again_with_a_ledger(bench: Bench) -> None:
    handle = with_i1(bench)
    bench.host.write_ledger(handle.uuid, ledger(handle))
    before = seen(bench, handle)

    bench.host.keep_definition(handle.uuid, KEPT, created=CREATED)

    kept = record(bench, handle, KEPT)
    assert (kept.created, kept.uid, kept.is_current) == (CREATED, "u7", False)
    assert not kept.is_external
    assert {(d.target, d.source, d.overlay) for d in kept.disks} == {
        (target, active(bench, handle, target), None) for target in handle.targets
    }
    others = tuple(r for r in seen(bench, handle).records if r.name != KEPT)
    assert (others, seen(bench, handle).persistent) == (before.records, before.persistent)

    bench.change_hardware(handle, "then")
    bench.host.define_kept(handle.uuid, KEPT, ledger(handle, 9))

    assert bench.hardware(handle) == "now"
    assert bench.host.read_ledger(handle.uuid) == ledger(handle, 9)
    assert seen(bench, handle).persistent == before.persistent
    bench.host.forget_snapshot(handle.uuid, KEPT)
    assert seen(bench, handle).records == before.records


def test_a_disk_that_has_moved_since_is_not_moved_back(bench: Bench) -> None:
    handle = with_i1(bench)
    bench.host.keep_definition(handle.uuid, KEPT, created=CREATED)
    bench.change_hardware(handle, "then")
    take(bench, handle, "s1")
    before = seen(bench, handle)

    with pytest.raises(StepRefused):
        bench.host.define_kept(handle.uuid, KEPT, ledger(handle))

    assert seen(bench, handle) == before
    assert bench.hardware(handle) == "then"


def test_what_is_not_kept_is_not_defined(bench: Bench) -> None:
    handle = bench.domain()

    with pytest.raises(HypervisorError) as caught:
        bench.host.define_kept(handle.uuid, KEPT, ledger(handle))

    assert caught.value.code == 72


@pytest.mark.parametrize("config", RevertConfig)
def test_a_revert_installs_the_seed_and_the_definition_that_is_asked_for(
    bench: Bench, config: RevertConfig
) -> None:
    handle = with_i1(bench)
    seed, done = ledger(handle, 8), ledger(handle, 9)
    bench.host.mark_record(handle.uuid, I1, replace(seed, definition=KEPT))

    bench.host.revert_internal(handle.uuid, going_back(bench, handle, config), done)

    is_whole = config is RevertConfig.WHOLE
    assert bench.hardware(handle) == ("then" if is_whole else "now")
    expected = replace(seed, definition=KEPT) if is_whole else done
    assert bench.host.read_ledger(handle.uuid) == expected
    for number, target in enumerate(handle.targets, start=1):
        assert bench.content(active(bench, handle, target)) == {0: number}
        assert image(bench, active(bench, handle, target)).unwritten_since == ("i1",)


def test_a_revert_that_libvirt_refuses_leaves_definition_and_ledger_as_they_were(
    bench: Bench,
) -> None:
    handle = with_i1(bench)
    begun = ledger(handle, 7)
    bench.host.write_ledger(handle.uuid, begun)
    bench.host.mark_record(handle.uuid, I1, replace(ledger(handle, 8), definition=KEPT))
    action = going_back(bench, handle, RevertConfig.DISKS)
    bench.drop_inside(active(bench, handle, "vdb"), "i1")

    with pytest.raises(HypervisorError):
        bench.host.revert_internal(handle.uuid, action, ledger(handle, 9))

    assert bench.host.read_ledger(handle.uuid) == begun
    assert bench.hardware(handle) == "now"


def test_whether_anything_was_written_since_a_snapshot_inside_is_seen(bench: Bench) -> None:
    handle = bench.domain()
    path = active(bench, handle)
    bench.write(path, 0, 1)

    def take_inside(name: str) -> tuple[str, ...]:
        bench.host.create_snapshot(handle.uuid, inside(bench, handle, name), quiesce=False)
        return image(bench, path).unwritten_since

    assert image(bench, path).unwritten_since == ()
    assert take_inside("i1") == ("i1",)
    assert take_inside("i2") == ("i1", "i2")
    bench.write(path, 0, 2)
    assert image(bench, path).unwritten_since == ()
    assert take_inside("i3") == ("i3",)
    bench.write(path, 5, 3)
    assert image(bench, path).unwritten_since == ()


def test_a_guest_that_was_halted_with_its_memory_inside_has_written_nothing_since(
    bench: Bench,
) -> None:
    handle = bench.domain(running=True)
    bench.guest_works(handle)

    bench.host.create_snapshot(handle.uuid, inside(bench, handle, "i1", halts=True), quiesce=False)

    assert image(bench, active(bench, handle)).unwritten_since == ("i1",)
    bench.host.start(handle.uuid, is_paused=False)
    bench.wait_until_up(handle)
    bench.guest_works(handle)
    bench.shut_off(handle)
    assert image(bench, active(bench, handle)).unwritten_since == ()
