"""Whoever looks while somebody applies sees one moment, or is told who is at work.

The other's pass happens in the middle of the look: between two of its questions to libvirt.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.engine import reconcile
from reconciler.hypervisor import fetch
from reconciler.hypervisor.host import LibvirtHost
from reconciler.hypervisor.images import ImageShelf
from reconciler.model.desired import Desired, DesiredDomain, DesiredHost, DesiredSnapshot, Origin
from reconciler.model.domain import ObservedHost
from reconciler.model.ledger import Fence, Remembered
from reconciler.model.names import DomainUuid, SnapshotName
from reconciler.model.plan import DomainPlan
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from reconciler.planning import diagnosis
from reconciler.report.status import domain_status
from reconciler.report.tree import tree_lines
from reconciler.report.tree_documents import domain_tree
from tests.lab.guest import Lab
from tests.system.bench import Bench, bench
from tests.system.desk import LOCAL, Desk

pytestmark = pytest.mark.qemu

#: what a look in the middle of a pass used to tell
FALSE = {"SnapshotLost", "LedgerStale", "ChainBroken", "DefinitionsDisagree", "RecordDangling"}


@contextmanager
def looking(lab: Lab, at: Desk) -> Iterator[LibvirtHost]:
    """Somebody else, who only looks; the journal is that of this machine."""
    host = LibvirtHost(
        LOCAL, lab.daemon.uri, is_readonly=True, remembered=lambda uuid: at.journal.remembered(uuid)
    )
    try:
        yield host
    finally:
        host.close()


def between(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, meanwhile: Callable[[], object]
) -> None:
    """*meanwhile* happens right before *name* is called by the one who looks."""
    asked = getattr(where, name)
    is_inside = False

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal is_inside
        if not is_inside:
            is_inside = True
            try:
                meanwhile()
            finally:
                is_inside = False
        return asked(*arguments, **options)

    monkeypatch.setattr(where, name, call)


def once(act: Callable[[], object]) -> Callable[[], None]:
    """*act*, the first time only."""
    left = [act]
    return lambda: left.pop()() and None if left else None


def planned(stand: Bench, seen: ObservedHost, *names: str) -> DomainPlan:
    """What is said to somebody who declares *names*."""
    wish = DesiredDomain(
        host=LOCAL,
        domain=stand.guest.name,
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(name)) for name in names),
        origin=Origin(manifest="looking"),
    )
    desired = Desired(
        source="desk",
        revision=None,
        is_complete=False,
        hosts=(DesiredHost(name=LOCAL),),
        domains=(wish,),
    )
    now = datetime.now(UTC)
    (plan,) = reconcile.make_plan(desired, {LOCAL: seen}, PlanRequest(), now=now).domains
    return plan


def said(plan: DomainPlan) -> set[str]:
    return {type(difference).__name__ for difference in plan.drift} | {
        str(why.code) for why in plan.refusals
    }


@pytest.mark.parametrize("question", ["_definitions", "_snapshots", "_current"])
def test_a_removal_between_two_questions_is_no_loss(
    place: tuple[Lab, Desk], question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, at = place
    stand = bench(lab, at, disks=1)
    stand.apply("a")
    stand.apply("a", "b")
    with looking(lab, at) as host:
        between(monkeypatch, fetch, question, once(lambda: stand.apply("b")))
        seen = host.observe()

    assert not said(planned(stand, seen, "b")) & FALSE
    assert [record.name for record in seen.domains[0].records] == ["b"]
    assert not seen.domains[0].is_changing


def test_the_first_snapshot_taken_after_the_lists_were_read_is_seen(
    place: tuple[Lab, Desk],
) -> None:
    lab, at = place
    stand = bench(lab, at, disks=1)
    lists = fetch.lists_of(lab.connection)
    stand.apply("a")

    found = fetch.fetch_if_there(stand.guest.domain, lists)

    assert found is not None
    assert len(found.snapshots) == 1


def test_a_journal_written_after_the_ledger_was_read_is_no_lost_ledger(
    place: tuple[Lab, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, at = place
    stand = bench(lab, at, disks=1)
    stand.apply("a")
    remembered = at.journal.remembered
    work = once(lambda: stand.apply("a", "b"))

    def later(uuid: DomainUuid) -> Remembered:
        work()
        return remembered(uuid)

    monkeypatch.setattr(at.journal, "remembered", later)
    with looking(lab, at) as host:
        plan = planned(stand, host.observe(), "a", "b")

    assert not said(plan)


def test_a_domain_that_is_changed_all_the_time_is_said_to_be_changed(
    place: tuple[Lab, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the holder of the fence, in each of the verbs; and nothing is made of what does not agree."""
    lab, at = place
    stand = bench(lab, at, disks=1)
    stand.apply("a")
    uuid = DomainUuid(stand.guest.uuid)
    serials = itertools.count(100)

    def at_work() -> None:
        ledger = at.host.read_ledger(uuid)
        assert ledger is not None
        until = datetime.now(UTC) + timedelta(minutes=1)
        fence = Fence(holder="root@other 7", plan_id="sha256:0", until=until)
        at.host.write_ledger(uuid, replace(ledger, serial=next(serials), fence=fence))

    with looking(lab, at) as host:
        between(monkeypatch, fetch, "_snapshots", at_work)
        seen = host.observe()

    domain = seen.domains[0]
    assert domain.is_changing
    plan = planned(stand, seen, "a")
    assert not plan.drift
    assert not plan.steps
    assert [why.code for why in plan.refusals] == [RefusalCode.DOMAIN_BUSY]
    status = domain_status(seen, domain, plan, now=datetime.now(UTC))
    assert (status.standing, status.job) == ("at work", "a change by root@other 7")
    (busy,) = (f for f in diagnosis.diagnose(seen) if f.domain == domain.name)
    assert busy.code == "DomainBusy"
    assert any(
        "a change by root@other 7" in line.text for line in tree_lines(domain_tree(seen, domain))
    )


def test_images_read_after_the_guest_went_on_to_others_are_no_broken_chain(
    place: tuple[Lab, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Definition and ledger are of one moment; the headers are read later."""
    lab, at = place
    stand = bench(lab, at, disks=1)
    stand.apply("a")
    stand.apply("a", "b")
    with looking(lab, at) as host:
        # no fence is there when the definitions are read: only slowness makes it be asked again
        monkeypatch.setattr("reconciler.hypervisor.observe._AT_ONCE", datetime.resolution)
        between(monkeypatch, ImageShelf, "all", once(lambda: stand.apply("b")))
        seen = host.observe()

    assert seen.domains[0].is_changing
    assert not said(planned(stand, seen, "a", "b")) & FALSE
