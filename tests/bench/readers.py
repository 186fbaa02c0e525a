"""The two readers, each a process of its own: ``python -m tests.bench.readers WHICH URI MANIFESTS``.

A process of its own, for whatever else a process does (the lab turns an event loop) slows the calls
on its connections. A line on stdin starts one run; its figures come back as one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import libvirt

from reconciler.engine.reconcile import make_plan, observe_all
from reconciler.hypervisor.host import LibvirtHost
from reconciler.manifest.load import load
from reconciler.model.desired import Desired
from reconciler.model.names import HostName
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest
from reconciler.source.folder import FolderSource

Figures = dict[str, float]
_LOCAL = HostName("local")


def ours(uri: str, manifests: Path) -> Callable[[], Figures]:
    """Observe and plan, each time as if the host had never been seen before."""
    began = time.perf_counter()
    desired = _desired(uri, manifests)
    loading = time.perf_counter() - began

    def run() -> Figures:
        host = LibvirtHost(_LOCAL, uri, is_readonly=True)
        cpu, began = time.process_time(), time.perf_counter()
        observed = observe_all({_LOCAL: host})
        seen = time.perf_counter()
        plan = make_plan(desired, observed, PlanRequest(), now=datetime.now(UTC))
        planned = time.perf_counter()
        host.close()
        return {
            "observe": seen - began,
            "plan": planned - seen,
            "cpu": time.process_time() - cpu,
            "manifests": loading,
            "in sync": _in_sync(plan),
        }

    return run


def bare(uri: str, _manifests: Path) -> Callable[[], Figures]:
    """All XML of domains and records, one thread, nothing parsed."""
    connection = libvirt.openReadOnly(uri)

    def run() -> Figures:
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
        return {"seconds": time.perf_counter() - began, "documents": documents}

    return run


def _desired(uri: str, manifests: Path) -> Desired:
    source = FolderSource(manifests)
    return load(
        source.fetch().files,
        source=source.id,
        revision=None,
        is_complete=True,
        default_host_uri=uri,
    )


def _in_sync(plan: Plan) -> int:
    return sum(not (domain.drift or domain.steps or domain.refusals) for domain in plan.domains)


def main() -> None:
    """Answer until stdin ends."""
    which, uri, manifests = sys.argv[1:]
    run = {"ours": ours, "bare": bare}[which](uri, Path(manifests))
    for _ in sys.stdin:
        print(json.dumps(run()), flush=True)


if __name__ == "__main__":
    main()
