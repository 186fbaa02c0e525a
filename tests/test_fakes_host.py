"""The fake host's own promises: content, people, faults.  What it owes the port is tests/contract."""

import pytest

from reconciler.errors import HypervisorError
from reconciler.model.action import CommitMethod, CommitOverlays
from reconciler.model.ledger import EntryState
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from tests.drawing import domain, host, image, overlay, shut_off, unmanaged
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.domain import FakeDomain
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.fakes.storage import ContentGone
from tests.fakes.world import Crash, crash_at, fail_at

VDA = DiskTarget("vda")
S1 = overlay("web01", "vda", "s1")
S2 = overlay("web01", "vda", "s2")
MERGE_S2 = CommitOverlays(
    disk=VDA,
    base=S1,
    base_format="qcow2",
    merged=(S2,),
    method=CommitMethod.ACTIVE,
    snapshots=(SnapshotName("s2"),),
)


def web01() -> FakeHost:
    """``base ← s1 ← s2``, running."""
    return host(domain("web01", vda="base ← s1 ← s2"))


def commit_s2(fake: FakeHost) -> None:
    """Up to ready."""
    fake.commit_live(
        fake.domain("web01").uuid,
        MERGE_S2,
        bandwidth=0,
        progress=lambda _done, _total: None,
        stop_asked=lambda: False,
    )


def test_a_snapshot_keeps_its_content_while_the_guest_goes_on() -> None:
    fake = web01()
    before = fake.snapshot_view("web01", "s2", "vda")

    fake.guest_writes("web01", "vda", 3, 777)

    assert fake.snapshot_view("web01", "s2", "vda") == before
    assert fake.guest_view("web01", "vda")[3] == 777


def test_a_commit_spoils_the_snapshot_from_its_first_byte() -> None:
    fake = web01()
    before = fake.views()
    fake.world.fault = crash_at(1, "during")

    with pytest.raises(Crash):
        commit_s2(fake)

    after = fake.views()
    assert after["web01", "vda"] == before["web01", "vda"]
    assert after["web01", "vda", "s1"] == before["web01", "vda", "s1"]
    assert after["web01", "vda", "s2"] != before["web01", "vda", "s2"]
    assert fake.domain("web01").jobs


def test_what_the_guest_writes_during_a_commit_is_not_lost() -> None:
    fake = web01()

    def writes_on(_domain: FakeDomain) -> None:
        fake.world.meanwhile = None
        fake.guest_writes("web01", "vda", 7, 123)

    fake.world.meanwhile = writes_on
    commit_s2(fake)
    fake.guest_writes("web01", "vda", 8, 124)
    fake.pivot(fake.domain("web01").uuid, VDA)

    assert fake.domain("web01").disk(VDA).source == S1
    assert fake.guest_view("web01", "vda")[7] == 123
    assert fake.guest_view("web01", "vda")[8] == 124


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_fault_strikes_before_or_after_the_change(moment: str) -> None:
    fake = web01()
    fake.world.fault = fail_at(1, moment, HypervisorError("cannot go on: test", code=38))

    with pytest.raises(HypervisorError):
        fake.forget_snapshot(fake.domain("web01").uuid, SnapshotName("s1"))

    assert ("s1" in fake.domain("web01").records) is (moment == "before")


def test_9_0_lies_about_the_children_when_we_die_in_a_forget() -> None:
    fake = web01()
    fake.world.fault = crash_at(1, "during")

    with pytest.raises(Crash):
        fake.forget_snapshot(fake.domain("web01").uuid, SnapshotName("s1"))

    assert fake.domain("web01").records[SnapshotName("s2")].disks[VDA].source == image("base")


def test_a_removed_file_is_missing_and_its_content_gone() -> None:
    fake = web01()
    Person(fake).remove_file(S1)

    assert fake.views()["web01", "vda", "s2"] is None
    with pytest.raises(ContentGone):
        fake.content(S2)
    missing = [i.path for i in fake.observe().images if i.presence == "missing"]
    assert missing == [S1]


def test_a_guest_that_was_just_started_is_not_frozen() -> None:
    fake = host(domain("web01", shut_off, vda="base"))
    fake.domain("web01").agent.is_frozen = True

    Administrator(fake).start("web01")

    assert not fake.domain("web01").agent.is_frozen


def test_a_stale_stated_chain_boots_other_data() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1 ← s2"))
    whole = fake.guest_view("web01", "vda")

    Administrator(fake).edit("web01", "vda", S2, stated=(image("base"), S2))

    assert fake.guest_view("web01", "vda") != whole
    seen = fake.observe().domain("web01")
    assert seen is not None
    assert seen.disks[0].chain != seen.disks[0].stated


def test_two_running_guests_cannot_write_to_one_image() -> None:
    fake = host(domain("web01", vda="base"), domain("web02", shut_off, vda="base"))

    with pytest.raises(HypervisorError, match="lock"):
        Administrator(fake).start("web02")


def test_a_hand_made_revert_makes_a_branch() -> None:
    fake = web01()
    Person(fake).revert("web01", "s1", redefine_disks=True)
    fake.guest_goes_on("web01")
    Person(fake).snapshot_create("web01", "u1")

    parents = {name: record.parent for name, record in fake.domain("web01").records.items()}
    assert parents == {"s1": None, "s2": "s1", "u1": "s1"}
    assert fake.world.storage.files[S1].backing == image("base")


def test_a_commit_by_hand_leaves_records_and_files() -> None:
    fake = host(domain("web01", unmanaged("s2"), vda="base ← s1 ← s2"))
    active = fake.domain("web01").disk(VDA).source

    Person(fake).blockcommit("web01", "vda", base=S1, top=active)

    assert fake.domain("web01").disk(VDA).source == S1
    assert set(fake.domain("web01").records) == {"s1", "s2"}
    assert active in fake.world.storage.files


@pytest.mark.parametrize(
    "until", ["intended", "started", "ready", "aborted", "merged", "confirmed"]
)
@pytest.mark.parametrize("snapshot", ["s1", "s2"])
def test_a_removal_begun_loses_no_guest_data(snapshot: str, until: str) -> None:
    for fake in (web01(), host(domain("web01", shut_off, vda="base ← s1 ← s2"))):
        before = fake.guest_view("web01", "vda")

        assert Controller(fake).begin_removal("web01", snapshot, until=until)

        assert fake.guest_view("web01", "vda") == before
        ledger = fake.read_ledger(fake.domain("web01").uuid)
        assert ledger is not None
        entry = ledger.entry(SnapshotName(snapshot))
        assert entry is not None
        assert entry.state is EntryState.DELETING


def test_a_record_that_cannot_be_written_leaves_its_overlay_in_use() -> None:
    fake = host(domain("web01", vda="base ← s1"))

    Controller(fake).take("web01", "s2", until="unrecorded")

    web = fake.domain("web01")
    assert web.disk(VDA).source == S2
    assert (set(web.records), web.current) == ({"s1"}, None)
    assert ImagePath(S2) in fake.world.storage.files
