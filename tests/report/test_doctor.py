"""The words of doctor."""

import re

import pytest

from reconciler.model.domain import AgentState
from reconciler.model.finding import WARNINGS, FindingCode, Severity
from reconciler.model.names import DiskTarget, ImagePath, base_name
from reconciler.model.refusal import RefusalCode
from reconciler.planning.diagnosis import diagnose
from reconciler.report.doctor import doctor_document, doctor_lines, finding_document
from reconciler.report.drift_text import remedy
from reconciler.report.finding_words import WORDS
from reconciler.report.lines import as_text
from reconciler.report.refusal_words import WORDS as REFUSALS
from tests.drawing import domain, host, image, shut_off, unmanaged, unrecorded
from tests.fakes.host import FakeHost
from tests.fakes.person import Person
from tests.planning.sick_hosts import SICK, STATE
from tests.report.every import DIFFERENCES


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

    assert told.hint == (
        "virsh snapshot-delete --metadata 'my web' u1, once you are sure, then virtsnap plan"
    )


def test_a_dangling_record_that_others_hang_on_is_dropped_only_where_they_stay_as_they_are() -> (
    None
):
    """libvirt before 9.9 rewrites the records below the one that is dropped."""
    for version, is_said in ((9_008_000, False), (9_009_000, True)):
        fake = host(domain("web01", unmanaged("u1", "u2"), vda="base ← u1 ← u2"), version=version)
        Person(fake).remove_file(image("base"))
        found = [f for f in diagnose(fake.observe()) if f.code is FindingCode.RECORD_DANGLING]
        hint = next(finding_document("local", f).hint for f in found if f.fact("snapshot") == "u1")

        assert ("snapshot-delete" in hint) is is_said, hint
        assert ("would rewrite the record of u2" in hint) is not is_said, hint


def hints_at_overlays(fake: FakeHost) -> dict[str, str]:
    """The hint at each overlay of somebody else, by its name."""
    found = [f for f in diagnose(fake.observe()) if f.code is FindingCode.FOREIGN_OVERLAY]
    return {base_name(ImagePath(f.fact("image"))): finding_document("local", f).hint for f in found}


def test_a_merge_by_hand_is_named_only_where_it_writes_into_no_snapshot() -> None:
    fake = host(domain("web01", unrecorded("backup"), vda="base ← s1 ← backup"))
    (hint,) = hints_at_overlays(fake).values()
    assert "virsh blockcommit web01 vda --active --pivot --shallow merges it into" in hint

    # on what a snapshot froze: the same command would be the end of it
    fake = host(domain("web01", unmanaged("u1"), unrecorded("backup"), vda="base ← u1"))
    Person(fake).revert("web01", "u1", redefine_disks=False)
    (hint,) = hints_at_overlays(fake).values()
    assert "blockcommit" not in hint
    assert "it would destroy u1" in hint
    assert "virsh blockpull web01 vda" in hint


def test_what_stands_on_an_overlay_of_somebody_else_goes_first() -> None:
    fake = host(domain("web01", unrecorded("b1", "b2"), vda="base ← s1 ← b1 ← b2"))
    hints = hints_at_overlays(fake)

    assert len(hints) == 2
    (below,) = [hint for hint in hints.values() if "stands on it, and goes first" in hint]
    assert "virsh" not in below
    (top,) = [hint for hint in hints.values() if hint != below]
    assert "blockcommit" in top


def test_a_guest_that_is_off_is_started_before_anything_is_merged_by_hand() -> None:
    fake = host(domain("web01", shut_off, unrecorded("backup"), vda="base ← s1 ← backup"))
    (hint,) = hints_at_overlays(fake).values()
    assert "virsh start web01, and look again" in hint
    assert "blockcommit" not in hint


