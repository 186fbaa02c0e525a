"""The ledger copy in a snapshot's record: how a snapshot becomes ours, or held."""

from dataclasses import replace

import pytest

from reconciler.errors import HypervisorError
from reconciler.model.ledger import EntryState, Ledger, LedgerEntry, LedgerImage
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.planning import bookkeeping
from tests.contract.bench import Bench, chain, record, seen, take

S1, S2 = SnapshotName("s1"), SnapshotName("s2")
#: what an overlay of ours would be called
OURS = ImagePath("/images/a <b> & c.qcow2")


def mark(uuid: DomainUuid, name: SnapshotName, *, is_held: bool = False) -> Ledger:
    """What is written into the record of *name*."""
    entry = LedgerEntry(name=name, uid="u<7>", state=EntryState.TAKEN, is_held=is_held)
    image = LedgerImage(path=OURS, disk=DiskTarget("vda"), snapshot=name)
    return bookkeeping.mark(Ledger(uuid=uuid, serial=5, entries=(entry,), images=(image,)), name)


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_a_record_is_marked_and_nothing_else_changes(bench: Bench, *, running: bool) -> None:
    handle = bench.domain(disks=2, running=running)
    for name in ("s1", "s2", "s3"):
        take(bench, handle, name, ["vda"] if name == "s2" else None)
    before, images = seen(bench, handle), chain(bench, handle)
    assert {r.uid for r in before.records} == {None}

    bench.host.mark_record(handle.uuid, S2, mark(handle.uuid, S2))
    bench.host.mark_record(handle.uuid, S1, mark(handle.uuid, S1, is_held=True))

    after = seen(bench, handle)
    s1, s2 = (record(bench, handle, name) for name in ("s1", "s2"))
    assert (s1.uid, s1.is_held, s1.ledger_serial) == ("u<7>", True, 5)
    assert (s2.uid, s2.is_held, s2.intent_images) == ("u<7>", False, (OURS,))
    plain = {"uid": None, "is_held": False, "intent_images": (), "ledger_serial": 0}
    assert tuple(replace(r, **plain) for r in after.records) == before.records  # type: ignore[arg-type]
    assert (after.live, after.persistent, after.ledger) == (before.live, before.persistent, None)
    assert chain(bench, handle) == images
    if running:
        bench.guest_works(handle)
        bench.demand_whole(handle)


def test_a_mark_replaces_the_one_before(bench: Bench) -> None:
    handle = bench.domain()
    bench.host.write_ledger(handle.uuid, mark(handle.uuid, S1))
    take(bench, handle, "s1")
    assert record(bench, handle, "s1").uid == "u<7>"

    bench.host.mark_record(handle.uuid, S1, mark(handle.uuid, S1, is_held=True))
    held = record(bench, handle, "s1")
    bench.host.mark_record(handle.uuid, S1, replace(mark(handle.uuid, S1), serial=6))
    ended = record(bench, handle, "s1")

    assert (held.is_held, held.ledger_serial) == (True, 5)
    assert (ended.is_held, ended.ledger_serial, ended.uid) == (False, 6, "u<7>")
    assert bench.host.read_ledger(handle.uuid) == mark(handle.uuid, S1)


def test_a_snapshot_taken_later_does_not_inherit_the_mark(bench: Bench) -> None:
    handle = bench.domain()
    take(bench, handle, "s1")
    bench.host.mark_record(handle.uuid, S1, mark(handle.uuid, S1, is_held=True))

    take(bench, handle, "s2")

    later = record(bench, handle, "s2")
    assert (later.uid, later.is_held) == (None, False)


def test_a_mark_of_another_domain_is_none(bench: Bench) -> None:
    handle, clone = bench.domain(), bench.domain()
    take(bench, clone, "s1")

    bench.host.mark_record(clone.uuid, S1, mark(handle.uuid, S1, is_held=True))

    marked = record(bench, clone, "s1")
    assert (marked.uid, marked.is_held) == (None, False)


def test_what_is_not_there_is_not_marked(bench: Bench) -> None:
    handle = bench.domain()

    with pytest.raises(HypervisorError) as caught:
        bench.host.mark_record(handle.uuid, S2, mark(handle.uuid, S2))

    assert caught.value.code == 72
    assert not seen(bench, handle).records
