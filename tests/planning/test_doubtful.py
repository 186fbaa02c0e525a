"""What only QEMU, libvirt or one of two definitions knows: no guest is paused, or told, for nothing."""

from dataclasses import replace

import pytest

from reconciler.model.desired import CaptureType, DesiredRevert, DesiredSnapshot, RevertPower
from reconciler.model.domain import ObservedHost
from reconciler.model.drift import LedgerFault, LedgerStale
from reconciler.model.ledger import EntryState, LedgerEntry
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainStatus
from reconciler.model.request import Consent, PlanRequest
from reconciler.planning import differ, planner
from reconciler.report.refusals import explained
from tests.drawing import desired, domain, host, shut_off, wanted
from tests.engine.passes import reconciled
from tests.fakes.administrator import Administrator
from tests.fakes.controller import Controller
from tests.fakes.host import FakeHost
from tests.planning.reading import codes, plan_of, steps

S1 = SnapshotName("s1")


@pytest.mark.parametrize("blocks", [True, False])
def test_a_guest_whose_devices_are_in_doubt_is_shut_down_for_a_revert(*, blocks: bool) -> None:
    fake = host(domain("web01", vda="base ← s1 ← s2"))
    fake.domain("web01").blocks_saving = blocks
    present = fake.guest_view("web01", "vda")
    wish = wanted("web01", "s1", "s2", revert=DesiredRevert(to=S1, request="r1"))

    result = reconciled(fake, desired(wish), PlanRequest(consent=Consent.PERSON))

    assert [line.split()[0] for line in steps(result.domain)][:3] == [
        "shut-down",
        "create",
        "revert",
    ]
    assert result.outcomes[0].error is None
    assert fake.domain("web01").pauses == 0
    assert fake.snapshot_view("web01", "before-revert-r1", "vda") == present
    assert fake.domain("web01").is_active


def test_memory_that_cannot_be_saved_is_refused_before_the_guest_is_paused() -> None:
    fake = host(domain("web01", vda="base"))
    fake.domain("web01").blocks_saving = True
    wish = desired(wanted("web01", DesiredSnapshot(name=S1, memory=True)))

    (outcome,) = reconciled(fake, wish, PlanRequest()).outcomes

    assert outcome.status is DomainStatus.STALE
    assert fake.domain("web01").pauses == 0
    fake.domain("web01").blocks_saving = False
    assert reconciled(fake, wish, PlanRequest()).outcomes[0].error is None


# --- UEFI


def uefi(fake: FakeHost, *, nvram: str, version: int) -> ObservedHost:
    seen = fake.observe()
    domains = tuple(
        replace(each, firmware="uefi", has_pflash=True, nvram_format=nvram) for each in seen.domains
    )
    return replace(seen, domains=domains, libvirt_version=version)


@pytest.mark.parametrize("version", [9_000_000, 9_003_000, 10_009_000, 10_010_000, 11_003_000])
@pytest.mark.parametrize("nvram", ["raw", "qcow2"])
@pytest.mark.parametrize("is_on", [True, False])
def test_what_is_said_of_uefi_is_true_of_that_libvirt(
    version: int, nvram: str, *, is_on: bool
) -> None:
    traits = () if is_on else (shut_off,)
    fake = host(domain("web01", *traits, vda="base"))
    seen = uefi(fake, nvram=nvram, version=version)
    snapshot = DesiredSnapshot(name=S1, type=CaptureType.INTERNAL, memory=is_on)
    wish = desired(wanted("web01", snapshot))

    (plan,) = planner.plan_host(wish, wish.hosts[0], seen, PlanRequest(), now=seen.observed_at)

    if is_on or version < 9_003_000:
        (refused,) = plan.refusals
        assert refused.code == "InternalNotPossible"
        hint = explained(refused, domain="web01").hint
        assert "memory: true" not in hint
        assert "type: external" in hint
        assert ("power: off" in hint) is (is_on and version >= 9_003_000)
    else:
        assert not plan.refusals
        holds = nvram == "qcow2" and version >= 10_010_000
        assert ("web01: the NVRAM is not part of a snapshot" in plan.warnings) is not holds


@pytest.mark.parametrize("kind", list(CaptureType))
@pytest.mark.parametrize("nvram", ["raw", "qcow2"])
@pytest.mark.parametrize("version", [10_009_000, 11_003_000])
def test_a_revert_says_whether_the_nvram_goes_back(
    kind: CaptureType, nvram: str, version: int
) -> None:
    is_internal = kind is CaptureType.INTERNAL
    fake = host(domain("web01", shut_off, vda="base"))
    Controller(fake).take("web01", "s1", inside=is_internal)
    seen = uefi(fake, nvram=nvram, version=version)
    revert = DesiredRevert(to=S1, request="r1", power=RevertPower.OFF)
    wish = desired(wanted("web01", DesiredSnapshot(name=S1, type=kind), revert=revert))

    (plan,) = planner.plan_host(wish, wish.hosts[0], seen, PlanRequest(), now=seen.observed_at)

    goes = is_internal and nvram == "qcow2" and version >= 10_010_000
    does = "goes back too" if goes else "stays as it is now"
    assert f"web01: the NVRAM {does}" in plan.warnings


# --- the ledger in one definition alone


@pytest.mark.parametrize("which", ["live", "persistent"])
@pytest.mark.parametrize("lost", ["gone", "older", "foreign"])
def test_a_ledger_that_one_definition_has_lost_is_written_again(which: str, lost: str) -> None:
    fake = host(domain("web01", vda="base ← s1"))
    web01 = fake.domain("web01")
    ledger = web01.ledger
    assert ledger is not None
    definition = getattr(web01, which)
    definition.ledger = {
        "gone": None,
        "older": replace(ledger, serial=ledger.serial - 1, entries=()),
        "foreign": replace(ledger, uuid=type(ledger.uuid)("other"), serial=0),
    }[lost]
    wish = wanted("web01", "s1")

    plan = plan_of(fake, wish)

    assert plan.drift == (LedgerStale(fault=LedgerFault.PARTIAL),)
    assert not differ.is_rebuild(plan.drift)
    assert steps(plan) == ["renew-ledger"]
    result = reconciled(fake, desired(wish), PlanRequest())
    assert result.outcomes[0].status is DomainStatus.APPLIED
    assert web01.live is not None
    assert web01.persistent is not None
    assert web01.live.ledger == web01.persistent.ledger
    assert [e.name for e in web01.ledger.entries] == ["s1"]  # type: ignore[union-attr]
    assert not plan_of(fake, wish).drift
    more = wanted("web01", "s1", "s2")
    definition.ledger = None
    assert not codes(plan_of(fake, more))
    assert reconciled(fake, desired(more), PlanRequest()).outcomes[0].error is None
    # after a restart of the guest it is there still
    Administrator(fake).shut_off("web01")
    assert [e.name for e in web01.ledger.entries] == ["s1", "s2"]  # type: ignore[union-attr]
    assert all(e.state is EntryState.TAKEN for e in entries(fake))


def entries(fake: FakeHost) -> tuple[LedgerEntry, ...]:
    ledger = fake.domain("web01").ledger
    return ledger.entries if ledger is not None else ()