#: every command in a hint that changes something, and why it is safe when typed as it stands
REVIEWED = {
    (
        FindingCode.FOREIGN_OVERLAY,
        "virsh blockcommit",
    ): "said only where nobody holds what it writes",
    (FindingCode.FOREIGN_OVERLAY, "virsh blockpull"): "writes into the foreign overlay alone",
    (FindingCode.FOREIGN_OVERLAY, "virsh start"): "on the chain that the definition names",
    (FindingCode.PAUSED_ON_ERROR, "virsh resume"): "once the cause is gone",
    (FindingCode.MANAGED_SAVE, "virsh start"): "where the saved definition names the same images",
    (FindingCode.MANAGED_SAVE, "virsh managedsave-remove"): "says that the memory is lost",
    (FindingCode.FREEZE_UNENDED, "virsh domfsthaw"): "ends a freeze that is ours",
    (FindingCode.DELETE_UNFINISHED, "virsh snapshot-delete"): "what is half merged, in one branch",
    (FindingCode.BACKING_FORMAT_MISSING, "qemu-img rebase"): "shut off; the header's own backing",
    (FindingCode.RECORD_DANGLING, "virsh snapshot-delete"): "a record that no other hangs on",
    (FindingCode.RECORD_OUTDATED, "virsh snapshot-delete"): "warned of",
    (FindingCode.CURRENT_MISPLACED, "virsh snapshot-delete"): "warned of",
    (FindingCode.IMAGE_CORRUPT, "qemu-img check"): "reads; -r is not said",
    (FindingCode.READER_UNKNOWN, "qemu-img rebase"): "copies; never -u",
    (RefusalCode.CHAIN_BROKEN, "qemu-img check"): "reads; -r is not said",
    (RefusalCode.UNMANAGED_READER, "qemu-img rebase"): "copies; never -u",
    (FindingCode.IMAGE_READ_ELSEWHERE, "virsh blockpull"): "writes into the other's own image",
    (FindingCode.IMAGE_READ_ELSEWHERE, "qemu-img rebase"): "copies; never -u",
    (RefusalCode.AGENT_FROZEN, "virsh domfsthaw"): "once the backup has died",
    (RefusalCode.DEFINITION_OWED, "virsh snapshot-delete"): "a record without disks",
    (RefusalCode.DOMAIN_TRANSIENT, "virsh define"): "as the guest runs now",
    (RefusalCode.MANAGED_SAVE, "virsh start"): "where the saved definition names the same images",
    (RefusalCode.MANAGED_SAVE, "virsh managedsave-remove"): "says that the memory is lost",
    (RefusalCode.MEMORY_NOT_POSSIBLE, "virsh start"): "a guest that is off",
    (RefusalCode.NEEDS_POWER_OFF, "virsh shutdown"): "asks the guest",
    (RefusalCode.SHUT_DOWN_REFUSED, "virsh shutdown"): "asks the guest",
}
_LOOKS = re.compile(
    r"virsh (?:dom\w+|list|dumpxml|metadata|blockjob|pool-list|checkpoint-list|snapshot-dumpxml"
    r"|managedsave-dumpxml|qemu-agent-command)|qemu-img (?:info|snapshot -l)"
)


def test_every_command_that_a_hint_names_has_been_looked_at() -> None:
    """A hint is typed by people in trouble: what changes anything is listed with why it may."""
    named = set()
    for code, hint in [
        *((code, words.hint) for code, words in WORDS.items()),
        *((code, words.hint) for code, words in REFUSALS.items()),
    ]:
        for command in re.findall(r"(?:virsh|qemu-img) [a-z][a-z-]+(?: -l)?", hint):
            if not _LOOKS.fullmatch(command) or command == "virsh domfsthaw":
                named.add((code, command))

    assert named == set(REVIEWED)


def test_no_remedy_of_a_difference_names_a_command_that_writes() -> None:
    for difference in DIFFERENCES:
        said = remedy(difference, domain="web01")
        for command in re.findall(r"(?:virsh|qemu-img) [a-z-]+", said):
            assert _LOOKS.match(command), said


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
