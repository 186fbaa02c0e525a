"""Three ways to learn the same of a host: virtsnap, bare libvirt-python, and virsh."""

import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import libvirt

from reconciler.engine.reconcile import make_plan, observe_all
from reconciler.hypervisor.host import LibvirtHost
from reconciler.manifest.load import load
from reconciler.model.desired import Desired
from reconciler.model.names import HostName
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest
from reconciler.source.folder import FolderSource
from tests.bench.removing import BenchError
from tests.system.site import Site

LOCAL = HostName("local")
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
    """All three, turn by turn, so that whatever else the machine does hits all of them."""
    uri = site.lab.daemon.uri
    began = time.perf_counter()
    desired = _desired(site)
    manifests = time.perf_counter() - began
    connection = libvirt.openReadOnly(uri)
    try:
        _check(planned(uri, desired)[2], domains)
        bare, ours = [], []
        for _ in range(runs):
            bare.append(read_bare(connection))
            cpu = time.process_time()
            observe, plan, _ = planned(uri, desired)
            ours.append((observe, plan, time.process_time() - cpu))
        virsh, calls, xml, xml_calls, sampled = _by_virsh(connection, uri)
    finally:
        connection.close()
    observe, plan, cpu = (statistics.median(each) for each in zip(*ours, strict=True))
    return Reading(
        observe=observe,
        plan=plan,
        cpu=cpu,
        bare=statistics.median(seconds for seconds, _ in bare),
        documents=bare[0][1],
        virsh=virsh,
        calls=calls,
        virsh_xml=xml,
        xml_calls=xml_calls,
        sampled=sampled,
        manifests=manifests,
    )


def planned(uri: str, desired: Desired) -> tuple[float, float, Plan]:
    """Seconds to observe, seconds to plan, and the plan: of a host never seen before."""
    host = LibvirtHost(LOCAL, uri, is_readonly=True)
    try:
        began = time.perf_counter()
        observed = observe_all({LOCAL: host})
        seen = time.perf_counter()
        plan = make_plan(desired, observed, PlanRequest(), now=datetime.now(UTC))
        return seen - began, time.perf_counter() - seen, plan
    finally:
        host.close()


def read_bare(connection: libvirt.virConnect) -> tuple[float, int]:
    """Seconds, and documents: all XML of domains and records, one thread, nothing parsed."""
    began, documents = time.perf_counter(), 0
    for domain in connection.listAllDomains(0):
        domain.XMLDesc(0)
        documents += 1
        if domain.isActive():
            domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            documents += 1
        for snapshot in domain.listAllSnapshots(0):
            snapshot.getXMLDesc(0)
            documents += 1
    return time.perf_counter() - began, documents


def _desired(site: Site) -> Desired:
    source = FolderSource(site.manifests)
    return load(
        source.fetch().files,
        source=source.id,
        revision=None,
        is_complete=True,
        default_host_uri=site.lab.daemon.uri,
    )


def _check(plan: Plan, domains: int) -> None:
    if len(plan.domains) != domains:
        raise BenchError(f"{domains} domains were made, {len(plan.domains)} are planned")
    for domain in plan.domains:
        if domain.drift or domain.steps or domain.refusals:
            raise BenchError(f"{domain.domain} is not in sync: {domain.drift or domain.refusals}")


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
