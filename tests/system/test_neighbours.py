"""Many domains whose images lie in one folder, worked on at once."""

import subprocess

import pytest

from tests.lab.domain_xml import DiskSpec
from tests.system.site import Site

pytestmark = pytest.mark.qemu

NUMBER = 12


def test_parallel_removals_do_not_refuse_one_another(site: Site) -> None:
    guests = []
    for number in range(NUMBER):
        image = site.folder / f"{number}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
        guests.append(site.lab.guest_of((DiskSpec(source=image, target="vda"),)))
    for guest in guests:
        site.declare(guest, "s1", prune="auto")
    site.apply()

    for guest in guests:
        site.declare(guest, prune="auto")
    site.apply()

    assert not list(site.folder.glob("*s1*"))
