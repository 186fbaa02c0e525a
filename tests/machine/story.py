"""A story: deeds and passes with all that was drawn for them, so that two hosts can be told the same."""

import re
from dataclasses import dataclass, field, replace
from subprocess import CalledProcessError

import libvirt
from hypothesis import strategies as st

from reconciler.errors import HypervisorError
from reconciler.model.desired import DesiredDomain, Origin, Prune, Shutdown
from reconciler.model.ledger import Ledger
from reconciler.model.names import ImagePath
from reconciler.model.outcome import DomainOutcome, DomainStatus
from tests.contract.test_twins import told
from tests.fakes.domain import FakeDomain
from tests.fakes.picking import Draw, a_disk, a_snapshot, free_name, some_targets
from tests.fakes.storage import ContentGone
from tests.fakes.world import LOCAL, Crash
from tests.machine import wishes
from tests.machine.stage import NAME, Broken, FakeHands, Hands
from tests.machine.wishes import Edit

#: what both sides can do, and what a real host does in little time
EDITS: tuple[Edit, ...] = (
    wishes.declare,
    wishes.declare,
    wishes.declare,
    wishes.declare_inside,
    wishes.declare_some_disks,
    wishes.declare_what_is_there,
    wishes.take_out,
    wishes.take_out,
    wishes.ask_to_go_back,
    wishes.ask_to_go_back,
    wishes.ask_no_more,
    wishes.describe,
    wishes.protect,
    wishes.if_lost,
    wishes.prune,
    wishes.unmanaged,
    wishes.max_depth,
)
BY_HAND = (
    "start",
    "start",
    "destroy",
    "pause",
    "resume",
    "write",
    "write",
    "snapshot",
    "internal",
    "drop_record",
    "current",
    "blockcommit",
    "lose_ledger",
    "older_ledger",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A verb of a person with its arguments."""

    verb: str
    arguments: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        """As one would type it."""
        return " ".join(map(str, (self.verb, *self.arguments)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """A pass over what is declared then; *number* says in which change it *how* (dies, fails)."""

    wish: DesiredDomain
    how: str = "whole"
    number: int = 0
    moment: str = "before"

    def __str__(self) -> str:
        """Short."""
        names = ", ".join(
            f"{s.name} ({s.type.value}, skip {sorted(s.skip)}, {s.description}, hold {s.protect})"
            for s in self.wish.snapshots
        )
        how = "" if self.how == "whole" else f", {self.how} {self.moment} change {self.number}"
        wish = self.wish
        rest = f"prune {wish.prune.value}, {wish.unmanaged.value}, depth {wish.max_depth}"
        return f"apply {names or 'nothing'}; {rest}; {wish.revert}{how}"


Event = Deed | Apply


@dataclass
class Telling:
    """One host to which a story happens."""

    hands: Hands
    ledgers: list[Ledger] = field(default_factory=list)

    def happen(self, event: Event) -> list[object]:
        """What became of it, in words that both hosts share."""
        if isinstance(event, Apply):
            return [*self._applied(event), *self._look()]
        try:
            self._do(event)
        except (HypervisorError, libvirt.libvirtError):
            return ["refused", *self._look()]
        return [event.verb, *self._look()]

    def _applied(self, event: Apply) -> list[object]:
        try:
            outcome = self._apply(event)
            while outcome.status is DomainStatus.STALE:  # a real guest boots meanwhile
                outcome = self._apply(event)
        except Crash:
            return ["died"]
        finally:
            ledger = self.hands.bench.host.read_ledger(self.hands.handle.uuid)
            self.ledgers += [ledger] if ledger is not None else []
        return self._outcome(outcome)

    def _apply(self, event: Apply) -> DomainOutcome:
        desk = self.hands.desk
        if event.how != "whole":
            host = Broken(desk.host, number=event.number, moment=event.moment, how=event.how)
            desk = replace(desk, host=host)
        return desk.apply(event.wish)

    def _outcome(self, outcome: DomainOutcome) -> list[object]:
        return [
            outcome.status,
            outcome.steps_done,
            *(self._words(step.action) for step in outcome.plan.steps),
            *sorted(self._words(difference) for difference in outcome.plan.drift),
            *((refusal.code, refusal.snapshot) for refusal in outcome.refusals),
        ]

    def _words(self, value: object) -> str:
        """Without folders, and what no two hosts have in common."""
        said = re.sub(r"'/[^']*/([^/']+)'", r"'\1'", repr(value))
        said = re.sub(r"uid='[^']*'", "uid", said)
        said = re.sub(r"(created|size)=\d+", r"\1", said)
        return re.sub(r"until=datetime\.datetime\([^)]*\)", "until", said)

    def _look(self) -> list[object]:
        # Records of one second have no order that both share.
        power, *rest = told(self.hands.bench, self.hands.handle, _base_name)
        return [power, *sorted(rest, key=str)]

    def _do(self, deed: Deed) -> None:
        hands, (first, *rest) = self.hands, (*deed.arguments, "")
        match deed.verb:
            case "start":
                hands.start()
            case "destroy":
                hands.destroy()
            case "pause":
                hands.bench.pause(hands.handle)
            case "resume":
                hands.bench.resume(hands.handle)
            case "write":
                path = self._active(str(first))
                hands.bench.write(path, int(rest[0]) % 16, int(rest[0]) % 250 + 1)
            case "snapshot":
                hands.snapshot(str(first), tuple(map(str, rest[:-1])))
            case "internal":
                hands.internal(str(first))
            case "drop_record":
                hands.bench.drop_record(hands.handle, str(first))
            case "current":
                hands.current(str(first))
            case "blockcommit":
                hands.blockcommit(str(first))
            case "lose_ledger":
                hands.put_ledger(None)
            case "older_ledger":
                hands.put_ledger(self.ledgers[int(first)])
            case _:
                raise ValueError(deed.verb)

    def _active(self, target: str) -> ImagePath:
        observed = self.hands.bench.host.observe().domain(self.hands.handle.uuid)
        assert observed is not None
        return next(d.source for d in observed.disks if d.target == target and d.source)

    def contents(self) -> list[object]:
        """What is in every image in the end, the guest being off."""
        self.hands.destroy()
        images = self.hands.bench.host.observe().images
        names = {str(_base_name(i.path)): i.path for i in images if i.format == "qcow2"}
        return [(name, self._content(names[name])) for name in sorted(names)]

    def _content(self, path: ImagePath) -> object:
        try:
            return self.hands.bench.content(path)
        except (ContentGone, CalledProcessError):
            return "gone"


def _base_name(path: ImagePath | None) -> str | None:
    return None if path is None else path.rpartition("/")[2]


@dataclass
class Author:
    """Writes a story by trying it on the fake."""

    draw: Draw
    telling: Telling
    hands: FakeHands
    events: list[Event] = field(default_factory=list)

    def write(self, length: int) -> None:
        """Of *length* events."""
        wish = DesiredDomain(
            host=LOCAL,
            domain=NAME,
            snapshots=(),
            origin=Origin(manifest=f"{NAME}.yaml"),
            prune=Prune.AUTO,
            shutdown=Shutdown(timeout=1, then_destroy=True),
        )
        revisions = [wish]
        for _ in range(length):
            kind = self.draw(st.sampled_from(("edit", "edit", "edit", "hand", "hand", "older")))
            if kind == "hand":
                self._add(self._deed())
                continue
            if kind == "older":
                wish = self.draw(st.sampled_from(revisions))
            for _ in range(self.draw(st.integers(1, 2)) if kind == "edit" else 0):
                wish = self.draw(st.sampled_from(EDITS))(self.draw, wish, self._domain())
            revisions.append(wish)
            self._add(self._pass(wish))
        self._add(Apply(wish=wish))

    def _add(self, event: Event | None) -> None:
        if event is not None:
            self.events.append(event)
            self.telling.happen(event)

    def _domain(self) -> FakeDomain:
        return self.hands.bench.host.domain(NAME)

    def _pass(self, wish: DesiredDomain) -> Apply:
        return Apply(
            wish=wish,
            how=self.draw(st.sampled_from(("whole", "whole", "whole", "dies", "fails"))),
            number=self.draw(st.integers(1, 10)),
            moment=self.draw(st.sampled_from(("before", "after"))),
        )

    def _deed(self) -> Deed | None:
        verb, domain = self.draw(st.sampled_from(BY_HAND)), self._domain()
        disk = a_disk(self.draw, domain)
        assert disk is not None
        match verb:
            case "start" | "destroy" | "lose_ledger":
                return Deed(verb=verb)
            case "pause" | "resume":
                can = domain.is_active and domain.is_paused is (verb == "resume")
                return Deed(verb=verb) if can else None
            case "write":
                number = self.draw(st.integers(1, 1000))
                return (
                    None if domain.is_active else Deed(verb=verb, arguments=(disk.target, number))
                )
            case "snapshot":
                name = free_name(self.draw, domain, "u")
                taken = some_targets(self.draw, domain)
                return Deed(verb=verb, arguments=(name, *taken)) if name else None
            case "internal":
                name = free_name(self.draw, domain, "i")
                return Deed(verb=verb, arguments=(name,)) if name else None
            case "drop_record" | "current":
                found = a_snapshot(self.draw, domain)
                return Deed(verb=verb, arguments=(found,)) if found else None
            case "blockcommit":
                can = domain.is_active and len(disk.stated or ()) > 1
                return Deed(verb=verb, arguments=(disk.target,)) if can else None
            case "older_ledger" if self.telling.ledgers:
                last = len(self.telling.ledgers) - 1
                return Deed(verb=verb, arguments=(self.draw(st.integers(0, last)),))
            case _:
                return None
