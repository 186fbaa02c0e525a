"""Domains that come before others."""

from dataclasses import replace

from reconciler.model.desired import DesiredDomain, Prune
from reconciler.model.plan import DomainPlan, HeldBecause, HeldUntil
from reconciler.model.request import Consent, PlanRequest, Selection
from tests.drawing import desired, domain, host, unmanaged, wanted
from tests.engine.passes import planned
from tests.fakes.host import FakeHost


def after(wish: DesiredDomain, *names: str) -> DesiredDomain:
    return replace(wish, depends_on=names)


def plans(
    fake: FakeHost, *wishes: DesiredDomain, request: PlanRequest | None = None
) -> dict[str, DomainPlan]:
    """The plans in their order."""
    found = planned(fake, desired(*wishes), request or PlanRequest())
    return {plan.domain: plan for plan in found.domains}


def three() -> FakeHost:
    return host(*(domain(name, vda=f"{name}-base") for name in ("app", "db", "zoo")))


def test_what_is_depended_on_comes_first_else_names_decide() -> None:
    found = plans(
        three(),
        after(wanted("app", "s1"), "zoo"),
        wanted("db", "s1"),
        after(wanted("zoo", "s1"), "db"),
    )

    assert list(found) == ["db", "zoo", "app"]
    assert found["app"].depends_on == ("zoo",)
    assert not any(plan.held for plan in found.values())


def test_a_domain_named_by_its_uuid_is_the_same_domain() -> None:
    fake = three()
    uuid = fake.domain("zoo").uuid
    zoo = replace(wanted("zoo", "s1"), domain=uuid)

    found = plans(fake, after(wanted("app", "s1"), uuid), zoo)

    assert list(found) == ["zoo", "app"]
    assert found["app"].depends_on == ("zoo",)


def test_behind_a_refusal_all_is_held_also_from_a_person() -> None:
    fake = host(
        domain("app", vda="app-base"),
        domain("db", unmanaged("s1"), vda="db-base ← s1"),
        domain("zoo", vda="zoo-base"),
    )

    found = plans(
        fake,
        after(wanted("app", "s1"), "zoo"),
        wanted("db", "s1"),
        after(wanted("zoo", "s1"), "db"),
    )

    assert found["db"].refusals
    assert [(h.until, h.because, h.waits_for) for h in found["zoo"].held] == [
        (HeldUntil.DEPENDENCY, HeldBecause.DEPENDS_ON, "db")
    ]
    assert [h.waits_for for h in found["app"].held] == ["zoo"]


def test_what_needs_a_person_holds_the_dependents_from_a_loop_alone() -> None:
    fake = host(domain("app", vda="app-base"), domain("db", vda="db-base ← s1"))
    wishes = after(wanted("app", "s1"), "db"), wanted("db", prune=Prune.CONFIRM)

    person = plans(fake, *wishes)
    loop = plans(fake, *wishes, request=PlanRequest(consent=Consent.LOOP))

    assert not person["app"].held
    assert [h.waits_for for h in loop["app"].held] == ["db"]


def test_who_has_nothing_to_do_waits_for_nobody() -> None:
    fake = host(domain("app", vda="app-base"), domain("zoo", vda="zoo-base"))

    found = plans(fake, after(wanted("app"), "db"), wanted("db", "s1"))

    assert found["db"].refusals  # there is no such domain
    assert not found["app"].held


def test_only_what_takes_part_is_waited_for() -> None:
    selected = PlanRequest(selection=Selection(targets=("app",)))

    found = plans(three(), after(wanted("app", "s1"), "db"), wanted("db", "s1"), request=selected)

    assert list(found) == ["app"]
    assert found["app"].depends_on == ()
    assert found["app"].open_steps
