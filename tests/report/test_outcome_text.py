"""The end of an apply, for people."""

from reconciler.errors import HypervisorError
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.lines import as_text
from reconciler.report.outcome_text import failure_lines, outcome_lines
from tests.report.drawn_plans import domain_plan, removal

PLAN = domain_plan(*removal())


def ended(status: DomainStatus, done: int = 0, **more: object) -> DomainOutcome:
    return DomainOutcome(
        host=PLAN.host,
        domain=PLAN.domain,
        status=status,
        plan=PLAN,
        steps_done=done,
        **more,  # type: ignore[arg-type]  # short
    )


def test_what_went_well_is_a_number() -> None:
    lines = outcome_lines([ended(DomainStatus.APPLIED, 7), ended(DomainStatus.IN_SYNC)])

    assert as_text(lines) == "Done: 7 steps on 1 domain.\n"


def test_failures_refusals_and_what_is_left_are_said() -> None:
    late = refusal(RefusalCode.NO_SPACE, folder="/images")
    error = HypervisorError("cannot pivot web01/vda: not ready", hint="virsh blockjob web01 vda")
    outcomes = [
        ended(DomainStatus.FAILED, 2, error=error),
        ended(DomainStatus.REFUSED, refusals=(late,)),
        ended(DomainStatus.INTERRUPTED, 1, left="commit s1, s2 on vda"),
    ]
    text = as_text(outcome_lines(outcomes))

    assert as_text(failure_lines(outcomes)) == (
        "! failed web01 on kvm01: cannot pivot web01/vda: not ready\n"
        "  hint: virsh blockjob web01 vda\n"
    )
    assert "! failed" not in text
    assert "! refused NoSpace web01 on kvm01: cannot change web01: not enough space" in text
    assert "! interrupted web01 on kvm01: left to do: commit s1, s2 on vda\n" in text
    assert text.endswith("Done: 3 steps on 2 domains; 1 refused, 1 failed, 1 interrupted.\n")
