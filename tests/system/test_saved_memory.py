"""A memory image that does not load costs nobody a running guest, on each libvirt."""

import os
from pathlib import Path

import pytest
from lxml import etree

from tests.lab.guest import Guest
from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu

S1 = {"name": "s1", "memory": True}


def back(request: str, **rest: str) -> dict[str, str]:
    return {"to": "s1", "request": request, **rest}


def memory_of(guest: Guest, name: str) -> Path:
    record = etree.fromstring(guest.domain.snapshotLookupByName(name, 0).getXMLDesc(0))
    element = record.find("memory")
    assert element is not None
    return Path(element.get("file", ""))


def overwrite(memory: Path, content: bytes) -> None:
    """As a disk goes bad: its time stays, by which whoever writes to it is seen."""
    before = memory.stat()
    memory.write_bytes(content)
    os.utime(memory, ns=(before.st_atime_ns, before.st_mtime_ns))


def refused(site: Site, guest: Guest) -> str:
    """Why nothing is to be done."""
    plan = site.planned(guest)
    assert not plan["steps"]
    (refusal,) = plan["refusals"]
    return str(refusal["message"])


def test_a_memory_that_does_not_load_leaves_the_guest_running(any_site: Site) -> None:
    site = any_site
    guest = site.lab.guest("web01")
    site.declare(guest, S1)
    site.apply()
    memory = memory_of(guest, "s1")
    whole = memory.read_bytes()
    site.declare(guest, S1, revert=back("r1"))

    for damage, cause in (
        (whole[:-1000], "cut off"),
        (b"x" * 92 + whole[92:], "no memory image"),
        (whole.replace(b"<name>web01</name>", b"<name>web00</name>", 1), "web00"),
    ):
        overwrite(memory, damage)
        assert cause in refused(site, guest)

    # what is wrong with the devices in it nobody knows before QEMU
    at = whole.rindex(b"\x0bglobalstate") + 1
    overwrite(memory, whole[:at] + b"X" + whole[at + 1 :])
    head = guest.wait_for_record(guest.head() + 2)
    said = site.virtsnap("apply", "--auto-approve")

    assert said.code == 10, said.out + said.err
    assert guest.is_running, said.out + said.err
    guest.verify()
    assert guest.head() >= head, "it went on from the memory of the present"
    guest.wait_for_record(guest.head() + 2)
    number = guest.domain.ID()
    again = site.virtsnap("apply", "--auto-approve")
    assert again.code == 5, again.out + again.err
    assert "did not load" in again.out
    assert guest.domain.ID() == number
    assert by_hand.names(guest) == ["before-revert-r1", "s1"]

    overwrite(memory, whole)
    site.declare(guest, S1, revert=back("r2"))
    site.apply()
    guest.wait_for_agent()
    guest.verify()
    assert site.is_in_sync()
