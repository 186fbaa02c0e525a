"""Three ways to learn the same of a host: virtsnap, bare libvirt-python, and virsh."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import libvirt

from tests.bench.readers import Figures
from tests.bench.removing import BenchError
from tests.system.site import Site

_ROOT = Path(__file__).parent.parent.parent
_SAMPLE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Seconds each way takes."""

    observe: float
    plan: float
    cpu: float
    bare: float
    documents: int
    #: extrapolated from *sampled* domains to all
    virsh: float
    calls: int
    virsh_xml: float
    xml_calls: int
    sampled: int
    manifests: float


def measure(site: Site, *, domains: int, runs: int) -> Reading:
    """All three; ours and bare turn by turn, so that other work on the machine hits both."""
    uri = site.lab.daemon.uri
    with _Reader(site, "ours") as ours, _Reader(site, "bare") as bare:
        first = ours.run()  # the first of each is start-up: imports, and QEMU's first answers
        bare.run()
        if first["in sync"] != domains:
            raise BenchError(f"only {first['in sync']:.0f} of {domains} domains are in sync")
        turns = [(bare.run(), ours.run()) for _ in range(runs)]
    virsh, calls, xml, xml_calls, sampled = _by_virsh(site.lab.connection, uri)
    return Reading(
        observe=statistics.median(our["observe"] for _, our in turns),
        plan=statistics.median(our["plan"] for _, our in turns),
        cpu=statistics.median(our["cpu"] for _, our in turns),
        bare=statistics.median(bare["seconds"] for bare, _ in turns),
        documents=int(turns[0][0]["documents"]),
        virsh=virsh,
        calls=calls,
        virsh_xml=xml,
        xml_calls=xml_calls,
        sampled=sampled,
        manifests=first["manifests"],
    )


class _Reader:
    """A process that reads the host each time it is told to."""

    def __init__(self, site: Site, which: str) -> None:
        module = ("-m", "tests.bench.readers")
        self._process = subprocess.Popen(
            [sys.executable, *module, which, site.lab.daemon.uri, str(site.manifests)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> Figures:
        """One run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"a reader ended with {self._process.wait()}")
        figures: Figures = json.loads(line)
        return figures

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()


# --- virsh


def _by_virsh(connection: libvirt.virConnect, uri: str) -> tuple[float, int, float, int, int]:
    """Seconds and calls for all facts, the same for the XML alone, and how many were sampled."""
    seconds, xml_seconds, calls, xml_calls, sampled = 0.0, 0.0, 0, 0, 0
    for is_running in (False, True):
        flag = (
            libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
            if is_running
            else libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE
        )
        names = sorted(domain.name() for domain in connection.listAllDomains(flag))
        sample = names[:_SAMPLE]
        if not sample:
            continue
        factor = len(names) / len(sample)
        xml = _timed(uri, [call for name in sample for call in _xml_calls(uri, name, is_running)])
        rest = _timed(uri, [call for name in sample for call in _other_calls(name, is_running)])
        xml_seconds += factor * xml[0]
        xml_calls += round(factor * xml[1])
        seconds += factor * (xml[0] + rest[0])
        calls += round(factor * (xml[1] + rest[1]))
        sampled += len(sample)
    return seconds, calls, xml_seconds, xml_calls, sampled


def _xml_calls(uri: str, name: str, is_running: bool) -> list[tuple[str, ...]]:
    names = _virsh(uri, "snapshot-list", name, "--name").split()
    return [
        ("dumpxml", name),
        *([("dumpxml", name, "--inactive")] if is_running else []),
        ("snapshot-list", name, "--name"),
        *(("snapshot-dumpxml", name, snapshot) for snapshot in names),
    ]


def _other_calls(name: str, is_running: bool) -> list[tuple[str, ...]]:
    """What else virtsnap knows: power, managed save, current, checkpoints; sizes and jobs."""
    of_running = [
        ("domblkinfo", name, "--all"),
        ("blockjob", name, "vda", "--info"),
        ("domjobinfo", name),
    ]
    return [
        ("domstate", name, "--reason"),
        ("dominfo", name),
        ("snapshot-current", name, "--name"),
        ("checkpoint-list", name, "--name"),
        *(of_running if is_running else []),
    ]


def _timed(uri: str, calls: Sequence[tuple[str, ...]]) -> tuple[float, int]:
    began = time.perf_counter()
    for call in calls:
        _virsh(uri, *call)
    return time.perf_counter() - began, len(calls)


def _virsh(uri: str, *command: str) -> str:
    done = subprocess.run(
        ["virsh", "-q", "-c", uri, *command], capture_output=True, text=True, check=False
    )
    return done.stdout
