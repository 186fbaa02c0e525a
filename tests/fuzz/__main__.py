"""``python -m tests.fuzz``: a number of trials, each with little time and memory, on all processors."""

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from tests.fuzz import corpus, trial

#: Of the processor: far more than any document takes, and no clock on the wall.
GUARD_SECONDS = 5.0
MOST_MEMORY = 300 << 20
#: So many trials are lost to the count when a process dies.
_TOLD = 100


@dataclass
class Tally:
    """What came of the trials."""

    ends: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)
    #: KiB, of the process that used most
    memory: int = 0

    def add(self, other: "Tally") -> None:
        """The sum."""
        self.ends += other.ends
        self.documents += other.documents
        self.failures += other.failures
        self.slowest = max(self.slowest, other.slowest)
        self.memory = max(self.memory, other.memory)


def one(seed: str, number: int, tally: Tally) -> None:
    """A single trial, into *tally*."""
    given = trial.files(seed, number)
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, GUARD_SECONDS)
    try:
        tally.ends[trial.attempt(given)] += 1
    except BaseException as error:  # whatever it is, it is what we look for
        tally.failures.append(f"{number}: {type(error).__name__}: {error}"[:500])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    tally.documents += sum(1 for file in given if not file.is_values)
    tally.slowest = max(tally.slowest, (time.process_time() - begun, number))
    tally.memory = max(
        tally.memory,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    )


def _work(seed: str, numbers: range, at: Any, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    tally = Tally()
    for done, number in enumerate(numbers, 1):
        at.value = number
        one(seed, number, tally)
        if done % _TOLD == 0:
            answer.send(tally)
            tally = Tally()
    answer.send(tally)
    answer.close()


def _watched(seed: str, jobs: Sequence[range]) -> Tally:
    """Every range in a process of its own; one that dies is a failure, and is gone on behind it."""
    context = multiprocessing.get_context("fork")
    whole, waiting = Tally(), list(jobs)
    running = []
    while waiting or running:
        while waiting and len(running) < len(jobs):
            numbers, at = waiting.pop(), context.Value("q", -1)
            ours, theirs = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(seed, numbers, at, theirs))
            worker.start()
            theirs.close()
            running.append((worker, numbers, at, ours))
        ready = multiprocessing.connection.wait([each[3] for each in running])
        for each in [each for each in running if each[3] in ready]:
            worker, numbers, at, ours = each
            try:
                whole.add(ours.recv())
                _tell(whole)
                continue
            except EOFError:
                running.remove(each)
            worker.join()
            if worker.exitcode:
                whole.failures.append(f"{at.value}: the process ended with {worker.exitcode}")
                waiting.append(range(at.value + numbers.step, numbers.stop, numbers.step))
    return whole


def _tell(tally: Tally) -> None:
    if os.environ.get("VIRTSNAP_FUZZ_LOUD"):
        print(f"{tally.documents} documents, {len(tally.failures)} failures", flush=True)


def run(count: int, seed: str, *, jobs: int) -> Tally:
    """*count* trials."""
    corpus.manifests()  # read once, before there are many of us
    return _watched(seed, [range(first, count, jobs) for first in range(min(jobs, count))])


def main() -> int:
    """0: nothing escaped, hung or grew; 1: something did."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", default="virtsnap")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", type=int, help="this one trial, in this process, its text shown")
    asked = parser.parse_args()
    if asked.only is not None:
        given = trial.files(asked.seed, asked.only)
        print(*(f"--- {file.name}\n{file.text[:4000]!r}" for file in given), sep="\n")
        print(trial.attempt(given))
        return 0
    begun = time.monotonic()
    tally = run(asked.count, asked.seed, jobs=asked.jobs)
    seconds = time.monotonic() - begun
    print(
        f"{sum(tally.ends.values())} trials, {tally.documents} documents in {seconds:.0f} s, seed {asked.seed}"
    )
    print(f"ended in: {dict(sorted(tally.ends.items()))}")
    print(f"slowest: {tally.slowest[0]:.2f} s of the processor (trial {tally.slowest[1]})")
    print(f"most memory: {tally.memory // 1024} MiB")
    print(*(f"FAILED {failure}" for failure in sorted(tally.failures)), sep="\n", end="")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
