"""The words of doctor."""

import pytest

from reconciler.model.domain import AgentState
from reconciler.model.finding import WARNINGS, FindingCode, Severity
from reconciler.model.names import DiskTarget
from reconciler.planning.diagnosis import diagnose
from reconciler.report.doctor import doctor_document, doctor_lines, finding_document
from reconciler.report.finding_words import WORDS
from reconciler.report.lines import as_text
from tests.drawing import domain, host, image, unmanaged
from tests.fakes.person import Person
from tests.planning.sick_hosts import SICK, STATE


@pytest.mark.parametrize("code", FindingCode)
def test_every_code_has_words_for_its_facts(code: FindingCode) -> None:
    found = [f for f in diagnose(SICK[code](), unwritable=(STATE,)) if f.code is code]
    for finding in found:
        told = finding_document("local", finding)
        assert told.hint
        for text in (told.message, told.hint):
            assert not set("{}[]?") & set(text), text
        assert not told.message.endswith(".")
    assert WORDS[code].meaning.endswith(".")


@pytest.mark.parametrize("code", FindingCode)
def test_what_makes_a_warning_a_problem_is_said(code: FindingCode) -> None:
    assert code in WARNINGS or not WORDS[code].worse


def test_a_dangling_record_of_somebody_else_is_theirs_to_drop() -> None:
    fake = host(domain("my web", unmanaged("u1"), vda="base ← u1"))
    top = fake.domain("my web").disk(DiskTarget("vda")).source
    Person(fake).blockcommit("my web", "vda", base=image("base"), top=top)
    seen = fake.observe()
    [told] = [finding_document("local", f) for f in diagnose(seen)]

    assert told.hint == "virsh snapshot-delete --metadata 'my web' u1, once you are sure"


def test_findings_are_told_by_host_and_domain() -> None:
    seen = host(
        domain("web01", AgentState.ABSENT, vda="base"),
        domain("db01", vda="data"),
        version=11_003_000,
    ).observe()
    document = doctor_document([(seen, ("db01", "web01"), diagnose(seen))])

    assert as_text(doctor_lines(document)) == (
        "host local (fake:///system): libvirt 11.3.0, QEMU 7.2.0\n"
        "  ! warning LibvirtDeepChains: libvirt 11.3.0 cannot start a guest whose chain has more "
        "than 25 images\n"
        "    hint: keep few snapshots, best with `chain.maxDepth: 8` in every manifest; libvirt 12.0"
        " can do it again\n"
        "web01 on local\n"
        "  ! warning AgentAbsent: it has no channel for the guest agent\n"
        "    hint: set it up as docs/agent.md says, or be content with crash-consistent snapshots\n"
        "0 problems, 2 warnings. 2 domains looked at.\n"
    )
    assert {finding.severity for finding in document.findings} == {Severity.WARNING}


def test_a_clean_host_says_so() -> None:
    seen = host(domain("web01", vda="base")).observe()
    document = doctor_document([(seen, ("web01",), diagnose(seen))])

    assert as_text(doctor_lines(document)) == "No findings. 1 domain looked at.\n"
