"""A domain that libvirt cannot describe, or that was changed while it was read: the others go on, and
nothing is made of what is not known."""

from dataclasses import replace

from reconciler.engine import reconcile
from reconciler.model.desired import Desired, Prune
from reconciler.model.domain import CHANGE_BY, Undescribed
from reconciler.model.names import DomainName, DomainUuid
from reconciler.model.plan import DomainPlan
from reconciler.model.refusal import RefusalCode
from reconciler.model.request import PlanRequest
from reconciler.planning import diagnosis
from tests.drawing import desired, domain, host, wanted
from tests.fakes.host import FakeHost

SILENT = Undescribed(
    name=DomainName("db01"),
    uuid=DomainUuid("00000000-0000-4000-8000-00000000db01"),
    cause="a call that its QEMU does not answer",
)


def planned(fake: FakeHost, wish: Desired) -> dict[str, DomainPlan]:
    """The plans by domain, with db01 silent."""
    now = fake.world.clock.now()
    seen = {each.name: replace(fake.observe(), undescribed=(SILENT,)) for each in wish.hosts}
    plan = reconcile.make_plan(wish, seen, PlanRequest(), now=now)
    return {each.domain: each for each in plan.domains}


def test_it_is_refused_by_name_and_not_taken_for_missing() -> None:
    fake = host(domain("web01", vda="base"))
    plans = planned(fake, desired(wanted("web01", "s1"), wanted("db01", "s1")))

    assert [step.action.name for step in plans["web01"].steps] == ["create"]
    (why,) = plans["db01"].refusals
    assert why.code is RefusalCode.DOMAIN_BUSY
    assert why.fact("job") == SILENT.cause
    assert not plans["db01"].drift


def test_nothing_that_it_may_read_is_merged_or_removed() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    plan = planned(fake, desired(wanted("web01", prune=Prune.AUTO)))["web01"]

    assert not plan.steps
    (why,) = plan.refusals
    assert (why.code, why.fact("domain")) == (RefusalCode.DOMAIN_BUSY, "db01")


def test_doctor_says_who_it_is() -> None:
    fake = host(domain("web01", vda="base"))
    (found,) = diagnosis.diagnose(replace(fake.observe(), undescribed=(SILENT,)))
    assert (found.code, found.domain) == ("DomainBusy", "db01")


def test_of_a_domain_that_was_changed_while_it_was_read_nothing_is_concluded() -> None:
    """Its records are gone and its ledger, read before, says that they are there."""
    fake = host(domain("web01", vda="base ← s1"), domain("db01", vda="other"))
    seen = fake.observe()
    torn = tuple(
        replace(each, records=(), domain_job=f"{CHANGE_BY}root@other 7") if each.records else each
        for each in seen.domains
    )
    wish = desired(wanted("web01", "s1"), wanted("db01", "s1"))
    plans = reconcile.make_plan(
        wish,
        {each.name: replace(seen, domains=torn) for each in wish.hosts},
        PlanRequest(),
        now=fake.world.clock.now(),
    ).domains

    found = {plan.domain: plan for plan in plans}
    assert found["db01"].steps
    assert not found["web01"].drift
    assert not found["web01"].steps
    (why,) = found["web01"].refusals
    assert (why.code, why.fact("job")) == (RefusalCode.DOMAIN_BUSY, "a change by root@other 7")
    told = [f for f in diagnosis.diagnose(replace(seen, domains=torn)) if f.domain == "web01"]
    assert [finding.code for finding in told] == ["DomainBusy"]
