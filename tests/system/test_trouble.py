"""What happens to hosts: guests that stop or write too much, a QEMU or a libvirtd that dies."""

import os
import signal
from pathlib import Path

import pytest

from reconciler.engine.identity import MachineIdentity
from reconciler.engine.journal import FileJournal
from reconciler.hypervisor import block_job
from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.desired import DesiredDomain, DesiredSnapshot, Limits, Origin, Prune
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainStatus
from tests.lab.guest import Lab
from tests.system import by_hand, storage
from tests.system.bench import bench
from tests.system.desk import LOCAL, Desk
from tests.system.site import Site
from tests.system.test_crashes import (
    applying,
    assert_consolidated,
    finish_quickly,
    has_copied,
    wait_for,
    wait_until,
    with_much_to_commit,
)
from tests.system.test_silence import qemu_of

pytestmark = pytest.mark.qemu

IS_SOAK = bool(os.environ.get("VIRTSNAP_SOAK"))
ROUNDS = 20 if IS_SOAK else 4
ENDS = ("killed", "rebooted", "shut down") if IS_SOAK else ("killed", "rebooted")


def test_lv_64_a_libvirtd_that_dies_during_a_commit_loses_nothing(site: Site) -> None:
    guest = with_much_to_commit(site)
    with applying(site) as process:
        wait_for(lambda: has_copied(guest), process)
        site.lab.daemon.kill()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 1, said
    site.lab.daemon.restart()
    guest.rebind(site.lab.connection)

    # its base was written to: it is no moment any more, and nobody goes back to it
    site.declare(guest, "s1", revert={"to": "s1", "request": "R1"})
    assert "RevertNotPossible" in [r["code"] for r in site.planned(guest)["refusals"]]

    finish_quickly(site)
    site.declare(guest, prune="auto")
    if guest.domain.blockJobInfo("vda"):
        guest.domain.blockJobSetSpeed("vda", 0)
    site.apply()
    assert_consolidated(site, guest)


@pytest.mark.parametrize("end", ENDS)
def test_a_guest_that_ends_during_a_commit_keeps_its_data(site: Site, end: str) -> None:
    guest = with_much_to_commit(site)
    with applying(site) as process:
        wait_for(lambda: has_copied(guest), process)
        if end == "killed":
            os.kill(qemu_of(site, guest), signal.SIGKILL)
        elif end == "shut down":
            guest.domain.shutdown()
        else:
            guest.domain.reset()
            guest.domain.blockJobSetSpeed("vda", 0)
        _, said = process.communicate(timeout=120)
    assert process.returncode == (0 if end == "rebooted" else 1), said

    if end == "rebooted":
        guest.wait_for_agent()
    else:
        wait_until(lambda: not guest.is_running)
        before = storage.view(guest)
        finish_quickly(site)
        site.apply()
        assert storage.view(guest) == before
        guest.start()  # it replays its own journal
    assert_consolidated(site, guest)


def wish(*names: str) -> DesiredDomain:
    """These snapshots and no others."""
    return DesiredDomain(
        host=LOCAL,
        domain="web01",
        snapshots=tuple(DesiredSnapshot(name=SnapshotName(name)) for name in names),
        origin=Origin(manifest="trouble"),
        prune=Prune.AUTO,
    )


def test_lv_68_a_guest_that_writes_faster_than_its_data_is_copied_ends_the_job(
    place: tuple[Lab, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, at = place
    guest = lab.guest("web01")
    assert at.apply(wish("s1")).error is None
    loop = "while :; do yes | head -c 1048576 > /data/busy; sync /data/busy; done"
    guest.execute("/bin/sh", "-c", f"({loop}) >/dev/null 2>&1 & echo $! > /run/busy")
    wait_until(lambda: guest.execute("/bin/ls", "/data/busy")[0] == 0)

    monkeypatch.setattr(block_job, "SECONDS_WITHOUT_GAIN", 3.0)
    at.limits = Limits(bandwidth=64 * 1024)
    error = at.apply(wish()).error
    assert error is not None
    assert "the guest writes faster than its data is copied" in error.message
    assert not guest.domain.blockJobInfo("vda")
    assert by_hand.names(guest) == ["s1"]

    guest.execute("/bin/sh", "-c", "kill $(cat /run/busy)")
    at.limits = Limits()
    assert at.apply(wish()).error is None
    assert by_hand.names(guest) == []
    assert guest.active_images() == guest.disks
    guest.verify()


def test_lv_70_two_at_once_take_each_snapshot_once(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    wanted: list[str] = []
    for number in range(ROUNDS):
        wanted.append(f"s{number}")
        site.declare(guest, *wanted, chain={"maxDepth": ROUNDS + 2})
        both = [site.start("apply", "--auto-approve", "--lock-timeout", "60s") for _ in range(2)]
        said = [each.communicate(timeout=300) for each in both]
        # who came second found nothing to do, or that the plan was made before the other was done
        codes = sorted(each.returncode for each in both)
        assert codes in ([0, 0], [0, 4]), said
        assert by_hand.names(guest) == wanted
        assert len(storage.images(guest.folder)) == len(wanted) + 1
        assert site.is_in_sync()
    storage.assert_clean(guest.folder)


class _Elsewhere(MachineIdentity):
    """Another machine, of the same name."""

    def holder(self) -> str:
        """Not this one."""
        return "root@localhost#ffffffff 7"


def test_two_machines_on_one_libvirt_see_the_same_fence(site: Site, tmp_path: Path) -> None:
    guest = with_much_to_commit(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with applying(site) as process:
        wait_for(lambda: has_copied(guest), process)
        journal = FileJournal(elsewhere / "state")
        host = LibvirtHost(
            LOCAL, site.lab.daemon.uri, is_readonly=False, remembered=journal.remembered
        )
        try:
            other = Desk(host, journal, elsewhere, identity=_Elsewhere())
            outcome = other.apply(wish())
        finally:
            host.close()
        assert outcome.status is DomainStatus.LOCKED, outcome
        assert outcome.error is not None
        assert f" {process.pid} is at work on it" in outcome.error.message
        assert guest.domain.blockJobInfo("vda")
        guest.domain.blockJobSetSpeed("vda", 0)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert_consolidated(site, guest)


def test_lv_66_a_job_that_is_over_before_anybody_looks_is_done(place: tuple[Lab, Desk]) -> None:
    lab, at = place
    on = bench(lab, at, disks=1)
    on.take("s1", "s2")
    on.guest.domain.create()
    on.apply("s2")
    on.apply()
    assert by_hand.names(on.guest) == []
    assert on.guest.active_images() == on.guest.disks
