"""Freezing guests: asked for, degraded, refused; and never left frozen by us."""

import json
import time

import pytest

from tests.lab import agent
from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.dying import dying_at
from tests.system.site import Site

pytestmark = pytest.mark.qemu

REQUIRED = {"name": "s1", "quiesce": "required"}
PREFERRED = {"name": "s1", "quiesce": "preferred"}


def is_frozen(guest: Guest) -> bool:
    """What the agent says."""
    status: str = agent.ask(guest.domain, "guest-fsfreeze-status")
    return status == "frozen"


def consistency(site: Site, guest: Guest, name: str = "s1") -> str:
    """What the ledger says was achieved."""
    document = json.loads(site.virtsnap("observe", "-o", "json").out)
    domain = next(d for d in document["hosts"][0]["domains"] if d["name"] == guest.name)
    entry = next(e for e in domain["ledger"]["entries"] if e["name"] == name)
    found: str = entry["consistency"]
    return found


def test_lv_26_without_an_agent_required_refuses_and_preferred_records_what_it_got(
    site: Site,
) -> None:
    guest = site.lab.guest("silent", agent=False)
    site.declare(guest, REQUIRED)
    assert site.refuses(guest)["code"] == "AgentNotConnected"
    assert by_hand.names(guest) == []
    assert guest.active_images() == guest.disks

    site.declare(guest, PREFERRED)
    site.apply()
    assert site.is_in_sync()
    assert consistency(site, guest) == "crash"


def test_an_agent_that_has_ended_is_told_from_one_that_answers(site: Site) -> None:
    guest = site.lab.guest("web01")
    site.declare(guest, REQUIRED)
    site.apply()
    assert consistency(site, guest) == "quiesced"
    assert not is_frozen(guest)

    guest.stop_agent()
    site.declare(guest, REQUIRED, {"name": "s2", "quiesce": "required"})
    assert site.refuses(guest)["code"] == "AgentNotConnected"
    assert by_hand.names(guest) == ["s1"]


def test_lv_28_a_hung_agent_holds_up_its_own_domain_only(site: Site) -> None:
    hung = site.lab.guest("hung")
    well = site.lab.guest("well", running=False)
    site.declare(hung, REQUIRED)
    site.declare(well, "s1")
    hung.hang_agent(3600)

    said = site.virtsnap("apply", "--auto-approve")

    assert said.code == 5, said.out + said.err
    assert "AgentNotConnected hung" in said.out
    assert by_hand.names(well) == ["s1"]
    assert by_hand.names(hung) == []
    assert hung.active_images() == hung.disks

    site.declare(hung, PREFERRED)
    site.apply()
    assert by_hand.names(hung) == ["s1"]
    assert consistency(site, hung) == "crash"


def test_lv_30_a_guest_that_somebody_else_froze_stays_frozen(site: Site) -> None:
    guest = site.lab.guest("web01")
    guest.domain.fsFreeze()
    site.declare(guest, REQUIRED)

    said = site.virtsnap("apply", "--auto-approve")

    assert said.code == 5, said.out + said.err
    assert "AgentFrozen" in said.out
    assert is_frozen(guest)
    assert by_hand.names(guest) == []

    site.declare(guest, PREFERRED, prune="auto")
    site.apply()
    assert is_frozen(guest)
    assert consistency(site, guest) == "crash"

    guest.domain.fsThaw()
    guest.wait_for_record(guest.head() + 1)
    site.declare(guest, prune="auto")
    site.apply()
    guest.verify()
    assert guest.active_images() == guest.disks
    storage.assert_sound(guest)


@pytest.mark.parametrize("when", ["before", "after"])
def test_lv_32_a_guest_left_frozen_by_a_killed_controller_is_thawed_first(
    site: Site, when: str
) -> None:
    guest = site.lab.guest("web01")
    site.declare(guest, REQUIRED)
    killed = dying_at(site, when, "reconciler.hypervisor.create", "create")
    assert killed < 0
    guest.domain.fsFreeze()  # as the freeze of the killed controller would have left it

    plan = site.planned(guest)
    assert plan["steps"][0]["action"] == "thaw"
    site.apply()

    assert not is_frozen(guest)
    assert by_hand.names(guest) == ["s1"]
    assert len(storage.chain(guest.active_images()["vda"])) == 2
    assert site.is_in_sync()
    guest.wait_for_record(guest.head() + 1)
    storage.assert_sound(guest)


HOOK = "echo $1 >>/run/hooked; [ $1 != {verb} ] || exit 3"


def test_an_agent_that_may_not_thaw_is_asked_before_and_nobody_is_frozen(any_site: Site) -> None:
    guest = any_site.lab.guest("web01")
    guest.restart_agent("-b", "guest-fsfreeze-thaw")
    any_site.declare(guest, REQUIRED, prune="auto")

    said = any_site.virtsnap("apply", "--auto-approve")

    assert said.code == 5, said.out + said.err
    assert "guest-fsfreeze-thaw" in said.out
    assert "silent" not in said.out
    assert not is_frozen(guest)

    any_site.declare(guest, PREFERRED, prune="auto")
    any_site.apply()
    assert consistency(any_site, guest) == "crash"
    assert not is_frozen(guest)


def test_a_hook_that_fails_is_told_at_once_and_undoes_nothing(any_site: Site) -> None:
    guest = any_site.lab.guest("web01")
    guest.restart_agent(hook=HOOK.format(verb="freeze"))
    any_site.declare(guest, REQUIRED, prune="auto")
    began = time.monotonic()

    said = any_site.virtsnap("apply", "--auto-approve")

    assert said.code == 1, said.out + said.err
    assert "guest-fsfreeze-freeze" in said.err
    assert "thaw" not in said.err
    assert not is_frozen(guest)
    any_site.declare(guest, PREFERRED, prune="auto")
    any_site.apply()
    assert consistency(any_site, guest) == "crash"
    assert time.monotonic() - began < 60

    guest.restart_agent(hook=HOOK.format(verb="thaw"))
    any_site.declare(guest, PREFERRED, {**REQUIRED, "name": "s2"}, prune="auto")
    any_site.apply()
    assert consistency(any_site, guest, "s2") == "quiesced"
    assert not is_frozen(guest)
    assert any_site.is_in_sync()
    guest.wait_for_record(guest.head() + 1)
    guest.verify()
