"""A walk of a shut-off guest whose records and definitions people change between the passes."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import libvirt
from lxml import etree

from reconciler.model.action import SwitchDisk
from reconciler.model.desired import (
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
    Shutdown,
)
from reconciler.model.domain import ObservedDomain
from reconciler.model.drift import LedgerStale
from reconciler.model.ledger import EntryState, RequestState
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainOutcome
from tests.engine import oracle
from tests.lab.guest import Guest
from tests.lab.journal import sha256_of_guest_view
from tests.system import by_hand, storage
from tests.system.bench import definition
from tests.system.desk import LOCAL, Desk

MEBIBYTES = 6
View = dict[str, str]


@dataclass
class Moment:
    """What one snapshot held when it was taken, and where that lies."""

    name: str
    held: View
    places: dict[str, Path]


@dataclass
class MeddledWalk:
    """Passes, writes and people, in a drawn order; what is called taken is what it was."""

    desk: Desk
    guest: Guest
    random: Random
    declared: list[str] = field(default_factory=list)
    #: uid → its moment; lacks what nobody can know, or a person wrote over
    moments: dict[str, Moment] = field(default_factory=dict)
    revert: DesiredRevert | None = None
    told: list[str] = field(default_factory=list)
    dumps: list[etree._Element] = field(default_factory=list)
    definitions: list[etree._Element] = field(default_factory=list)
    serial: int = 0
    #: claims that were looked at, reverts that were done or refused at the end
    counts: Counter[str] = field(default_factory=Counter)
    _number: int = 0

    def step(self) -> None:
        """One thing, and what must be true after it."""
        often = (self.create, self.write, self.write, self.go_back, self.delete)
        self.random.choice((*often, self.meddle, self.meddle, self.meddle))()

    def create(self) -> None:
        """A further snapshot."""
        self._number += 1
        self.declared.append(f"s{self._number}")
        self.apply(f"create s{self._number}")

    def write(self) -> None:
        """One disk gets data that no other moment has; what shares its image is a person's doing."""
        target, image = self.random.choice(sorted(self.guest.active_images().items()))
        if not image.exists():
            return
        self._number += 1
        self.told.append(f"write {target} {self._number}")
        by_hand.write(image, self._number % MEBIBYTES, 1 + self._number % 250)
        for moment in self.moments.values():
            for of, place in tuple(moment.places.items()):
                if place.exists() and image in storage.chain(place):
                    moment.held.pop(of, None)

    def go_back(self) -> None:
        """A revert to one of those that there are."""
        names = by_hand.names(self.guest)
        if names:
            self._number += 1
            to = self.random.choice(names)
            self.revert = DesiredRevert(
                to=SnapshotName(to),
                request=f"r{self._number}",
                discards=self.random.random() < 0.3,
            )
            self.apply(f"revert {to}")

    def delete(self) -> None:
        """One leaves the manifest."""
        if self.declared:
            gone = self.declared.pop(self.random.randrange(len(self.declared)))
            self.apply(f"delete {gone}")

    def meddle(self) -> None:
        """Whatever libvirt lets people do; what it refuses is not done."""
        self._dump()
        verb = self.random.choice(
            (
                self._drop,
                self._drop,
                self._drop_subtree,
                self._point,
                self._swap,
                self._change,
                self._change,
                self._register,
                self._register,
                self._define_older,
            )
        )
        try:
            verb()
        except libvirt.libvirtError as refused:
            self.told.append(f"refused: {refused}")
        self._forget_what_nobody_knows()
        self.demand_truth()

    def _dump(self) -> None:
        self.dumps += [by_hand.record(self.guest, name) for name in by_hand.names(self.guest)]
        self.definitions.append(definition(self.guest))

    def _drop(self) -> None:
        for name in self._some_names(1):
            self.told.append(f"snapshot-delete --metadata {name}")
            by_hand.drop_record(self.guest, name)

    def _drop_subtree(self) -> None:
        too = self.random.random() < 0.5
        for name in self._some_names(1):
            self.told.append(f"snapshot-delete --metadata --children {name} too {too}")
            by_hand.drop_subtree(self.guest, name, too=too)

    def _point(self) -> None:
        for name in self._some_names(1):
            self.told.append(f"snapshot-current {name}")
            by_hand.point_at(self.guest, name)

    def _swap(self) -> None:
        names = self._some_names(2)
        if len(names) == 2:
            self.told.append(f"redefine {names} with each other's sources")
            one, other = (by_hand.sources(self.guest, name) for name in names)
            by_hand.change_source(self.guest, names[0], other)
            by_hand.change_source(self.guest, names[1], one)

    def _change(self) -> None:
        """Lower, higher, another branch: whatever lies in the folder is of this guest."""
        for name in self._some_names(1):
            sources = by_hand.sources(self.guest, name)
            target = self.random.choice(sorted(sources))
            there = sorted(storage.images(self.desk.folder / "images"))
            image = self.random.choice([path for path in there if target in path.name])
            self.told.append(f"snapshot-edit {name} {target} {image.name}")
            by_hand.change_source(self.guest, name, {target: image})

    def _register(self) -> None:
        if self.dumps:
            dump = self.random.choice(self.dumps)
            self.told.append(f"snapshot-create --redefine {dump.findtext('name')}")
            by_hand.register(self.guest, etree.fromstring(etree.tostring(dump)))

    def _define_older(self) -> None:
        self.told.append("define of an older dump")
        by_hand.define(self.guest, self.random.choice(self.definitions))

    def _some_names(self, number: int) -> list[str]:
        names = by_hand.names(self.guest)
        return self.random.sample(names, min(number, len(names)))

    def wish(self) -> DesiredDomain:
        """What is declared now."""
        return DesiredDomain(
            host=LOCAL,
            domain=self.guest.name,
            snapshots=tuple(DesiredSnapshot(name=SnapshotName(name)) for name in self.declared),
            origin=Origin(manifest="walk"),
            prune=Prune.AUTO,
            revert=self.revert,
            shutdown=Shutdown(timeout=1, then_destroy=True),
        )

    def apply(self, why: str) -> DomainOutcome:
        """One pass; a snapshot that comes of it holds what the guest read before."""
        self.told.append(why)
        present, known = self._view(), {entry.uid for entry in self._entries()}
        outcome = self.desk.apply(self.wish())
        self.told.append(f"  {outcome.status.value} {[r.code for r in outcome.refusals]}")
        assert outcome.error is None, (self.told, outcome.error)
        for entry in self._entries():
            if entry.uid not in known and entry.name in by_hand.names(self.guest):
                places = by_hand.sources(self.guest, entry.name)
                self.moments[entry.uid] = Moment(entry.name, dict(present), places)
        self._follow()
        self.demand_truth()
        return outcome

    def demand_truth(self) -> None:
        """Each snapshot that virtsnap calls taken reads as at its moment."""
        for name, moment in self.called_taken():
            self.counts["claims"] += 1
            now = self._read(name)
            wrong = {t for t, what in moment.held.items() if now.get(t) != what}
            assert not wrong, (self.told, name, wrong)

    def called_taken(self) -> Iterator[tuple[str, Moment]]:
        """Those against which neither drift nor a refusal says anything."""
        observed, plan = self._observed(), self.desk.plan(self.wish())
        if observed.ledger is None or any(isinstance(d, LedgerStale) for d in plan.drift):
            return
        doubted = oracle.doubted_in(plan)
        for entry in observed.ledger.entries:
            record = observed.record(entry.name)
            is_taken = entry.state is EntryState.TAKEN and entry.name not in doubted
            if record is not None and record.uid == entry.uid and is_taken:
                yield entry.name, self.moments[entry.uid]

    def end(self) -> None:
        """Each of them is gone back to, and brings its moment, or is refused and changes nothing."""
        for _ in range(
            2
        ):  # a definition that went back is put right first: the guest reads other data
            if any(
                isinstance(step.action, SwitchDisk) for step in self.desk.plan(self.wish()).steps
            ):
                self.apply("the definition is put right")
        for name, moment in tuple(self.called_taken()):
            self._number += 1
            present, request = self._view(), f"r{self._number}"
            self.revert = DesiredRevert(to=SnapshotName(name), request=request, discards=True)
            self.apply(f"at the end: revert {name}")
            if not self._is_done(request):
                self.counts["refused"] += 1
                assert self._view() == present, self.told
                continue
            self.counts["brought back"] += 1
            view = self._view()
            assert {t: view[t] for t in moment.held} == moment.held, (self.told, name)

    def _is_done(self, request: str) -> bool:
        """What else is refused in that pass says nothing of the revert."""
        ledger = self._observed().ledger
        known = ledger.request(request) if ledger else None
        return known is not None and known.state is RequestState.DONE

    def _follow(self) -> None:
        """virtsnap may have moved what a snapshot holds: its record says where it lies then."""
        observed = self._observed()
        for entry in observed.ledger.entries if observed.ledger else ():
            moment = self.moments.get(entry.uid)
            record = observed.record(entry.name)
            if moment is not None and record is not None and record.uid == entry.uid:
                now, said = self._read(entry.name), by_hand.sources(self.guest, entry.name)
                for target, what in moment.held.items():
                    if now.get(target) == what:
                        moment.places[target] = said[target]

    def _forget_what_nobody_knows(self) -> None:
        """Where the ledger is an older one, a record that lies cannot be told from one that does not."""
        ledger = self._observed().ledger
        serial = ledger.serial if ledger else 0
        if serial >= self.serial and ledger is not None:
            self.serial = serial
            return
        for moment in self.moments.values():
            if moment.name in by_hand.names(self.guest):
                now = self._read(moment.name)
                moment.held = {t: what for t, what in moment.held.items() if now.get(t) == what}

    def _observed(self) -> ObservedDomain:
        (domain,) = self.desk.host.observe().domains
        return domain

    def _entries(self) -> tuple:  # type: ignore[type-arg]
        ledger = self._observed().ledger
        self.serial = max(self.serial, ledger.serial if ledger else 0)
        return ledger.entries if ledger else ()

    def _view(self) -> View:
        return _summed(self.guest.active_images())

    def _read(self, name: str) -> View:
        return _summed(by_hand.sources(self.guest, name))


def _summed(images: dict[str, Path]) -> View:
    """What is read there; what is not there, or stands on nothing, is left out."""
    found = {}
    for target, path in images.items():
        try:
            if path.exists() and storage.chain(path):
                found[target] = sha256_of_guest_view(path)
        except subprocess.CalledProcessError:
            continue
    return found
