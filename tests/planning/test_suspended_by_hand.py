"""What a person suspended on this machine is planned for, shown, and not done."""

from dataclasses import replace
from datetime import UTC, datetime

from reconciler.model.desired import Prune
from reconciler.model.names import HostName
from reconciler.model.plan import HeldBecause, HeldUntil
from reconciler.model.request import Consent, PlanRequest
from reconciler.model.suspension import SuspendedBy, Suspension, SuspensionsUnreadable
from reconciler.report import held_text
from reconciler.report.lines import as_text
from tests.drawing import LOCAL, desired, domain, host, wanted
from tests.fakes.host import FakeHost
from tests.planning.reading import gone, plan_of, planned

SINCE = datetime(2026, 11, 22, 10, tzinfo=UTC)
LOOP = PlanRequest(consent=Consent.LOOP)


def said(domain: str | None, *, host: str | None = None, reason: str = "") -> Suspension:
    on = None if host is None else HostName(host)
    return Suspension(host=on, domain=domain, who="root", since=SINCE, reason=reason)


def web01() -> FakeHost:
    return host(domain("web01", vda="base"))


def test_every_step_is_held_from_a_person_and_from_run() -> None:
    wish = replace(desired(wanted("web01", "s1")), suspensions=(said("web01"),))

    for request in (PlanRequest(), LOOP):
        [plan] = planned(web01(), wish, request).domains
        assert plan.suspended_by == (SuspendedBy.HAND,)
        assert plan.drift
        assert plan.open_steps == ()
        assert {(h.because, h.until) for h in plan.held} == {
            (HeldBecause.SUSPENDED, HeldUntil.RESUME)
        }


def test_a_name_a_uuid_a_glob_a_host_and_nothing_at_all_say_what_is_meant() -> None:
    fake = web01()
    uuid = fake.domain("web01").uuid
    plain = desired(wanted("web01", "s1"))

    for one in (said("web01"), said(uuid), said("web*"), said(None), said(None, host=LOCAL)):
        [plan] = planned(fake, replace(plain, suspensions=(one,)), LOOP).domains
        assert plan.is_suspended
    for other in (said("web"), said("web02"), said("web01", host="kvm02"), said(None, host="x")):
        [plan] = planned(fake, replace(plain, suspensions=(other,)), LOOP).domains
        assert not plan.is_suspended


def test_a_domain_whose_manifest_names_its_uuid_is_meant_by_its_name() -> None:
    fake = web01()
    wish = desired(wanted(fake.domain("web01").uuid, "s1"))

    [plan] = planned(fake, replace(wish, suspensions=(said("web01"),)), LOOP).domains

    assert plan.is_suspended


def test_it_holds_when_the_manifest_has_gone() -> None:
    fake = host(domain("web01", vda="base ← s1"))
    request = replace(LOOP, prune_gone=Prune.AUTO)
    none = desired()

    assert gone(fake, "web01", none, request).open_steps
    plan = gone(fake, "web01", replace(none, suspensions=(said("web01"),)), request)

    assert plan.steps
    assert plan.open_steps == ()


def test_everybody_who_suspended_it_is_named() -> None:
    wish = desired(replace(wanted("web01", "s1"), is_suspended=True))
    both = replace(wish, suspensions=(said("web*", reason="a backup"),))

    [plan] = planned(web01(), both, LOOP).domains
    text = as_text(held_text.of_domain(plan))

    assert plan.suspended_by == (SuspendedBy.MANIFEST, SuspendedBy.HAND)
    assert "the manifest says `suspend: true`" in text
    assert "suspended by hand by root since 2026-11-22" in text
    assert "(a backup): virtsnap resume 'web*'" in text


def test_what_cannot_be_read_suspends_everything_and_says_why() -> None:
    damaged = SuspensionsUnreadable(path="/s/suspended.json", cause="it is damaged")
    wish = replace(desired(wanted("web01", "s1")), suspensions=(damaged,))

    [plan] = planned(web01(), wish, LOOP).domains

    assert plan.open_steps == ()
    assert "/s/suspended.json: it is damaged" in as_text(held_text.of_domain(plan))


def test_nobody_else_is_held() -> None:
    assert plan_of(web01(), wanted("web01", "s1"), request=LOOP).open_steps
