"""Days of passes in a minute: faults and restarts come and go, memory and descriptors do not grow."""

import os
import signal
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand
from tests.system.controlling import Controlling, Repository, controlling
from tests.system.site import Site
from tests.system.test_crashes import wait_until
from tests.system.test_silence import qemu_of

pytestmark = pytest.mark.qemu

#: twelve hours of passes, one a minute
PASSES = 720 if os.environ.get("VIRTSNAP_SOAK") else 60
_MIB = 1 << 20


@dataclass
class Sizes:
    """What a process holds, time and again."""

    process: int
    resident: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Once."""
        folder = Path(f"/proc/{self.process}")
        status = (folder / "status").read_text()
        self.resident.append(int(status.partition("VmRSS:")[2].split()[0]) * 1024)
        self.descriptors.append(len(list((folder / "fd").iterdir())))
        self.threads.append(len(list((folder / "task").iterdir())))

    def demand_flat(self) -> None:
        """After the first tenth, the last third is as large as the first; bounds are generous."""
        for seen, more in (
            (self.resident, 24 * _MIB),
            (self.descriptors, 6),
            (self.threads, 4),
        ):
            settled = seen[len(seen) // 10 + 1 :]
            third = max(1, len(settled) // 3)
            first, last = (statistics.median(part) for part in (settled[:third], settled[-third:]))
            assert last <= first + more, seen


@dataclass
class Story:
    """What happens to a controller, its repository, its libvirt and its guests."""

    site: Site
    guests: tuple[Guest, ...]
    repository: Repository
    controller: Controlling
    declared: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def declare(self, *snapshots: str) -> None:
        """The same for each guest; at the end all of it is there."""
        for guest in self.guests:
            self.site.declare(guest, *snapshots, prune="auto")
            self.declared[guest.name] = snapshots

    def pushed(self, message: str) -> None:
        """What is declared is pushed, and comes."""
        revision = self.repository.push(message)
        for guest in self.guests:
            self.controller.in_force(revision, guest.name)
            assert by_hand.names(guest) == sorted(self.declared[guest.name])

    def more(self) -> None:
        """A snapshot more, each time; they go again all at once."""
        taken = self.declared.get(self.guests[0].name, ())
        self.declare(*(() if len(taken) > 1 else (*taken, f"s{len(taken)}")))
        self.pushed("others")

    def garbage(self) -> None:
        """A push that cannot be read, and one that can."""
        path = self.site.manifests / "garbage.yaml"
        path.write_text("{")
        self.repository.push("garbage")
        self.controller.until(lambda state: state.source.trouble is not None, "the trouble")
        path.unlink()
        self.more()

    def repository_away(self) -> None:
        """It cannot be read for a while."""
        away = self.repository.bare.with_name("away.git")
        self.repository.bare.rename(away)
        self.controller.until(lambda state: state.source.trouble is not None, "the trouble")
        away.rename(self.repository.bare)
        self.controller.until(lambda state: state.is_ready, "the end of the trouble")

    def libvirtd_dies(self) -> None:
        """It comes back; what was pushed meanwhile is not lost."""
        daemon = self.site.lab.daemon
        daemon.kill()
        self.controller.until(lambda s: s.hosts[0].trouble is not None, "no libvirt")
        daemon.restart()
        for guest in self.guests:
            guest.rebind(self.site.lab.connection)
        self.more()
        self.controller.until(lambda state: state.is_ready, "the end of the trouble")

    def qemu_dies(self) -> None:
        """A guest is off at once, and started again."""
        guest = self.guests[0]
        os.kill(qemu_of(self.site, guest), signal.SIGKILL)
        wait_until(lambda: not guest.is_running)
        self.controller.two_passes()
        guest.start()

    def happenings(self) -> Iterator[Callable[[], None]]:
        """One after another, for ever."""
        return cycle(
            (self.more, self.libvirtd_dies, self.garbage, self.qemu_dies, self.repository_away)
        )


@contextmanager
def story(site: Site) -> Iterator[Story]:
    guests = (site.lab.guest("web01"), site.lab.guest("web02", running=False))
    repository = Repository(site)
    for guest in guests:
        site.declare(guest, prune="auto")
    repository.push("none yet")
    with controlling(site, "--source", str(repository.bare), "--interval", "1s") as controller:
        yield Story(site, guests, repository, controller)


def test_many_passes_with_faults_between_them_lose_nothing_and_grow_nothing(site: Site) -> None:
    with story(site) as told:
        sizes, happenings = Sizes(told.controller.process.pid), told.happenings()
        passes = 0
        while passes < PASSES:
            next(happenings)()
            for _ in range(9):
                passes = told.controller.another_pass()
                sizes.look()
        told.more()
        sizes.demand_flat()
        guest = told.guests[0]
        guest.verify()
        assert told.controller.stop().code == 0
