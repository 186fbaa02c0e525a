"""What a controller costs that has nothing to do, and how soon it follows a push."""

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.model.controller import ControllerState, Readiness
from reconciler.service.state_file import read_state
from tests.bench.removing import BenchError
from tests.system.controlling import Repository
from tests.system.site import Site

#: seconds between two passes of a controller as people have it
INTERVAL = 60.0
_PATIENCE = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
#: the first passes also load what is loaded late
_WARM_UP = 3
#: watched between two passes, for each run
_SECONDS_IDLE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Idling:
    """Seconds, and bytes of memory."""

    #: CPU time of one pass
    per_pass: float
    #: CPU time of a second between passes
    between: float
    #: CPU time of libvirtd for one pass
    of_libvirtd: float
    resident: int
    #: from the end of a push to the first call to libvirt, and to the end of that pass
    push_to_call: float
    push_to_pass: float

    @property
    def share(self) -> float:
        """Of a core, with a pass each minute."""
        return self.between + self.per_pass / INTERVAL


def measure(site: Site, *, domains: int, runs: int) -> Idling:
    """A controller over all domains of *site*, which follows a repository on the same machine."""
    seconds = _SECONDS_IDLE * runs
    repository = Repository(site)
    repository.push("all of them")
    with _running(site, repository) as controller:
        controller.until(lambda state: _in_sync(state) == domains, f"{domains} domains in sync")
        for _ in range(min(_WARM_UP, runs)):
            controller.make_pass()
        before = controller.fine_cpu()
        time.sleep(seconds)  # this is what is measured, not what is waited for
        between = (controller.fine_cpu() - before) / seconds
        daemon = site.lab.daemon.pid
        of_libvirtd = _cpu(daemon)
        passes = [controller.make_pass() - between for _ in range(runs)]
        of_libvirtd = (_cpu(daemon) - of_libvirtd) / runs
        pushed = [_pushed(site, repository, controller) for _ in range(runs)]
        resident = controller.resident()
    calls, ends = zip(*(_followed(controller.log, *push) for push in pushed), strict=True)
    return Idling(
        per_pass=max(0.0, statistics.median(passes)),
        between=between,
        of_libvirtd=of_libvirtd,
        resident=resident,
        push_to_call=statistics.median(calls),
        push_to_pass=statistics.median(ends),
    )


@dataclass
class _Running:
    """A controller, seen from outside: to ask it would be work for it."""

    process: "subprocess.Popen[bytes]"
    runtime: Path
    log: Path

    def until(self, holds: Callable[[ControllerState], bool], what: str) -> None:
        """Watch its state file."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            state, _ = read_state(self.runtime)
            if state is not None and holds(state):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the controller does not come to {what}")
            time.sleep(0.05)

    def make_pass(self) -> float:
        """CPU seconds of one pass, and of the second in which its state is written."""
        passes = self._passes()
        before = self.cpu()
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda state: state.passes > passes, "the end of a pass")
        time.sleep(1.0)
        return self.cpu() - before

    def cpu(self) -> float:
        """Seconds, up to now."""
        return _cpu(self.process.pid)

    def fine_cpu(self) -> float:
        """The same in nanoseconds, of the threads that are there now."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def resident(self) -> int:
        """Bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def _passes(self) -> int:
        state, _ = read_state(self.runtime)
        return state.passes if state else 0


@contextmanager
def _running(site: Site, repository: Repository) -> Iterator[_Running]:
    log = site.folder / "log"
    options = ("--source", str(repository.bare), "--interval", "1h", "--listen", "127.0.0.1:0")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            site.command("run", "-v", *options),
            cwd=site.folder,
            env=site.surroundings(),
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        yield _Running(process, site.folder / "run", log)
    finally:
        process.terminate()
        process.wait()


def _pushed(site: Site, repository: Repository, controller: _Running) -> tuple[str, float]:
    """The revision that was pushed, and when."""
    revision = repository.push("the same again")
    at = time.time()
    controller.until(lambda state: state.source.revision == revision, revision)
    controller.until(lambda s: all(d.revision == revision for d in s.domains), "a whole pass")
    return revision, at


def _followed(log: Path, revision: str, pushed: float) -> tuple[float, float]:
    """Seconds from the push to the beginning and to the end of the pass over *revision*."""
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")
    ]
    begun = next(n for n, line in enumerate(lines) if line.get("revision") == revision)
    made = next(line for line in lines[begun:] if line["event"] == "pass")
    end = datetime.fromisoformat(made["timestamp"]).timestamp()
    return end - made["seconds"] - pushed, end - pushed


def _in_sync(state: ControllerState) -> int:
    return sum(domain.readiness is Readiness.READY for domain in state.domains)


def _cpu(process: int) -> float:
    """User and system time of all its threads, and of the children it has waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
