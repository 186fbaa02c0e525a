"""One line a domain."""

from dataclasses import replace
from datetime import timedelta

from reconciler.model.domain import BlockJob, JobKind
from reconciler.model.ledger import Fence
from reconciler.model.plan import Reason
from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.lines import as_text
from reconciler.report.status import domain_status, missing_status, status_lines
from tests.drawing import domain, host
from tests.report.drawn_plans import NOON, create, domain_plan, s3, step, vda

SEEN = host(domain("web01", vda="base ← s1 ← s2")).observe()
[WEB01] = SEEN.domains


def line(plan: object, seen: object = WEB01) -> str:
    return as_text(status_lines([domain_status(SEEN, seen, plan, now=NOON)]))  # type: ignore[arg-type]  # short


def test_a_domain_in_sync() -> None:
    assert line(domain_plan()) == (
        "web01 on local  in sync    running, 2 snapshots (2 managed), depth 2\n"
    )


def test_a_domain_that_drifted() -> None:
    plan = domain_plan(step(1, create(s3, vda), Reason.DECLARED_NOT_TAKEN))

    assert "drifted" in line(plan)
    assert "1 step to do" in line(plan)


def test_a_refusal_goes_before_drift() -> None:
    plan = domain_plan(
        step(1, create(s3, vda), Reason.DECLARED_NOT_TAKEN),
        refusals=(refusal(RefusalCode.NAME_TAKEN),),
    )

    assert "refused" in line(plan)
    assert "NameTaken" in line(plan)


def test_a_running_job_is_shown_with_how_far_it_is() -> None:
    job = BlockJob(disk=vda, kind=JobKind.ACTIVE_COMMIT, done=45, total=100)

    assert "at work    " in line(None, replace(WEB01, jobs=(job,)))
    assert "active-commit on vda 45%" in line(None, replace(WEB01, jobs=(job,)))


def test_a_fence_that_is_over_is_nothing() -> None:
    def fenced(hours: int) -> object:
        fence = Fence(holder="root@kvm01 7", plan_id="x", until=NOON + timedelta(hours=hours))
        return replace(WEB01, ledger=replace(WEB01.ledger, fence=fence))  # type: ignore[type-var]  # it has one

    assert "being changed by root@kvm01 7" in line(None, fenced(1))
    assert "being changed" not in line(None, fenced(-1))


def test_a_missing_domain_and_no_domain() -> None:
    assert "missing" in as_text(status_lines([missing_status(domain_plan(power=None))]))
    assert as_text(status_lines([])) == "no domains\n"
