"""Merging images of real guests, running and shut off, and proving the data."""

import subprocess
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import CommitNotBegun, HypervisorError, Interrupted, StepRefused
from reconciler.hypervisor.host import LibvirtHost
from reconciler.model.action import (
    CommitMethod,
    CommitOverlays,
    FinishJob,
    RedefineSnapshot,
    SourceChange,
)
from reconciler.model.domain import JobKind
from reconciler.model.names import ImagePath, SnapshotName
from reconciler.model.power import PowerState
from tests.hypervisor.acting import (
    VDA,
    chain_of,
    creation,
    head_in,
    host_of,
    merge_live,
    merging,
    moved,
    names_in,
    overlay_path,
    seen,
    take,
    uuid_of,
)
from tests.lab.guest import Guest
from tests.lab.lab import Lab

pytestmark = pytest.mark.qemu

#: So slow that a job of a few megabytes is caught in the act.
SLOW = 256 * 1024


def finishing(action: CommitOverlays) -> FinishJob:
    """The job of *action*, found later."""
    return FinishJob(
        disk=action.disk,
        base=action.base,
        base_format=action.base_format,
        merged=action.merged,
        method=action.method,
        snapshots=(),
    )


def started_slowly(host: LibvirtHost, guest: Guest, action: CommitOverlays) -> None:
    """A job that goes on by itself."""
    stop = threading.Event()

    def follow() -> None:
        with pytest.raises(HypervisorError):
            host.commit_live(
                uuid_of(guest),
                action,
                bandwidth=SLOW,
                progress=lambda _done, _total: stop.set(),
                stop_asked=lambda: False,
            )

    threading.Thread(target=follow, daemon=True).start()
    assert stop.wait(20)


def two_snapshots(host: LibvirtHost, guest: Guest) -> tuple[ImagePath, ImagePath, ImagePath]:
    """base ← s1 ← s2 on vda, each with something of its own."""
    for name, seed in (("s1", 1), ("s2", 2)):
        take(host, guest, name)
        if guest.is_running:
            guest.fill("vda", 4, seed)
    base, one, two = chain_of(host, guest)
    return base, one, two


def test_an_active_commit_ends_on_the_base_with_all_data(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)

    told = merge_live(host, guest, merging(base, one, two, method=CommitMethod.ACTIVE))
    assert told[-1][0] == told[-1][1] > 0
    host.pivot(uuid_of(guest), VDA)
    host.forget_snapshot(uuid_of(guest), SnapshotName("s1"))
    host.forget_snapshot(uuid_of(guest), SnapshotName("s2"))
    host.remove_image(one)
    host.remove_image(two)

    domain = seen(host, guest)
    assert domain.records == ()
    assert chain_of(host, guest) == (base,)
    assert domain.persistent is not None
    assert domain.persistent[0].chain == domain.live[0].chain if domain.live else False
    assert names_in(guest.folder) == [base.rpartition("/")[2]]
    head = guest.verify()["vda"]
    guest.shut_down()
    assert head_in(guest.disks["vda"]) >= head


def test_a_middle_layer_is_merged_under_a_running_guest(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)

    merge_live(host, guest, merging(base, one, method=CommitMethod.LIVE))
    host.forget_snapshot(uuid_of(guest), SnapshotName("s1"))
    host.redefine_snapshot(uuid_of(guest), moved("s2", base))
    host.remove_image(one)

    assert chain_of(host, guest) == (base, two)
    record = seen(host, guest).record("s2")
    assert record is not None
    assert record.frozen(VDA) == base
    assert record.is_current
    assert one not in record.mentions
    guest.verify()
    guest.shut_down()
    guest.start()
    guest.verify()


def test_a_chain_that_is_not_the_planned_one_is_not_merged(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)

    for stale in (
        merging(base, two, method=CommitMethod.ACTIVE),
        merging(one, base, method=CommitMethod.LIVE),
        merging(ImagePath("/nowhere.qcow2"), two, method=CommitMethod.ACTIVE),
    ):
        with pytest.raises((StepRefused, CommitNotBegun)):
            merge_live(host, guest, stale)

    assert chain_of(host, guest) == (base, one, two)
    assert seen(host, guest).jobs == ()


