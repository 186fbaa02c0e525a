"""Taking snapshots."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.errors import AgentError, HypervisorError, PathTaken, StepRefused, VirtsnapError
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry, LedgerImage
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.snapshot import DiskCapture, MemoryCapture
from tests.contract.bench import (
    Bench,
    active,
    chain,
    disk,
    record,
    seen,
    snapshot_of,
    take,
    with_memory,
)

both = pytest.mark.parametrize("running", [True, False], ids=["running", "off"])


@both
def test_every_disk_gets_its_overlay_and_stays_formatted_as_said(
    bench: Bench, *, running: bool
) -> None:
    handle = bench.domain(disks=2, running=running)
    bases = {target: active(bench, handle, target) for target in handle.targets}

    action = take(bench, handle, "s1")

    for new in action.overlays:
        assert chain(bench, handle, new.target) == (bases[new.target], new.overlay)
        assert disk(bench, handle, new.target).format == "qcow2"
        assert bench.has_file(new.overlay)
    for definition in seen(bench, handle).definitions:
        assert [d.source for d in definition] == [new.overlay for new in action.overlays]


@both
def test_the_record_says_what_was_frozen(bench: Bench, *, running: bool) -> None:
    handle = bench.domain(disks=2, running=running)
    now = bench.host.observe().observed_at

    action = take(bench, handle, "s1")

    found = record(bench, handle, "s1")
    assert found.is_current
    assert found.parent is None
    assert found.description == "about s1"
    assert found.memory is MemoryCapture.NONE
    assert found.state == ("disk-snapshot" if running else "shutoff")
    assert abs(found.created - now.timestamp()) < timedelta(minutes=2).total_seconds()
    assert found.is_external
    assert found.uid is None
    for new in action.overlays:
        said = found.disk(new.target)
        assert said is not None
        assert (said.source, said.source_format) == (new.frozen, new.frozen_format)
        assert said.overlay == new.overlay


def test_the_next_one_is_a_child_of_the_current_one(bench: Bench) -> None:
    handle = bench.domain()
    take(bench, handle, "s1")
    take(bench, handle, "s2")

    assert [(r.name, r.parent, r.is_current) for r in seen(bench, handle).records] == [
        ("s1", None, False),
        ("s2", "s1", True),
    ]


@both
def test_a_disk_left_out_stays_as_it_is_and_is_mentioned(bench: Bench, *, running: bool) -> None:
    handle = bench.domain(disks=2, running=running)
    untouched = active(bench, handle, "vdb")

    take(bench, handle, "s1", ["vda"])

    assert chain(bench, handle, "vdb") == (untouched,)
    said = record(bench, handle, "s1").disk(DiskTarget("vdb"))
    assert said is not None
    assert (said.capture, said.source) == (DiskCapture.SKIPPED, untouched)
    assert said.overlay is None
    assert said.is_writable


@both
def test_a_file_that_exists_is_refused_and_no_disk_is_changed(
    bench: Bench, *, running: bool
) -> None:
    handle = bench.domain(disks=2, running=running)
    action = snapshot_of(bench, handle, "s1")
    bench.put_file(action.overlays[1].overlay)
    before = seen(bench, handle)

    with pytest.raises(VirtsnapError):
        bench.host.create_snapshot(handle.uuid, action, quiesce=False)

    after = seen(bench, handle)
    assert (after.live, after.persistent, after.records) == (before.live, before.persistent, ())
    assert not bench.has_file(action.overlays[0].overlay)
    assert bench.has_file(action.overlays[1].overlay)


@both
def test_an_overlay_that_cannot_be_made_leaves_no_disk_changed(
    bench: Bench, *, running: bool
) -> None:
    handle = bench.domain(disks=2, running=running)
    action = snapshot_of(bench, handle, "s1")
    nowhere = replace(action.overlays[1], overlay=ImagePath("/no/such/folder/x.qcow2"))
    before = seen(bench, handle)

    with pytest.raises(VirtsnapError):
        bench.host.create_snapshot(
            handle.uuid, replace(action, overlays=(action.overlays[0], nowhere)), quiesce=False
        )

    after = seen(bench, handle)
    assert (after.live, after.persistent, after.records) == (before.live, before.persistent, ())


@pytest.mark.parametrize("name", ["before the upgrade", "año-nuevo ✓", "v1.0", "a&b<c>'\""])
def test_a_name_may_be_any_text(bench: Bench, name: str) -> None:
    handle = bench.domain()

    take(bench, handle, "s0")
    action = replace(snapshot_of(bench, handle, "plain"), snapshot=SnapshotName(name))
    bench.host.create_snapshot(handle.uuid, action, quiesce=False)

    assert [r.name for r in seen(bench, handle).records] == ["s0", name]


def test_a_name_is_taken_once(bench: Bench) -> None:
    handle = bench.domain()
    take(bench, handle, "s1")
    before = seen(bench, handle)
    again = snapshot_of(bench, handle, "s1")
    other = replace(
        again.overlays[0], overlay=ImagePath(again.overlays[0].overlay.replace(".qcow2", ".b"))
    )

    with pytest.raises(HypervisorError) as caught:
        bench.host.create_snapshot(handle.uuid, replace(again, overlays=(other,)), quiesce=False)

    assert caught.value.code is not None
    assert seen(bench, handle) == before


def test_a_disk_that_has_moved_on_is_refused(bench: Bench) -> None:
    handle = bench.domain()
    stale = snapshot_of(bench, handle, "s2")
    take(bench, handle, "s1")

    with pytest.raises(StepRefused):
        bench.host.create_snapshot(handle.uuid, stale, quiesce=False)

    assert [r.name for r in seen(bench, handle).records] == ["s1"]


def test_a_record_is_born_with_the_intent_that_names_it(bench: Bench) -> None:
    handle = bench.domain(running=True)
    action = snapshot_of(bench, handle, "s1")
    overlay = action.overlays[0]
    entry = LedgerEntry(name=action.snapshot, uid="u7", state=EntryState.CREATING)
    image = LedgerImage(path=overlay.overlay, disk=overlay.target, snapshot=action.snapshot)
    ledger = Ledger(uuid=handle.uuid, serial=3, entries=(entry,), images=(image,))
    bench.host.write_ledger(handle.uuid, ledger)

    bench.host.create_snapshot(handle.uuid, action, quiesce=False)
    later = replace(ledger, serial=4, entries=(replace(entry, state=EntryState.TAKEN),))
    bench.host.write_ledger(handle.uuid, later)
    take(bench, handle, "by-hand")

    found = record(bench, handle, "s1")
    assert (found.uid, found.intent_images, found.ledger_serial) == ("u7", (overlay.overlay,), 3)
    other = record(bench, handle, "by-hand")
    assert (other.uid, other.intent_images, other.ledger_serial) == (None, (), 4)


def test_a_quiesced_guest_goes_on_afterwards(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.guest_works(handle)

    take(bench, handle, "s1", quiesce=True)

    assert not bench.host.freeze_status(handle.uuid)
    bench.demand_whole(handle)


def test_an_agent_that_hangs_is_given_up_and_the_guest_ends_thawed(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.agent_hangs(handle)

    with pytest.raises(AgentError):
        take(bench, handle, "s1", quiesce=True)
    bench.host.thaw(handle.uuid)

    assert seen(bench, handle).records == ()
    assert not bench.host.freeze_status(handle.uuid)


def test_a_guest_that_somebody_froze_is_left_to_them(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.freeze(handle)

    with pytest.raises(AgentError):
        take(bench, handle, "s1", quiesce=True)

    assert bench.host.freeze_status(handle.uuid)
    assert seen(bench, handle).records == ()
    bench.host.thaw(handle.uuid)
    assert not bench.host.freeze_status(handle.uuid)


def test_without_an_agent_nothing_is_quiesced_or_taken(bench: Bench) -> None:
    handle = bench.domain(running=True, agent=False)
    before = seen(bench, handle)

    with pytest.raises(AgentError):
        take(bench, handle, "s1", quiesce=True)

    assert seen(bench, handle).records == ()
    assert seen(bench, handle).live == before.live


def test_a_domain_that_is_not_there_is_an_error_with_libvirts_code(bench: Bench) -> None:
    nobody = DomainUuid("11111111-2222-4333-8444-555555555555")

    with pytest.raises(HypervisorError) as caught:
        bench.host.read_ledger(nobody)

    assert caught.value.code == 42
    assert str(caught.value).startswith("cannot ")


@pytest.mark.parametrize("memory", [False, True], ids=["off", "memory"])
def test_what_is_made_is_the_file_that_was_reserved(bench: Bench, *, memory: bool) -> None:
    handle = bench.domain(running=memory)
    action = with_memory(bench, handle, "s1") if memory else snapshot_of(bench, handle, "s1")

    with bench.host.reserve(handle.uuid, action.new_files) as reserved:
        assert all(reserved.is_empty(path) for path in action.new_files)
        with pytest.raises(PathTaken) as met:
            bench.host.create_snapshot(handle.uuid, action, quiesce=False)
        assert met.value.path in action.new_files
        bench.host.create_snapshot(handle.uuid, action, quiesce=False, reserved=reserved)

        for path in action.new_files:
            assert reserved.keeps(path)
            assert not reserved.is_empty(path)
    assert record(bench, handle, "s1").is_external
    for new in action.overlays:
        assert active(bench, handle, new.target) == new.overlay
