"""Plans as short lines, so that a test shows the whole plan."""

from typing import assert_never

from reconciler.model.action import (
    AbortJob,
    Action,
    AdoptRequest,
    AdoptSnapshot,
    CommitOverlays,
    CreateSnapshot,
    DefineDomain,
    DeleteSnapshot,
    FinishJob,
    ForgetSnapshot,
    RedefineSnapshot,
    ReleaseSnapshot,
    RemoveImage,
    RenewLedger,
    RevertInternal,
    RevertSnapshot,
    ShutDownDomain,
    StartDomain,
    SwitchDisk,
    ThawGuest,
)
from reconciler.model.desired import Desired, DesiredDomain
from reconciler.model.names import base_name
from reconciler.model.plan import DomainPlan
from reconciler.model.request import PlanRequest
from reconciler.model.snapshot import MemoryCapture
from tests.drawing import desired
from tests.engine.passes import planned
from tests.fakes.host import FakeHost


def plan_of(
    fake: FakeHost,
    *domains: DesiredDomain,
    request: PlanRequest | None = None,
    folders: tuple[str, ...] = (),
) -> DomainPlan:
    """The plan of the first of *domains*; *folders* are the Host's."""
    plan = planned(fake, desired(*domains, folders=folders), request or PlanRequest())
    return next(d for d in plan.domains if d.domain == domains[0].domain)


def gone(fake: FakeHost, name: str, wish: Desired, request: PlanRequest) -> DomainPlan:
    """The plan of a domain whose manifest has gone."""
    return next(d for d in planned(fake, wish, request).domains if d.domain == name)


def steps(plan: DomainPlan) -> list[str]:
    """One line a step."""
    return [line(step.action) for step in plan.steps]


def codes(plan: DomainPlan) -> list[str]:
    """Refusals as ``Code snapshot``."""
    return [f"{r.code.value} {r.snapshot or ''}".strip() for r in plan.refusals]


def kinds(plan: DomainPlan) -> list[str]:
    """Differences by kind, with their snapshot or image."""
    return [
        f"{d.kind} {getattr(d, 'snapshot', None) or base_name(getattr(d, 'image', ''))}".strip()
        for d in plan.drift
    ]


def line(action: Action) -> str:
    """``commit vda base ← s1, s2 live`` and the like; images without folder, domain and suffix."""
    match action:
        case CreateSnapshot():
            quiesced = " quiesced" if action.quiesce else ""
            kind = " internal" if action.internal else ""
            memory = "" if action.memory is MemoryCapture.NONE else " memory"
            disks = ",".join([*(o.target for o in action.overlays), *action.internal])
            halts = " halts" if action.halts else ""
            return f"create {action.snapshot} {disks}{kind}{memory}{halts}{quiesced}"
        case CommitOverlays():
            names = ", ".join(short(path) for path in action.merged)
            rebased = f" rebase {','.join(map(short, action.rebased))}" if action.rebased else ""
            return f"commit {action.disk} {short(action.base)} ← {names} {action.method}{rebased}"
        case DeleteSnapshot():
            inside = ",".join(f"{disk}={short(path)}" for disk, path in action.images)
            return f"delete {action.snapshot} {inside}"
        case FinishJob():
            return f"finish-job {action.disk} {short(action.base)} ← {short(action.top)}"
        case AbortJob():
            return f"abort-job {action.disk}"
        case ForgetSnapshot():
            lost = " as lost" if action.keeps_as_lost else ""
            return f"forget {action.snapshot}{lost}{'' if action.has_record else ' entry'}"
        case RedefineSnapshot():
            parts = [f"{c.target}={short(c.source or c.overlay or '')}" for c in action.sources]
            parts += ["current"] if action.make_current else []
            parts += [f"'{action.description}'"] if action.description is not None else []
            parts += ["held"] if action.holds else []
            return f"redefine {action.snapshot} {' '.join(parts)}"
        case RemoveImage():
            return f"remove {short(action.path)} {action.cause}"
        case AdoptSnapshot():
            return f"adopt {action.snapshot} {'mark' if action.writes_mark else action.state}"
        case ReleaseSnapshot():
            return f"release {action.snapshot}"
        case RevertSnapshot():
            disks = ",".join(f"{d.target}={short(d.overlay)}" for d in action.disks)
            return f"revert {action.snapshot} {disks}"
        case RevertInternal():
            return f"revert {action.snapshot} inside {','.join(t for t, _ in action.images)}"
        case ShutDownDomain():
            return f"shut-down {action.timeout}"
        case StartDomain():
            return f"start {action.state}{' from memory' if action.memory else ''}"
        case DefineDomain():
            return f"define {action.snapshot}{'' if action.is_there else ' lost'}"
        case AdoptRequest():
            return f"adopt-request {action.request} {action.state}"
        case RenewLedger():
            return "renew-ledger"
        case ThawGuest():
            return "thaw"
        case SwitchDisk():
            return f"switch-disk {action.disk} {short(action.observed)} → {short(action.image)}"
        case _:
            assert_never(action)


def short(path: str) -> str:
    """The file name without suffix, and without the domain in front."""
    return path.rpartition("/")[2].removesuffix(".qcow2").removeprefix("web01-")
