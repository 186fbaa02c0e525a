"""A power cut that takes the last write to the ledger with it: the journal knows what that said."""

from dataclasses import replace

from reconciler.model.desired import (
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Power,
    Prune,
    Shutdown,
)
from reconciler.model.ledger import EntryState, Ledger, LedgerImage, LedgerRequest, RequestState
from reconciler.model.names import DiskTarget, ImagePath, SnapshotName
from reconciler.model.power import PowerOwed, PowerState
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, overlay, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.reading import plan_of, steps

S1 = SnapshotName("s1")
WISH = wanted("web01", "s1", prune=Prune.AUTO)


def ledger_of(fake: FakeHost) -> Ledger:
    ledger = fake.read_ledger(fake.domain("web01").uuid)
    assert ledger is not None
    return ledger


def lose(fake: FakeHost, before: Ledger) -> None:
    """The file of the domain is as it was when *before* was written."""
    Administrator(fake).put_ledger("web01", before)


def passes(fake: FakeHost, wish: DesiredDomain = WISH, number: int = 3) -> None:
    for _ in range(number):
        reconciled(fake, desired(wish), PlanRequest())


def owing(fake: FakeHost) -> Ledger:
    """virtsnap shut web01 down and died; the ledger of before."""
    before = ledger_of(fake)
    Controller(fake).shut_down("web01", until="off")
    while ledger_of(fake).serial > before.serial + 1:
        before = replace(before, serial=before.serial + 1)
    return before


def stray(fake: FakeHost, *, is_blank: bool = True) -> tuple[Ledger, ImagePath]:
    """An overlay of ours on the active layer that only the journal's ledger lists."""
    before, path = ledger_of(fake), ImagePath("/images/web01-vda-s2.qcow2")
    image = LedgerImage(path=path, disk=DiskTarget("vda"), snapshot=SnapshotName("s2"))
    fake.remember(fake.domain("web01").uuid, replace(before, images=(*before.images, image)))
    Person(fake).overlay_on(overlay("web01", "vda", "s1"), path)
    if not is_blank:
        fake.world.storage.file(path).clusters[1] = 99
    return before, path


def test_blank_overlays_of_a_lost_write_are_removed() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    before, path = stray(fake)
    lose(fake, before)

    assert steps(plan_of(fake, WISH)) == ["renew-ledger"]
    passes(fake)

    assert path not in fake.world.storage.files
    assert path not in ledger_of(fake).image_paths


def test_they_are_known_also_where_the_whole_ledger_is_gone() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    _, path = stray(fake)
    Administrator(fake).lose_ledger("web01")

    passes(fake)

    assert path not in fake.world.storage.files


def test_an_image_that_holds_something_stays_although_the_journal_lists_it() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    before, path = stray(fake, is_blank=False)
    lose(fake, before)

    passes(fake, wanted("web01", "s1"))

    assert path in fake.world.storage.files


def test_a_journal_that_is_older_than_the_ledger_says_nothing() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    _, path = stray(fake)
    other = ledger_of(fake)
    fake.write_ledger(other.uuid, replace(other, serial=other.serial + 5, images=other.images[:-1]))

    passes(fake)

    assert path in fake.world.storage.files


def test_a_guest_that_was_shut_down_with_the_lost_write_is_started_again() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    lose(fake, owing(fake))

    plan = plan_of(fake, WISH)
    passes(fake)

    assert steps(plan) == ["renew-ledger"]
    assert fake.domain("web01").power is PowerState.RUNNING
    assert ledger_of(fake).owed is None


def test_a_guest_is_left_off_where_more_than_one_write_is_missing_and_a_person_is_told() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    before = owing(fake)
    lose(fake, replace(before, serial=before.serial - 1))

    plan = plan_of(fake, WISH)
    passes(fake)

    assert any("virsh start web01" in warning for warning in plan.warnings)
    assert fake.domain("web01").power is PowerState.SHUT_OFF
    assert ledger_of(fake).owed is None


def test_a_guest_that_runs_again_is_not_owed_anything() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    before = ledger_of(fake)
    fake.remember(before.uuid, replace(before, owed=PowerOwed(state=PowerState.RUNNING)))
    lose(fake, before)

    passes(fake, number=1)
    Administrator(fake).shut_off("web01")
    passes(fake)

    assert fake.domain("web01").power is PowerState.SHUT_OFF


def test_a_removal_that_was_begun_with_the_lost_write_can_only_be_finished() -> None:
    """The commit has written into what s1 froze: it is no snapshot any more (facts §7.4)."""
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    before = ledger_of(fake)
    Controller(fake).begin_removal("web01", "s2", until="intended")
    while before.serial < ledger_of(fake).serial - 1:
        before = replace(before, serial=before.serial + 1)
    lose(fake, before)
    wish = wanted("web01", "s1", "s2", prune=Prune.AUTO)

    passes(fake, wish, 1)

    entry = ledger_of(fake).entry(SnapshotName("s2"))
    assert entry is not None
    assert entry.state is EntryState.DELETING
    assert ledger_of(fake).commits


def test_a_revert_that_was_begun_with_the_lost_write_goes_on() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    before = ledger_of(fake)
    wish = replace(WISH, revert=DesiredRevert(to=S1, request="r1"))
    begun = LedgerRequest(request="r1", to=S1, state=RequestState.BEGUN)
    fake.remember(before.uuid, replace(before, requests=(begun,)))
    lose(fake, before)

    assert steps(plan_of(fake, wish))[0].startswith("adopt-request r1")
    passes(fake, wish, 4)

    request = ledger_of(fake).request("r1")
    assert request is not None
    assert request.state is RequestState.DONE


def test_power_off_snapshots_whose_debt_was_lost_leave_the_guest_on() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    lose(fake, owing(fake))
    off = DesiredSnapshot(name=SnapshotName("n1"), power=Power.OFF)
    wish = replace(WISH, snapshots=(*WISH.snapshots, off), shutdown=Shutdown(timeout=120))

    passes(fake, wish)

    assert fake.domain("web01").power is PowerState.RUNNING
