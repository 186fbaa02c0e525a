"""A situation and its end in few lines, for a failing property."""

from reconciler.model.domain import ObservedDomain
from tests.engine.passes import Pass
from tests.fakes.host import FakeHost
from tests.strategies import Situation


def situation_told(situation: Situation) -> str:
    """History, request, manifests and host."""
    lines = [f"history: {', '.join(situation.history)}", f"request: {situation.request}"]
    for wish in situation.desired.domains:
        names = ", ".join(
            f"{s.name}({s.power.value}, skip {sorted(s.skip)})" for s in wish.snapshots
        )
        if wish.revert:
            lines.append(f"{wish.domain} back {wish.revert}")
        lines.append(f"wants {wish.domain}: {names or 'none'}; prune {wish.prune.value}")
    return "\n".join([*lines, *host_told(situation.fake)])


def host_told(fake: FakeHost) -> list[str]:
    """Each domain: chains, records, ledger, jobs."""
    return [line for domain in fake.observe().domains for line in _domain(domain)]


def _domain(domain: ObservedDomain) -> list[str]:
    lines = [f"{domain.name} {domain.power.value} {domain.ledger_problem or ''}"]
    for disks in domain.definitions:
        lines += [f"  {disk.target}: {disk.chain or disk.source}" for disk in disks]
    for record in domain.records:
        disks = ", ".join(f"{d.target} {d.source} → {d.overlay}" for d in record.disks)
        mark = "*" if record.is_current else ""
        lines.append(f"  {record.name}{mark} uid {record.uid} of {record.parent}: {disks}")
    if domain.ledger:
        lines += [f"  {e.name} {e.state.value} {e.uid}" for e in domain.ledger.entries]
        lines += [f"  {c.state.value}: {c.base} ← {c.merged}" for c in domain.ledger.commits]
        lines += [f"  {r.request} to {r.to}: {r.state.value}" for r in domain.ledger.requests]
        lines.append(f"  ours: {sorted(domain.ledger.image_paths)}")
        lines.append(f"  owed: {domain.ledger.owed}")
    lines += [f"  job {job.disk} {job.kind.value}" for job in domain.jobs]
    return lines


def pass_told(result: Pass) -> str:
    """Steps, refusals and errors of each domain."""
    lines = []
    for outcome in result.outcomes:
        lines.append(f"{outcome.domain}: {outcome.status.value}, {outcome.steps_done} done")
        lines += [f"  {difference}" for difference in outcome.plan.drift]
        lines += [f"  {step.id} {step.action}" for step in outcome.plan.steps]
        lines += [f"  refused {refusal}" for refusal in outcome.refusals]
        if outcome.error:
            lines.append(f"  ERROR {outcome.error}")
    return "\n".join(lines)
