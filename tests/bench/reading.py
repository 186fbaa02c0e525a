"""Three ways to learn the same of a host: virtsnap, bare libvirt-python, and virsh."""

import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import libvirt

from reconciler.engine.reconcile import make_plan, observe_all
from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.desired import Desired
from reconciler.model.names import HostName
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest

LOCAL = HostName("local")


def planned(host: LibvirtHost, desired: Desired) -> tuple[float, float, Plan]:
    """Seconds to observe, seconds to plan, and the plan."""
    began = time.perf_counter()
    observed = observe_all({LOCAL: host})
    seen = time.perf_counter()
    plan = make_plan(desired, observed, PlanRequest(), now=datetime.now(UTC))
    return seen - began, time.perf_counter() - seen, plan


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


def seconds_by_virsh(uri: str, names: Sequence[str], *, is_running: bool) -> tuple[float, int]:
    """Seconds and calls for the domains *names*, by a script of virsh calls."""
    began, calls = time.perf_counter(), 0
    for name in names:
        for command in _commands(name, is_running=is_running):
            _virsh(uri, *command)
            calls += 1
        for snapshot in _virsh(uri, "snapshot-list", name, "--name").split():
            _virsh(uri, "snapshot-dumpxml", name, snapshot)
            calls += 1
        calls += 1
    return time.perf_counter() - began, calls


def _commands(name: str, *, is_running: bool) -> list[tuple[str, ...]]:
    """What virtsnap knows of a domain beside its records: power, disks, chains, sizes, jobs."""
    commands = [("dumpxml", name)]
    if is_running:
        commands += [
            ("dumpxml", name, "--inactive"),
            ("domblkinfo", name, "--all"),
            ("blockjob", name, "vda", "--info"),
            ("domjobinfo", name),
        ]
    return [
        *commands,
        ("domstate", name, "--reason"),
        ("dominfo", name),  # managed save
        ("snapshot-current", name, "--name"),
        ("checkpoint-list", name, "--name"),
    ]


def _virsh(uri: str, *command: str) -> str:
    done = subprocess.run(
        ["virsh", "-q", "-c", uri, *command], capture_output=True, text=True, check=False
    )
    return done.stdout
