"""Random walks over a real guest: whatever is done in whatever order, each moment stays what it was."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from reconciler.model.desired import (
    DesiredDomain,
    DesiredRevert,
    DesiredSnapshot,
    Origin,
    Prune,
    Shutdown,
)
from reconciler.model.drift import ImageOrphaned
from reconciler.model.names import SnapshotName
from tests.lab.domain_xml import DiskSpec
from tests.lab.guest import Guest, Lab
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, Desk

pytestmark = pytest.mark.qemu

STEPS = 25
MEBIBYTES = 6
SEEDS = range(40) if os.environ.get("VIRTSNAP_SOAK") else range(3)


@dataclass
class Walk:
    """One guest, what is declared of it, and what each snapshot held when it was taken."""

    desk: Desk
    guest: Guest
    random: Random
    declared: list[str] = field(default_factory=list)
    moments: dict[str, dict[str, str]] = field(default_factory=dict)
    revert: DesiredRevert | None = None
    told: list[str] = field(default_factory=list)
    _number: int = 0

    def step(self) -> None:
        """One random thing, and what must be true after it."""
        often = (self.create, self.write, self.write, self.go_back, self.delete, self.power)
        steps = (*often, *often, self.merge_by_hand)
        self.random.choice(steps)()
        self.demand_truth()

    def create(self) -> None:
        """A further snapshot."""
        self._number += 1
        name = f"s{self._number}"
        self.declared.append(name)
        self.told.append(f"create {name}")
        view = storage.view(self.guest)
        self.apply()
        self.moments[name] = view

    def power(self) -> None:
        """Off or on; the guest finds no file system on its disks, and writes nothing to them."""
        self.told.append("power")
        if self.guest.is_running:
            self.guest.destroy()
        else:
            self.guest.domain.create()
        self.apply()  # what only waited for that

    def write(self) -> None:
        """The guest's disks get data that no other moment has."""
        if self.guest.is_running:
            self.power()
        self._number += 1
        target, image = self.random.choice(sorted(self.guest.active_images().items()))
        self.told.append(f"write {target} {self._number}")
        by_hand.write(image, self._number % MEBIBYTES, 1 + self._number % 250)

    def go_back(self) -> None:
        """A revert to one of the declared."""
        if not self.declared:
            return
        self._number += 1
        to, request = self.random.choice(self.declared), f"r{self._number}"
        self.told.append(f"revert {to}")
        present = storage.view(self.guest)
        self.revert = DesiredRevert(
            to=SnapshotName(to), request=request, discards=self.random.random() < 0.5
        )
        self.apply()
        assert storage.view(self.guest) == self.moments[to]
        if not self.revert.discards:
            self.moments[f"before-revert-{request}"] = present

    def delete(self) -> None:
        """One or two leave the manifest."""
        for _ in range(self.random.choice((1, 2))):
            if self.declared:
                gone = self.declared.pop(self.random.randrange(len(self.declared)))
                self.told.append(f"delete {gone}")
        self.apply()

    def merge_by_hand(self) -> None:
        """``virsh blockcommit``: whatever stands on the image below holds other data now."""
        target, active = self.random.choice(sorted(self.guest.active_images().items()))
        chain = storage.chain(active)
        if not self.guest.is_running or len(chain) == 1:
            return
        self.told.append(f"blockcommit {target}")
        spoilt = {
            name
            for name, layers in storage.frozen(self.guest).items()
            if target in layers and chain[1] in storage.chain(layers[target])
        }
        by_hand.merge_live(self.guest, target)
        self.declared = [name for name in self.declared if name not in spoilt]
        self.moments = {name: held for name, held in self.moments.items() if name not in spoilt}
        self.apply()

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

    def apply(self) -> None:
        """One pass; a branch that cannot go yet is refused, and nothing else."""
        outcome = self.desk.apply(self.wish())
        assert outcome.error is None, (self.told, outcome.error)
        codes = {refusal.code for refusal in outcome.refusals}
        expected = {"SnapshotHasBranches", "NeedsPowerOff"}
        assert codes <= expected, (self.told, outcome.refusals)

    def demand_truth(self) -> None:
        """Every moment reads as it did, nothing is left to do, no image that nothing needs."""
        now = storage.moments(self.guest)
        there = {name for name, _ in now}
        assert set(self.declared) <= there, self.told
        for name in there & set(self.moments):
            held = {target: what for (of, target), what in now.items() if of == name}
            if name in self.declared or name.startswith("before-revert-"):
                assert held == self.moments[name], (self.told, name)
        plan = self.desk.plan(self.wish())
        assert not plan.steps, self.told
        # an overlay that was merged by hand stays as long as the record that names it does
        told = {Path(d.image) for d in plan.drift if isinstance(d, ImageOrphaned)}
        left = storage.images(self.desk.folder / "images") - storage.needed(self.guest)
        assert left <= (told if plan.refusals else set()), (self.told, left)
        assert storage.needed(self.guest) <= storage.images(self.desk.folder / "images")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_walk_keeps_every_moment(place: tuple[Lab, Desk], seed: int) -> None:
    lab, at = place
    guest = lab.guest_of(tuple(small_disk(at.folder, target) for target in ("vda", "vdb")), "web01")
    walk = Walk(at, guest, Random(seed))
    for _ in range(STEPS):
        walk.step()
    if guest.is_running:
        guest.destroy()
    storage.assert_clean(at.folder / "images")


def small_disk(folder: Path, target: str) -> DiskSpec:
    """So small that each moment of it is read in no time."""
    path = folder / "images" / f"web01-{target}.qcow2"
    path.parent.mkdir(exist_ok=True)
    by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(path), f"{MEBIBYTES}M")
    return DiskSpec(source=path, target=target)
