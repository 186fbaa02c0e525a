"""``virtsnap status``."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from reconciler.cli import wiring
from reconciler.cli.console import show_document, show_lines
from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import Options, Output
from reconciler.cli.sources import has_manifests, load_desired
from reconciler.model.desired import Desired
from reconciler.model.domain import ObservedHost
from reconciler.model.names import HostName
from reconciler.model.plan import Plan
from reconciler.model.request import PlanRequest
from reconciler.report.status import (
    DomainStatusDocument,
    StatusDocument,
    domain_status,
    missing_status,
    status_lines,
)


def status(options: Options) -> int:
    """Say in one line for every domain whether it is in sync, drifted, refused or at work."""
    from reconciler.engine.reconcile import make_plan, observe_all

    now = datetime.now(UTC)
    desired = _desired(options)
    with wiring.opened(desired.hosts, options, is_readonly=True) as connections:
        seen = observe_all(connections)
    plan = make_plan(desired, seen, PlanRequest(selection=options.selection), now=now)
    domains = tuple(
        line for line in _lines(plan, seen, now=now) if options.selection.has_domain(line.domain)
    )
    if options.is_text:
        show_lines(status_lines(domains), no_color=options.no_color)
    else:
        show_document(StatusDocument(domains=domains), as_yaml=options.output is Output.YAML)
    return ExitCode.DONE


def _desired(options: Options) -> Desired:
    """What the manifests say, where there are some; else nothing, of nobody."""
    if has_manifests(options):
        whole = load_desired(options, allow_empty=True)
        return wiring.narrowed(whole, wiring.hosts_of(whole, options))
    return Desired(
        source="",
        revision=None,
        is_complete=False,
        hosts=(wiring.only_host(options),),
        domains=(),
    )


def _lines(
    plan: Plan, seen: Mapping[HostName, ObservedHost], *, now: datetime
) -> Iterator[DomainStatusDocument]:
    """Every domain that is there, then those that are declared and are not."""
    plans = {(part.host, part.uuid): part for part in plan.domains if part.uuid}
    for host in seen.values():
        for domain in sorted(host.domains, key=lambda domain: (domain.name, domain.uuid)):
            yield domain_status(host, domain, plans.get((host.name, domain.uuid)), now=now)
    for part in plan.domains:
        if part.uuid is None:
            yield missing_status(part)
