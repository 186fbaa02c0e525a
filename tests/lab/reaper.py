"""Run a command under a process that adopts and reaps every orphan below it.

    python reaper.py [-k] COMMAND [ARGUMENT ...]

libvirt waits, in destroy, shutdown, revert and each probe of QEMU, until the daemonised QEMU has
left the process table. Where process 1 is no real init (containers, sandboxes) a dead QEMU stays a
zombie until process 1 happens to look: seconds lost a call. As a child subreaper this process
becomes the parent of those QEMUs and reaps them at once. It lives until its last descendant is
gone, so guests outlive a daemon that crashes.

SIGTERM, SIGINT and SIGHUP go to COMMAND. With ``-k`` what is left below is killed once COMMAND has
ended after such a signal, and the same happens when this process's own parent dies: a killed test
run leaves no guest behind. The exit status is COMMAND's.

It runs as a script of its own and so imports nothing of the project.
"""

import ctypes
import os
import signal
import sys
from collections import defaultdict
from types import FrameType

PR_SET_CHILD_SUBREAPER = 36
SECONDS_BETWEEN_LOOKS_AT_THE_PARENT = 1.0


def descendants(root: int) -> list[int]:
    """Every process below *root*, nearest first."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - pathlib doubles the time
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:  # ended while we looked
            continue
        children[parent].append(int(entry))
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children[waiting.pop(0)]
        found += below
        waiting += below
    return found


class Reaper:
    """One command, and everything that ends up below it."""

    def __init__(self, command: list[str], *, kill_leftovers: bool) -> None:
        self.command = command
        self.kill_leftovers = kill_leftovers
        self.parent = os.getppid()
        self.child: int | None = None
        self.asked_to_end = False

    def run(self) -> int:
        """Start the command, reap until nothing is left, return its exit status."""
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError("cannot become a child subreaper")
        self.child = os.fork()
        if self.child == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execvp(self.command[0], self.command)
        self._listen()
        return self._reap_all()

    def _listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        if self.kill_leftovers:
            signal.signal(signal.SIGALRM, self._look_at_parent)
            period = SECONDS_BETWEEN_LOOKS_AT_THE_PARENT
            signal.setitimer(signal.ITIMER_REAL, period, period)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.asked_to_end = True
        if self.child is not None:
            os.kill(self.child, number)
        elif self.kill_leftovers:
            self._kill_descendants()

    def _look_at_parent(self, _number: int, _frame: FrameType | None) -> None:
        if os.getppid() != self.parent:
            self._end(signal.SIGTERM, None)

    def _kill_descendants(self) -> None:
        for process in descendants(os.getpid()):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:  # ended while we looked
                continue

    def _reap_all(self) -> int:
        status = 0
        while True:
            try:
                process, ended_with = os.wait()
            except ChildProcessError:
                return os.waitstatus_to_exitcode(status) & 255
            if process == self.child:
                status, self.child = ended_with, None
                if self.kill_leftovers and self.asked_to_end:
                    self._kill_descendants()


def main(arguments: list[str]) -> int:
    """``[-k] COMMAND [ARGUMENT ...]``: the command's exit status."""
    kill_leftovers = arguments[:1] == ["-k"]
    command = arguments[1:] if kill_leftovers else arguments
    return Reaper(command, kill_leftovers=kill_leftovers).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
