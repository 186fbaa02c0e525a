"""Reading domain definitions, on what libvirt 9.0 really said."""

import pytest

from reconciler.errors import HypervisorError
from reconciler.hypervisor import domain_xml
from reconciler.hypervisor.domain_xml import Definition
from reconciler.hypervisor.xml import parse
from reconciler.model.domain import AgentState, DiskKind
from tests.captures import capture


def read(name: str) -> Definition:
    return domain_xml.definition(parse(capture(name)))


def test_a_live_definition_spells_its_chain_to_the_end() -> None:
    disk = read("external-two-disks/04-live").disks[0]

    assert [(layer.path or "").rpartition("/")[2] for layer in disk.layers] == [
        "vda-s2.qcow2",
        "vda-s1.qcow2",
        "two-disks-vda.qcow2",
    ]
    assert disk.is_terminated
    assert all(layer.index and layer.format == "qcow2" for layer in disk.layers)


def test_a_persistent_definition_of_a_running_domain_spells_a_chain_too() -> None:
    disk = read("external-two-disks/05-persistent").disks[0]

    assert len(disk.layers) == 3
    assert disk.is_spelled


def test_a_domain_snapshotted_when_off_spells_none() -> None:
    disk, drive = read("external-shut-off/02-shut-off").disks

    assert not disk.is_spelled
    assert drive.active.kind is DiskKind.EMPTY
    assert drive.is_readonly
    assert drive.device == "cdrom"


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("external-two-disks/01-running", AgentState.CONNECTED),
        ("external-two-disks/05-persistent", AgentState.DISCONNECTED),
    ],
)
def test_the_agent_channel_is_open_only_while_the_domain_runs(name: str, state: AgentState) -> None:
    assert read(name).agent is state


def test_only_a_live_definition_has_an_id() -> None:
    assert domain_xml.is_live(parse(capture("external-two-disks/04-live")))
    assert not domain_xml.is_live(parse(capture("external-two-disks/05-persistent")))
    assert not domain_xml.is_live(parse(capture("external-two-disks/06-shut-off")))


def test_ready_is_the_promise_of_the_mirror() -> None:
    running, ready = (
        read(f"active-commit/{phase}").disks[0].mirror for phase in ("02-running", "03-ready")
    )

    assert running is not None
    assert ready is not None
    assert (running.is_ready, ready.is_ready) == (False, True)
    assert ready.job == "active-commit"
    assert (ready.path or "").endswith("active-commit-vda.qcow2")
    assert read("active-commit/04-pivoted").disks[0].mirror is None


def test_firmware_tpm_and_the_marks_of_a_disk_are_seen() -> None:
    found = domain_xml.definition(
        parse(
            """<domain><os firmware='efi'/><devices><tpm model='tpm-tis'/>
            <disk type='file' snapshot='no'><source file='/a'><encryption format='luks'/></source>
            <target dev='vda'/><shareable/><transient/></disk>
            <disk type='network'><source protocol='rbd' name='p/i'/><target dev='vdb'/></disk>
            <disk type='block'><driver type='raw'/><source dev='/dev/vg/a'/><target dev='vdc'/></disk>
            <disk type='volume'><source pool='p' volume='v' startupPolicy='optional'/>
            <target dev='vdd'/></disk>
            </devices></domain>"""
        )
    )

    vda, vdb, vdc, vdd = found.disks
    assert (found.firmware, found.has_tpm) == ("uefi", True)
    assert vda.is_encrypted
    assert vda.is_shareable
    assert vda.is_transient
    assert vda.is_excluded
    assert (vdb.active.kind, vdc.active.kind) == (DiskKind.NETWORK, DiskKind.BLOCK)
    assert vdd.volume == ("p", "v")
    assert [disk.is_optional for disk in found.disks] == [False, False, False, True]


def test_no_entity_is_expanded_and_nothing_is_fetched() -> None:
    bomb = (
        "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
        "<domain><devices><disk type='file'><source file='/x'/><target dev='vda'/>&a;</disk>"
        "</devices></domain>"
    )

    assert "root" not in "".join(parse(bomb).itertext())
    with pytest.raises(HypervisorError, match="cannot read libvirt's XML"):
        parse("<domain>")


@pytest.mark.parametrize(
    ("said", "excluded", "manual"),
    [("no", True, False), ("manual", True, True), ("external", False, False), ("", False, False)],
)
def test_what_a_definition_says_of_snapshots(said: str, excluded: bool, manual: bool) -> None:
    text = f"<disk type='file' snapshot='{said}'><source file='/a'/><target dev='vda'/></disk>"
    found = domain_xml.disk(parse(text))

    assert (found.is_excluded, found.is_manual) == (excluded, manual)
