"""Old manifests again, in any order, with losses in between: a revert is done once per request."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from reconciler.model.action import RevertInternal, RevertSnapshot
from reconciler.model.desired import (
    CaptureType,
    Desired,
    DesiredRevert,
    DesiredSnapshot,
    Prune,
    RevertConfig,
)
from reconciler.model.ledger import Ledger
from reconciler.model.names import SnapshotName
from reconciler.model.request import PlanRequest
from tests.drawing import desired, domain, host, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.fakes.other import FakeJournal
from tests.fakes.picking import Draw
from tests.fakes.world import Crash, crash_at

DOMAIN = "web01"
TARGETS = {"s1": CaptureType.EXTERNAL, "s2": CaptureType.EXTERNAL, "i1": CaptureType.INTERNAL}


@dataclass
class Story:
    """One domain, the manifests that were ever written for it, and what is done about them."""

    fake: FakeHost
    manifests: tuple[Desired, ...]
    told: list[str] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)

    def happen(self, draw: Draw) -> None:
        """One thing: a manifest is applied, or something is lost."""
        happenings = (self.apply, self.apply, self.apply, self.die, self.forget, self.restart)
        draw(st.sampled_from((*happenings, self.older, self.go_on)))(draw)

    def apply(self, draw: Draw) -> None:
        """Any of the manifests, from beginning to end."""
        number = draw(st.integers(0, len(self.manifests) - 1))
        self.told.append(f"apply {number}")
        ledger = self.fake.domain(DOMAIN).ledger
        self.ledgers += [ledger] if ledger is not None else []
        reconciled(self.fake, self.manifests[number], PlanRequest())

    def die(self, draw: Draw) -> None:
        """Any of the manifests, up to some change."""
        moment = draw(st.sampled_from(("before", "after")))
        at = len(self.fake.world.changes) + draw(st.integers(1, 12))
        self.fake.world.fault = crash_at(at, moment)
        self.told.append(f"die {moment} change {at}")
        with suppress(Crash):
            self.apply(draw)
        self.fake.world.fault = None

    def forget(self, draw: Draw) -> None:
        """The ledger is lost."""
        if not self.fake.world.journal.known:
            return  # both at once, and nobody can know
        self.told.append("lose the ledger")
        Administrator(self.fake).lose_ledger(DOMAIN)

    def restart(self, draw: Draw) -> None:
        """Another machine, which remembers nothing; the ledger is there."""
        if self.fake.domain(DOMAIN).ledger is not None:
            self.told.append("lose the journal")
            self.fake.world.journal = FakeJournal()
            self.ledgers.clear()

    def older(self, draw: Draw) -> None:
        """An administrator defines the domain as it was before some apply."""
        if self.ledgers:
            self.told.append("an old ledger")
            Administrator(self.fake).put_ledger(DOMAIN, draw(st.sampled_from(self.ledgers)))

    def go_on(self, draw: Draw) -> None:
        """The guest writes."""
        self.fake.guest_goes_on(DOMAIN)


def counted(fake: FakeHost) -> Counter[str]:
    """Request → how often the disks were put back for it, from now on."""
    times: Counter[str] = Counter()
    put_back, inside = fake.define_reverted, fake.revert_internal

    def define_reverted(uuid: Any, action: RevertSnapshot, ledger: Any) -> None:
        put_back(uuid, action, ledger)
        times[action.request] += 1

    def revert_internal(uuid: Any, action: RevertInternal, ledger: Any) -> None:
        inside(uuid, action, ledger)
        times[action.request] += 1

    fake.define_reverted = define_reverted  # type: ignore[method-assign]
    fake.revert_internal = revert_internal  # type: ignore[method-assign]
    return times


@st.composite
def stories(draw: Draw) -> Story:
    """A guest that is off or on, and two to five manifests with a few requests among them."""
    fake = host(domain(DOMAIN, shut_off, vda="base"))
    names = draw(st.sampled_from((("s1", "s2"), ("i1",), ("i1", "s1"))))
    for name in names:
        Controller(fake).take(DOMAIN, name, inside=TARGETS[name] is CaptureType.INTERNAL)
        fake.guest_goes_on(DOMAIN)
    if draw(st.booleans()):
        Administrator(fake).start(DOMAIN)
    manifests = draw(st.lists(_manifest(names), min_size=2, max_size=5))
    return Story(fake, tuple(manifests))


@st.composite
def _manifest(draw: Draw, names: tuple[str, ...]) -> Desired:
    revert = DesiredRevert(
        to=SnapshotName(draw(st.sampled_from(names))),
        request=draw(st.sampled_from(("r1", "r2", "r3"))),
        config=draw(st.sampled_from(RevertConfig)),
        discards=draw(st.booleans()),
    )
    kept = [name for name in names if name == revert.to or draw(st.integers(0, 3))]
    snapshots = [DesiredSnapshot(name=SnapshotName(n), type=TARGETS[n]) for n in kept]
    has_revert = draw(st.integers(0, 3)) > 0
    return desired(
        wanted(
            DOMAIN,
            *snapshots,
            prune=draw(st.sampled_from((Prune.AUTO, Prune.NEVER))),
            revert=revert if has_revert else None,
        )
    )


@given(stories(), st.data())
def test_a_revert_is_done_at_most_once_per_request(story: Story, data: st.DataObject) -> None:
    times = counted(story.fake)
    for _ in range(data.draw(st.integers(2, 12))):
        story.happen(data.draw)
    note("\n".join(story.told))
    assert all(number == 1 for number in times.values()), times
