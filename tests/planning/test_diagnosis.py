"""What doctor finds on a host, and what it does not."""

from dataclasses import replace

import pytest

from reconciler.model.desired import DesiredHost, Quiesce
from reconciler.model.domain import AgentState, DiskKind, ObservedHost
from reconciler.model.finding import Finding, FindingCode, Severity
from reconciler.planning.diagnosis import diagnose
from tests.drawing import (
    desired,
    domain,
    host,
    image,
    managed,
    overlay,
    shut_off,
    unmanaged,
    wanted,
)
from tests.fakes.administrator import Administrator
from tests.fakes.person import Person
from tests.fakes.world import LOCAL
from tests.planning.sick_hosts import SICK, STATE, healthy, with_disk, with_domain, with_folder


def codes(seen: ObservedHost) -> list[FindingCode]:
    return [finding.code for finding in diagnose(seen)]


def of_code(seen: ObservedHost, code: FindingCode) -> Finding:
    return next(finding for finding in diagnose(seen) if finding.code is code)


@pytest.mark.parametrize("code", FindingCode)
def test_every_code_occurs(code: FindingCode) -> None:
    unwritable = (STATE,) if code is FindingCode.STATE_NOT_WRITABLE else ()

    assert code in [f.code for f in diagnose(SICK[code](), unwritable=unwritable)]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    seen = host(
        domain("web01", managed("s1"), unmanaged("u1"), vda="(template) ← base ← s1 ← u1"),
        domain("web02", vda="(template) ← other"),
        domain("raw01", shut_off, vda="disk.img"),
    ).observe()

    assert codes(seen) == []


def test_a_host_without_domains_has_no_findings() -> None:
    assert codes(host().observe()) == []


def test_what_a_manifest_wants_otherwise_is_for_plan_to_say() -> None:
    seen = healthy("s1").observe()

    assert diagnose(seen, desired=desired(wanted("web01", "s2"))) == ()


@pytest.mark.parametrize("state", [AgentState.ABSENT, AgentState.DISCONNECTED])
def test_a_lacking_agent_is_a_problem_where_quiesce_is_required(state: AgentState) -> None:
    seen = host(domain("web01", state, vda="base")).observe()
    wish = desired(wanted("web01", "s1", quiesce=Quiesce.REQUIRED))

    [alone] = diagnose(seen)
    [asked] = diagnose(seen, desired=wish)

    assert alone.severity is Severity.WARNING
    assert (asked.severity, asked.fact("required")) == (Severity.PROBLEM, "s1")


def test_an_agent_of_a_shut_off_guest_cannot_be_connected() -> None:
    seen = host(domain("web01", shut_off, AgentState.DISCONNECTED, vda="base")).observe()

    assert codes(seen) == []


def test_cd_roms_and_the_folder_they_lie_in_are_no_finding() -> None:
    fake = healthy()
    Administrator(fake).attach_disk("web01", "sda", "/iso/debian.iso", cdrom=True)
    iso = fake.world.storage.folder("/iso")
    iso.is_writable, iso.free, iso.is_shared = False, 0, True

    assert codes(fake.observe()) == []


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (
            {"kind": DiskKind.NETWORK, "source": None, "chain": None},
            "a network disk, whose other readers cannot be known from this host",
        ),
        ({"is_shareable": True}, "shareable"),
        ({"is_encrypted": True}, "encrypted"),
        ({"format": "vmdk"}, "in format vmdk"),
        ({"device": "lun"}, "a lun"),
        ({"device": "floppy"}, "a floppy"),
        ({"device": "floppy", "is_readonly": True}, None),
        ({"device": "cdrom"}, None),
        ({"is_excluded": True}, "left out by the definition (snapshot='no')"),
        (
            {"is_excluded": True, "is_manual": True},
            "left out by the definition (snapshot='manual')",
        ),
    ],
)
def test_a_disk_that_snapshots_leave_out_is_named_with_the_cause(
    change: dict[str, object], cause: str | None
) -> None:
    seen = with_disk(healthy().observe(), **change)
    found = [f for f in diagnose(seen) if f.code is FindingCode.DISK_NOT_CAPTURED]

    assert [f.fact("cause") for f in found] == ([cause] if cause else [])


def test_too_little_room_for_an_overlay_is_a_problem() -> None:
    seen = healthy().observe()

    [little] = diagnose(with_folder(seen, free=1 << 29))
    [none] = diagnose(with_folder(seen, free=1 << 10))

    assert little.severity is Severity.WARNING
    assert none.severity is Severity.PROBLEM


def test_a_shared_folder_that_the_host_declares_is_fine() -> None:
    seen = with_folder(healthy().observe(), is_shared=True)
    declared = DesiredHost(name=LOCAL, folders=(seen.folders[0].path,))

    assert diagnose(seen, declared=declared) == ()


def test_a_chain_at_the_limit_or_above_the_declared_one_is_a_problem() -> None:
    full = healthy(*(f"s{n}" for n in range(24)), version=11_003_000).observe()
    short = healthy("s1", "s2").observe()
    wish = desired(wanted("web01", "s1", "s2", max_depth=1))

    deep = of_code(full, FindingCode.CHAIN_DEEP)
    [declared] = diagnose(short, desired=wish)

    assert (deep.severity, deep.fact("limit")) == (Severity.PROBLEM, "24")
    assert (declared.severity, declared.fact("limit")) == (Severity.PROBLEM, "1")


def test_reading_the_image_that_is_written_to_is_a_problem() -> None:
    fake = healthy("s1")
    clone = Person(fake).overlay_on(overlay("web01", "vda", "s1"), image("clone"))
    Administrator(fake).define("db01", {"vda": clone})
    found = {(f.domain, f.code): f.severity for f in diagnose(fake.observe())}

    assert found["web01", FindingCode.IMAGE_READ_ELSEWHERE] is Severity.PROBLEM
    assert found["db01", FindingCode.IMAGE_WRITTEN_ELSEWHERE] is Severity.PROBLEM


def test_a_broken_chain_is_seen_behind_a_lost_ledger() -> None:
    fake = host(domain("web01", shut_off, vda="base ← s1"))
    Administrator(fake).lose_ledger("web01")
    Person(fake).remove_file(image("base"))

    assert {FindingCode.LEDGER_LOST, FindingCode.IMAGE_MISSING} <= set(codes(fake.observe()))


def test_internal_snapshots_that_libvirt_knows_are_fine_without_overlays() -> None:
    fake = healthy()
    Person(fake).snapshot_internal("web01", "i1")
    known = fake.observe()
    Person(fake).image_snapshot(image("base"), "stray")

    assert codes(known) == []
    assert codes(fake.observe()) == [FindingCode.INTERNAL_SNAPSHOTS]


def test_findings_come_host_first_then_by_domain() -> None:
    seen = host(
        domain("b", AgentState.ABSENT, vda="b"), domain("a", AgentState.ABSENT, vda="a")
    ).observe()
    seen = replace(with_domain(seen, has_tpm=True), libvirt_version=11_003_000)

    assert [f.domain for f in diagnose(seen)] == [None, "a", "a", "b"]
