"""``power: off``: the guest is shut down, the snapshot taken, the guest started again."""

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.dying import dying_at
from tests.system.site import Site

pytestmark = pytest.mark.qemu

OFF = {"name": "s1", "power": "off"}


def boot(guest: Guest) -> str:
    """Which boot this is."""
    return guest.execute("/bin/cat", "/proc/sys/kernel/random/boot_id")[1]


def consistency(site: Site, guest: Guest) -> str:
    """What the ledger says of s1."""
    observed = site.virtsnap("observe", "-o", "json").document["hosts"][0]["domains"]
    ledger = next(domain["ledger"] for domain in observed if domain["name"] == guest.name)
    assert ledger["owed"] is None
    (entry,) = ledger["entries"]
    assert entry["power"] == "running"
    return str(entry["consistency"])


def test_a_guest_is_shut_down_for_the_snapshot_and_runs_again(site: Site) -> None:
    guest = site.lab.guest("web01")
    before = boot(guest)
    head = guest.wait_for_record(guest.head() + 2)
    site.declare(guest, OFF, {"name": "s2", "power": "off"})

    steps = site.planned(guest)["steps"]
    assert [step["action"] for step in steps] == ["shut-down", "create", "create", "start"]
    assert [step["risk"] for step in steps] == ["disruptive", "safe", "safe", "safe"]
    assert "guest stands still" in site.virtsnap("plan").out
    site.apply()

    assert guest.is_running
    guest.wait_for_agent()
    guest.wait_for_record(head + 1)
    guest.verify()
    assert boot(guest) != before
    assert by_hand.names(guest) == ["s1", "s2"]
    storage.assert_sound(guest)
    assert site.is_in_sync()


def test_a_guest_that_is_deaf_is_refused_and_started_again_when_it_obeys_late(site: Site) -> None:
    guest = site.lab.guest("web01")
    guest.turn_deaf()
    site.declare(guest, OFF, shutdown={"timeout": "1s"})

    said = site.virtsnap("apply", "--auto-approve", "-o", "json")
    assert said.code == 5, said.out + said.err
    (domain,) = said.document["domains"]
    assert [refusal["code"] for refusal in domain["refusals"]] == ["ShutDownRefused"]
    assert guest.is_running
    assert by_hand.names(guest) == []

    guest.obey_late()
    site.declare(guest)
    assert [step["action"] for step in site.planned(guest)["steps"]] == ["start"]
    site.apply()
    assert guest.is_running
    assert site.is_in_sync()


def test_a_guest_that_is_deaf_is_destroyed_where_that_is_declared(site: Site) -> None:
    guest = site.lab.guest("web01")
    guest.turn_deaf()
    site.declare(guest, OFF, shutdown={"timeout": "1s", "then": "destroy"})

    site.apply()

    assert guest.is_running
    assert consistency(site, guest) == "crash"
    assert site.is_in_sync()


def test_a_guest_that_a_killed_virtsnap_left_shut_off_is_started_by_the_next(site: Site) -> None:
    guest = site.lab.guest("web01")
    site.declare(guest, OFF)
    dying_at(site, "after", "reconciler.hypervisor.shutdown", "shut_down")
    assert not guest.is_running

    assert [step["action"] for step in site.planned(guest)["steps"]] == ["create", "start"]
    site.apply()

    assert guest.is_running
    assert consistency(site, guest) == "offline"
    assert site.is_in_sync()
