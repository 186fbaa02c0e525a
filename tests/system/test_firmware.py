"""Machines with UEFI and a TPM, whose states no external snapshot holds, on each libvirt."""

import pytest

from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.names import HostName
from tests.lab.guest import Guest
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
