"""One line a domain: in sync, drifted, refused, or at work."""

import enum
from collections.abc import Iterator, Sequence
from datetime import datetime

from reconciler.model.controller import DomainState
from reconciler.model.domain import AgentState, BlockJob, ObservedDomain, ObservedHost
from reconciler.model.names import HostName
from reconciler.model.ownership import Mark, is_held, mark_of
from reconciler.model.plan import DomainPlan
from reconciler.model.power import PowerState
from reconciler.report.controller_document import ControllerDocument
from reconciler.report.controller_text import domains_lines, said_of, tone_of
from reconciler.report.document import Document, WholeDocument
from reconciler.report.drift_rows import unasked
from reconciler.report.lines import Line, Tone, padded
from reconciler.report.suspension_documents import SuspensionDocument
from reconciler.report.units import count


class Standing(enum.StrEnum):
    """How a domain stands against its manifest."""

    IN_SYNC = "in sync"
    DRIFTED = "drifted"
    REFUSED = "refused"
    #: ``suspend: true``
    SUSPENDED = "suspended"
    #: somebody is changing it right now
    AT_WORK = "at work"
    #: no manifest, nothing managed
    UNMANAGED = "unmanaged"
    MISSING = "missing"


_TONES = {
    Standing.IN_SYNC: Tone.PLAIN,
    Standing.DRIFTED: Tone.CHANGED,
    Standing.REFUSED: Tone.REFUSED,
    Standing.SUSPENDED: Tone.QUIET,
    Standing.AT_WORK: Tone.CHANGED,
    Standing.UNMANAGED: Tone.QUIET,
    Standing.MISSING: Tone.REFUSED,
}


class DomainStatusDocument(Document):
    """One domain in a line."""

    host: str
    domain: str
    uuid: str | None
    standing: Standing
    power: PowerState | None
    agent: AgentState | None
    snapshots: int
    managed: int
    #: managed snapshots with a hold
    held: int
    depth: int
    steps: int
    refusals: tuple[str, ...]
    #: drift that nobody asked to change
    notes: int
    job: str | None


class StatusDocument(WholeDocument):
    """Every domain, in the order of hosts and names.

    *domains* is what is so right now; empty where *problem* says why nobody could look.
    *controller*: what a controller of this machine said last, *running*: it still runs.
    """

    domains: tuple[DomainStatusDocument, ...]
    problem: str | None = None
    running: bool = False
    controller: ControllerDocument | None = None
    #: by hand, on this machine
    suspensions: tuple[SuspensionDocument, ...] = ()


def domain_status(
    host: ObservedHost, domain: ObservedDomain, plan: DomainPlan | None, *, now: datetime
) -> DomainStatusDocument:
    """The status of *domain*; *plan* is None where nothing is declared, managed or there."""
    job = _at_work(domain, now)
    return DomainStatusDocument(
        host=host.name,
        domain=domain.name,
        uuid=domain.uuid,
        standing=Standing.AT_WORK if job else _standing(plan),
        power=domain.power,
        agent=domain.agent,
        snapshots=len(domain.records),
        managed=sum(1 for r in domain.records if mark_of(domain, r) is not Mark.UNMANAGED),
        held=sum(1 for r in domain.records if is_held(domain, r)),
        depth=max((disk.chain.depth for disk in domain.disks if disk.chain), default=0),
        steps=len(plan.steps) if plan else 0,
        refusals=tuple(refusal.code for refusal in plan.refusals) if plan else (),
        notes=len(unasked(plan)) if plan else 0,
        job=job,
    )


def missing_status(plan: DomainPlan) -> DomainStatusDocument:
    """The status of a domain that is declared and not there."""
    return DomainStatusDocument(
        host=plan.host,
        domain=plan.domain,
        uuid=None,
        standing=Standing.MISSING,
        power=None,
        agent=None,
        snapshots=0,
        managed=0,
        held=0,
        depth=0,
        steps=0,
        refusals=tuple(refusal.code for refusal in plan.refusals),
        notes=0,
        job=None,
    )


def status_lines(domains: Sequence[DomainStatusDocument]) -> Iterator[Line]:
    """A table without a head: domain, standing, facts."""
    if not domains:
        yield Line("no domains", Tone.QUIET)
        return
    names = [f"{domain.domain} on {domain.host}" for domain in domains]
    width = max(len(name) for name in names)
    for name, domain in zip(names, domains, strict=True):
        head = f"{padded(name, width)}  {padded(domain.standing, 9)}"
        yield Line(f"{head}  {', '.join(_facts(domain))}".rstrip(), _TONES[domain.standing])


def with_controller(
    live: Sequence[DomainStatusDocument], known: Sequence[DomainState], *, now: datetime
) -> Iterator[Line]:
    """Each domain as it is now, below it what the controller says of it; then those of it alone."""
    if not live:
        yield from domains_lines(known, now=now)
        return
    told = {(state.host, state.uuid or state.domain): state for state in known}
    for document, line in zip(live, status_lines(live), strict=True):
        yield line
        state = told.pop((HostName(document.host), document.uuid or document.domain), None)
        if state is not None:
            yield Line(f"  {state.readiness}  {said_of(state, now=now)}", tone_of(state))
    yield from domains_lines(tuple(told.values()), now=now) if told else ()


def _facts(domain: DomainStatusDocument) -> Iterator[str]:
    if domain.power is not None:
        yield domain.power
        held = f", {domain.held} held" if domain.held else ""
        yield count(domain.snapshots, "snapshot") + (
            f" ({domain.managed} managed{held})" if domain.managed else ""
        )
    if domain.depth:
        yield f"depth {domain.depth}"
    if domain.steps:
        yield f"{count(domain.steps, 'step')} to do"
    yield from domain.refusals
    if domain.notes:
        yield count(domain.notes, "note")
    if domain.job:
        yield domain.job


def _standing(plan: DomainPlan | None) -> Standing:
    if plan is None:
        return Standing.UNMANAGED
    if plan.is_suspended:
        return Standing.SUSPENDED
    if plan.refusals:
        return Standing.REFUSED
    if plan.steps:
        return Standing.DRIFTED
    return Standing.IN_SYNC if plan.manifest else Standing.UNMANAGED


def _at_work(domain: ObservedDomain, now: datetime) -> str | None:
    """The block job, domain job or controller that is at work there."""
    if domain.jobs:
        return "; ".join(_job(job) for job in domain.jobs)
    if domain.domain_job:
        return domain.domain_job
    fence = domain.ledger.fence if domain.ledger else None
    if fence and fence.until > now:
        return f"being changed by {fence.holder}"
    return None


def _job(job: BlockJob) -> str:
    done = f" {100 * job.done // job.total}%" if job.total else ""
    return f"{job.kind} on {job.disk}{done}"
