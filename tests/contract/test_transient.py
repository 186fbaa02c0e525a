"""A domain that exists only while it runs."""

from dataclasses import replace

import pytest

from reconciler.errors import HypervisorError, StepRefused
from reconciler.model.action import CommitMethod
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry
from reconciler.model.names import SnapshotName
from reconciler.model.power import PowerState
from reconciler.planning import bookkeeping
from tests.contract.bench import (
    Bench,
    chain,
    commit,
    disk,
    go_on,
    nothing,
    record,
    seen,
    snapshot_of,
    take,
    with_memory,
)

S1 = SnapshotName("s1")


def test_it_has_snapshots_until_it_stops(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.undefine(handle)
    assert seen(bench, handle).persistent is None
    entry = LedgerEntry(name=S1, uid="u<7>", state=EntryState.TAKEN)
    ledger = Ledger(uuid=handle.uuid, serial=5, entries=(entry,))

    bench.host.write_ledger(handle.uuid, ledger)
    take(bench, handle, "s1")
    bench.guest_works(handle)
    bench.host.create_snapshot(handle.uuid, with_memory(bench, handle, "s2"), quiesce=False)
    bench.host.mark_record(handle.uuid, S1, bookkeeping.mark(ledger, S1))

    assert bench.host.read_ledger(handle.uuid) == ledger
    assert record(bench, handle, "s1").uid == "u<7>"
    assert not record(bench, handle, "s1").inactive_sources
    base, one, two = chain(bench, handle)
    action = commit(one, two, method=CommitMethod.ACTIVE)
    bench.host.commit_live(handle.uuid, action, bandwidth=0, progress=nothing, stop_asked=go_on)
    bench.host.pivot(handle.uuid, handle.targets[0])
    bench.host.forget_snapshot(handle.uuid, SnapshotName("s2"))
    assert chain(bench, handle) == (base, one)
    bench.demand_whole(handle)

    halting = with_memory(bench, handle, "s3", halts=True)
    with pytest.raises(HypervisorError) as caught:
        bench.host.create_snapshot(handle.uuid, halting, quiesce=False)
    assert caught.value.code == 55
    with pytest.raises(StepRefused):
        bench.host.shut_down(handle.uuid, timeout=60, then_destroy=True, stop_asked=go_on)
    assert seen(bench, handle).power is PowerState.RUNNING

    bench.create_anew(handle)

    after = seen(bench, handle)
    assert (after.records, after.persistent) == ((), None)
    assert bench.host.read_ledger(handle.uuid) == ledger  # the dump has it
    assert chain(bench, handle) == (base, one)
    assert disk(bench, handle).stated is None
    bench.host.create_snapshot(
        handle.uuid, replace(snapshot_of(bench, handle, "s4"), parent=None), quiesce=False
    )


def test_defined_again_it_keeps_what_it_had(bench: Bench) -> None:
    handle = bench.domain(running=True)
    take(bench, handle, "s1")
    bench.undefine(handle)
    take(bench, handle, "s2")

    bench.define_again(handle)

    after = seen(bench, handle)
    assert [r.name for r in after.records] == ["s1", "s2"]
    assert after.persistent is not None
    assert after.persistent[0].source == chain(bench, handle)[-1]
    bench.shut_off(handle)
    assert len(seen(bench, handle).records) == 2
