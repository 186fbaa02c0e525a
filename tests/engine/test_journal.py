"""The journal on this machine: what it keeps of a ledger, and that damage to it does no harm."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.engine.journal import FileJournal
from reconciler.model.ledger import (
    MEMORY,
    EntryState,
    Fence,
    Ledger,
    LedgerCommit,
    LedgerEntry,
    LedgerImage,
    LedgerRequest,
    Remembered,
    RequestState,
    unfinished,
)
from reconciler.model.names import DiskTarget, DomainUuid, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState

WEB01 = DomainUuid("00000000-0000-4000-8000-000000000001")
S1, S2 = SnapshotName("s1"), SnapshotName("s2")
A, B = ImagePath("/images/a.qcow2"), ImagePath("/images/b \udcff.qcow2")
VDA = DiskTarget("vda")
LEDGER = Ledger(
    uuid=WEB01,
    serial=7,
    entries=(
        LedgerEntry(name=S1, uid="u1", state=EntryState.TAKEN, created=1),
        LedgerEntry(name=S2, uid="u2", state=EntryState.DELETING, created=2),
    ),
    images=(
        LedgerImage(path=B, disk=VDA, snapshot=S2),
        LedgerImage(path=ImagePath("/images/m.save"), disk=MEMORY, snapshot=S1, is_given_up=True),
    ),
    commits=(LedgerCommit(disk=VDA, base=A, merged=(B,), snapshots=(S2,)),),
    requests=(
        LedgerRequest(request="r1", to=S1),
        LedgerRequest(request="r2", to=S1, state=RequestState.BEGUN),
    ),
    owed=PowerOwed(state=PowerState.PAUSED),
    fence=Fence(holder="root@kvm01 1", plan_id="x", until=datetime(2026, 1, 1, tzinfo=UTC)),
)


def test_what_is_unfinished_and_the_images_are_read_again_as_they_were(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)

    journal.confirm(WEB01, ledger=LEDGER)

    found = journal.remembered(WEB01)
    assert found == Remembered(serial=7, requests=LEDGER.requests[:1], last=unfinished(LEDGER))
    assert found.last is not None
    assert found.last.entries == LEDGER.entries[1:]
    assert found.last.requests == LEDGER.requests[1:]
    assert found.last.images == LEDGER.images
    assert found.last.fence is None


def test_the_last_ledger_counts_and_what_was_done_is_kept_for_ever(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.confirm(WEB01, ledger=LEDGER)

    journal.confirm(WEB01, ledger=Ledger(uuid=WEB01, serial=8))

    last = Ledger(uuid=WEB01, serial=8)
    assert journal.remembered(WEB01) == Remembered(
        serial=8, requests=LEDGER.requests[:1], last=last
    )


def test_a_damaged_journal_is_none_and_one_without_a_ledger_says_the_rest(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    file = tmp_path / f"{WEB01}.json"

    for content in ("", "[]", '{"serial": "x", "last": 1}', '{"last": "<ledger"}'):
        file.write_text(content)
        assert journal.remembered(WEB01) == Remembered()
    file.write_text('{"serial": 5, "step": null, "requests": {"r1": "s1"}}')  # of an older virtsnap

    assert journal.remembered(WEB01) == Remembered(serial=5, requests=LEDGER.requests[:1])


def test_the_journal_of_another_domain_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    other = DomainUuid("00000000-0000-4000-8000-000000000002")
    FileJournal(tmp_path).confirm(other, ledger=replace(LEDGER, uuid=other))
    (tmp_path / f"{other}.json").rename(tmp_path / f"{WEB01}.json")

    assert FileJournal(tmp_path).remembered(WEB01).last is None
