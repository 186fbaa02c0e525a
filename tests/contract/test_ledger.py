"""The ledger in the domain's metadata."""

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.model.ledger import (
    CommitState,
    Consistency,
    EntryState,
    Fence,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    LedgerImage,
)
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from tests.contract.bench import Bench, seen, take


def full(uuid: DomainUuid) -> Ledger:
    """A ledger with everything in it."""
    return Ledger(
        uuid=uuid,
        serial=12,
        entries=(
            LedgerEntry(
                name=SnapshotName("año 1 <&>"),
                uid="u1",
                state=EntryState.TAKEN,
                created=1_700_000_000,
                consistency=Consistency.QUIESCED,
                source="git:x",
                manifest="a.yaml",
                revision="abc",
            ),
        ),
        images=(
            LedgerImage(
                path=ImagePath("/images/a b.qcow2"),
                disk=DiskTarget("vda"),
                snapshot=SnapshotName("año 1 <&>"),
            ),
        ),
        commits=(
            LedgerCommit(
                disk=DiskTarget("vda"),
                base=ImagePath("/images/base"),
                merged=(ImagePath("/images/a"), ImagePath("/images/b")),
                snapshots=(SnapshotName("s2"),),
                state=CommitState.MERGED,
            ),
        ),
        is_freezing=True,
        fence=Fence(holder="me", plan_id="sha256:1", until=datetime(2026, 1, 1, tzinfo=UTC)),
    )


def test_there_is_none_before_one_is_written(bench: Bench) -> None:
    handle = bench.domain()

    assert bench.host.read_ledger(handle.uuid) is None
    assert seen(bench, handle).ledger is None


def test_it_is_read_as_it_was_written(bench: Bench) -> None:
    handle = bench.domain()

    bench.host.write_ledger(handle.uuid, full(handle.uuid))

    assert bench.host.read_ledger(handle.uuid) == full(handle.uuid)
    assert seen(bench, handle).ledger == full(handle.uuid)


def test_a_later_one_replaces_it(bench: Bench) -> None:
    handle = bench.domain()
    bench.host.write_ledger(handle.uuid, full(handle.uuid))

    bench.host.write_ledger(handle.uuid, Ledger(uuid=handle.uuid, serial=13))

    assert bench.host.read_ledger(handle.uuid) == Ledger(uuid=handle.uuid, serial=13)


def test_written_while_it_runs_it_is_there_when_it_is_off(bench: Bench) -> None:
    handle = bench.domain(running=True)
    bench.host.write_ledger(handle.uuid, full(handle.uuid))

    bench.shut_off(handle)

    assert seen(bench, handle).ledger == full(handle.uuid)


def test_a_snapshot_does_not_take_it_away(bench: Bench) -> None:
    handle = bench.domain()
    bench.host.write_ledger(handle.uuid, full(handle.uuid))

    take(bench, handle, "s1")

    assert bench.host.read_ledger(handle.uuid) == full(handle.uuid)


def test_a_clone_has_none(bench: Bench) -> None:
    handle, clone = bench.domain(), bench.domain()

    bench.host.write_ledger(clone.uuid, replace(full(handle.uuid), serial=99))

    assert bench.host.read_ledger(clone.uuid) is None
    assert seen(bench, clone).ledger is None
    assert seen(bench, clone).ledger_problem == "foreign"
