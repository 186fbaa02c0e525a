"""Machines with UEFI and a TPM, whose states no external snapshot holds, on each libvirt."""

from pathlib import Path

import libvirt
import pytest
from lxml import etree

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.names import HostName
from tests.lab.guest import Guest, Lab
from tests.lab.versions import each_libvirt
from tests.system import by_hand, storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu

NOT_HELD = [
    "web01: the NVRAM is not part of a snapshot",
    "web01: the TPM state is not part of a snapshot",
]


@pytest.fixture
def site(any_site: Site) -> Site:
    """An empty site on each libvirt."""
    return any_site


def seen(site: Site, guest: Guest) -> tuple[str, bool]:
    """Firmware and TPM as virtsnap observes them."""
    host = LibvirtHost(HostName("local"), site.lab.daemon.uri, is_readonly=True)
    try:
        domain = host.observe().domain(guest.name)
    finally:
        host.close()
    assert domain is not None
    return domain.firmware, domain.has_tpm


def test_their_disks_are_snapshotted_and_the_plan_says_what_is_not(site: Site) -> None:
    guest = site.lab.uefi_guest("web01", tpm=True)
    site.declare(guest, "off", prune="auto")

    assert seen(site, guest) == ("uefi", True)
    assert site.planned(guest)["warnings"] == NOT_HELD
    site.apply()

    guest.domain.create()  # libvirt 9.0 names the firmware another way from now on
    site.declare(guest, "on", prune="auto")
    assert seen(site, guest) == ("uefi", True)
    assert site.planned(guest)["warnings"] == NOT_HELD
    site.apply()
    assert guest.is_running
    assert by_hand.names(guest) == ["on"]

    found = site.virtsnap("doctor", "-o", "json").document["findings"]
    codes = {finding["code"] for finding in found if finding["domain"] == guest.name}
    assert codes >= {"UefiNotCaptured", "TpmNotCaptured"}
    guest.destroy()
    storage.assert_tidy(guest)


@pytest.mark.parametrize("name", each_libvirt(since=(10, 10)))
def test_an_nvram_in_qcow2_goes_back_with_an_internal_snapshot_and_the_plan_says_so(
    request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    lab: Lab = request.getfixturevalue(name)
    site = Site(lab, tmp_path)
    guest = lab.uefi_guest("web01")
    try:
        nvram = guest.folder / "vars.qcow2"
        by_hand.run("qemu-img", "create", "-q", "-f", "qcow2", str(nvram), "540672")
        root = etree.fromstring(guest.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        boot = root.find("os")
        assert boot is not None
        for old in ("firmware", "nvram", "loader"):
            for element in boot.findall(old):
                boot.remove(element)
        boot.attrib.pop("firmware", None)
        loader = etree.SubElement(boot, "loader", readonly="yes", type="pflash")
        loader.text = "/usr/share/OVMF/OVMF_CODE_4M.fd"
        etree.SubElement(boot, "nvram", format="qcow2").text = str(nvram)
        by_hand.define(guest, root)
        inside = {"name": "i1", "type": "internal"}
        site.declare(guest, inside)
        assert site.planned(guest)["warnings"] == []
        site.apply()
        by_hand.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x77 0 64k", str(nvram))
        site.declare(guest, inside, revert={"to": "i1", "request": "r1", "present": "discard"})

        assert "web01: the NVRAM goes back too" in site.planned(guest)["warnings"]
        listed = by_hand.run("qemu-img", "snapshot", "-l", str(nvram))
        assert "i1" in listed
        site.apply()
        by_hand.run("qemu-io", "-f", "qcow2", "-c", "read -P 0 0 64k", str(nvram))
    finally:
        lab.cleanup()