def test_a_stop_aborts_the_job_and_the_chain_stands(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    action = merging(base, one, two, method=CommitMethod.ACTIVE)

    with pytest.raises(Interrupted):
        host.commit_live(
            uuid_of(guest),
            action,
            bandwidth=SLOW,
            progress=lambda _done, _total: None,
            stop_asked=lambda: True,
        )

    assert chain_of(host, guest) == (base, one, two)
    assert seen(host, guest).jobs == ()
    guest.verify()
    merge_live(host, guest, action)
    host.pivot(uuid_of(guest), VDA)
    guest.verify()


def test_a_job_is_found_again_and_finished_after_the_daemon_was_killed(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    action = merging(base, one, two, method=CommitMethod.ACTIVE)
    started_slowly(host, guest, action)

    lab_clean.daemon.kill()
    lab_clean.daemon.restart()
    guest.rebind(lab_clean.connection)

    job = seen(host, guest).jobs[0]
    assert (job.disk, job.kind, job.destination) == (VDA, JobKind.ACTIVE_COMMIT, base)
    guest.domain.blockJobSetSpeed("vda", 0, 0)
    host.follow_job(
        uuid_of(guest),
        finishing(action),
        progress=lambda _done, _total: None,
        stop_asked=lambda: False,
    )
    host.pivot(uuid_of(guest), VDA)
    assert chain_of(host, guest) == (base,)
    guest.verify()
    # Done is done, however often it is asked for.
    host.follow_job(
        uuid_of(guest),
        finishing(action),
        progress=lambda _done, _total: None,
        stop_asked=lambda: False,
    )
    host.abort_job(uuid_of(guest), VDA)


def test_a_job_is_aborted_and_aborting_again_does_no_harm(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    started_slowly(host, guest, merging(base, one, two, method=CommitMethod.ACTIVE))

    host.abort_job(uuid_of(guest), VDA)
    host.abort_job(uuid_of(guest), VDA)

    assert seen(host, guest).jobs == ()
    assert chain_of(host, guest) == (base, one, two)
    guest.verify()


def test_a_guest_that_is_destroyed_meanwhile_keeps_its_chain(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    killer = threading.Timer(0.5, guest.destroy)
    killer.start()

    with pytest.raises(HypervisorError, match="its chain stands"):
        host.commit_live(
            uuid_of(guest),
            merging(base, one, two, method=CommitMethod.ACTIVE),
            bandwidth=SLOW,
            progress=lambda _done, _total: None,
            stop_asked=lambda: False,
        )

    killer.join()
    assert chain_of(host, guest) == (base, one, two)
    guest.start()
    guest.verify()


def test_a_shut_off_chain_is_merged_in_one_pass(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    guest.shut_down()
    head = head_in(two)

    host.commit_offline(uuid_of(guest), merging(base, one, two, method=CommitMethod.OFFLINE))
    assert chain_of(host, guest) == (base, one, two)
    host.switch_disk(uuid_of(guest), VDA, to=base, image_format="qcow2")
    host.switch_disk(uuid_of(guest), VDA, to=base, image_format="qcow2")
    for name in ("s1", "s2"):
        host.forget_snapshot(uuid_of(guest), SnapshotName(name))
    host.remove_image(one)
    host.remove_image(two)

    domain = seen(host, guest)
    assert domain.persistent is not None
    assert domain.persistent[0].stated is None
    assert head_in(guest.disks["vda"]) == head
    guest.start()
    assert guest.verify()["vda"] >= head


def test_a_shut_off_middle_layer_is_merged_and_its_child_rebased(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    guest.shut_down()
    head = head_in(two)

    action = merging(base, one, method=CommitMethod.OFFLINE, rebased=(two,))
    host.commit_offline(uuid_of(guest), action)
    host.switch_disk(uuid_of(guest), VDA, to=two, image_format="qcow2")
    host.forget_snapshot(uuid_of(guest), SnapshotName("s1"))
    host.redefine_snapshot(uuid_of(guest), moved("s2", base))
    host.remove_image(one)

    assert chain_of(host, guest) == (base, two)
    assert head_in(two) == head
    guest.start()
    guest.verify()


def test_images_in_use_are_not_merged_offline(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)

    with pytest.raises(CommitNotBegun, match="running domain uses"):
        host.commit_offline(
            uuid_of(guest), merging(base, one, method=CommitMethod.OFFLINE, rebased=(two,))
        )
    with pytest.raises(StepRefused, match="was started"):
        host.switch_disk(uuid_of(guest), VDA, to=base, image_format="qcow2")
    with pytest.raises(StepRefused, match="QEMU has it open"):
        host.remove_image(one)

    guest.verify()


def test_forgetting_leaves_the_records_of_children_as_they_were(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    take(host, guest, "s3")
    three = overlay_path(guest, "s3")

    host.forget_snapshot(uuid_of(guest), SnapshotName("s1"))
    host.forget_snapshot(uuid_of(guest), SnapshotName("s1"))

    records = seen(host, guest).records
    assert [(r.name, r.parent, r.frozen(VDA), r.is_current) for r in records] == [
        ("s2", None, one, False),
        ("s3", "s2", two, True),
    ]
    assert chain_of(host, guest) == (base, one, two, three)


def test_a_redefined_record_says_what_it_was_told(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest()
    base, one, two = two_snapshots(host, guest)
    change = SourceChange(target=VDA, overlay=two)

    host.redefine_snapshot(
        uuid_of(guest),
        RedefineSnapshot(
            snapshot=SnapshotName("s1"),
            description="neu & <besser>",
            sources=(change,),
            make_current=True,
        ),
    )

    domain = seen(host, guest)
    first, second = domain.records
    assert (first.description, first.is_current, second.is_current) == (
        "neu & <besser>",
        True,
        False,
    )
    assert (first.frozen(VDA), first.disks[0].overlay) == (base, two)
    assert (second.frozen(VDA), second.disks[0].overlay) == (one, two)


def test_what_is_no_file_or_gone_is_not_removed(lab_clean: Lab) -> None:
    host, guest = host_of(lab_clean), lab_clean.guest(running=False)
    link = guest.folder / "link.qcow2"
    link.symlink_to(guest.disks["vda"])

    with pytest.raises(StepRefused, match="no regular file"):
        host.remove_image(ImagePath(str(link)))
    with pytest.raises(StepRefused, match="no regular file"):
        host.remove_image(ImagePath(str(guest.folder)))
    host.remove_image(ImagePath(str(guest.folder / "gone.qcow2")))

    assert guest.disks["vda"].exists()


def test_a_full_disk_ends_the_commit_and_the_chain_stands(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m", "small", small], check=True)
    try:
        # Its own daemon: one that runs already does not see the mount.
        with Lab.started() as lab:
            host, guest = host_of(lab), lab.guest(folder=small)
            action = creation(host, guest, "s1")
            overlay = ImagePath(str(tmp_path / "s1.qcow2"))
            new = replace(action.overlays[0], overlay=overlay)
            host.create_snapshot(uuid_of(guest), replace(action, overlays=(new,)), quiesce=False)
            guest.fill("vda", 8, 1)
            base = ImagePath(str(guest.disks["vda"]))
            _fill_up(small)

            with pytest.raises(HypervisorError, match="chain stands"):
                merge_live(host, guest, merging(base, overlay, method=CommitMethod.ACTIVE))

            domain = seen(host, guest)
            assert chain_of(host, guest) == (base, overlay)
            assert (domain.jobs, domain.power) == ((), PowerState.RUNNING)
            guest.verify()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def _fill_up(folder: Path) -> None:
    with suppress(OSError), open(folder / "ballast", "wb") as file:
        while True:
            file.write(bytes(64 * 1024))
            file.flush()
