"""The controller dies or is stopped in the middle: the next apply finishes the job."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.system import by_hand, storage
from tests.system.dying import dying_at
from tests.system.site import Site

pytestmark = pytest.mark.qemu

_MIB = 24
_SLOW = "2MiB"


def slow_commits(site: Site, *, folders: str = "[]", bandwidth: str = _SLOW) -> None:
    """A Host whose block jobs crawl."""
    (site.manifests / "host.yaml").write_text(
        "apiVersion: virtsnap/v1\nkind: Host\nmetadata: {name: local}\n"
        f"spec: {{folders: {folders}, limits: {{bandwidth: {bandwidth}}}}}\n"
    )


def with_much_to_commit(site: Site) -> Guest:
    """A running guest with one snapshot whose removal takes ten seconds."""
    guest = site.lab.guest("web01")
    site.declare(guest, "s1", prune="auto")
    site.apply()
    guest.fill("vda", _MIB, seed=1)
    guest.execute("/bin/sync")
    slow_commits(site)
    site.declare(guest, prune="auto")
    return guest


@contextlib.contextmanager
def applying(site: Site) -> Iterator["subprocess.Popen[str]"]:
    """An apply under way, which does not outlive the test."""
    process = site.start("apply", "--auto-approve")
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Return once *condition* holds; *process* must not end before."""

    def is_so_far() -> bool:
        holds = condition()
        assert holds or process.poll() is None, process.communicate()
        return holds

    wait_until(is_so_far)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once *condition* holds."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never comes so far"
        time.sleep(0.01)


def has_copied(guest: Guest) -> bool:
    """The commit of vda is under way, has done something, and is far from its end."""
    info = guest.domain.blockJobInfo("vda")
    return bool(info) and 0 < info["cur"] < info["end"]


def finish_quickly(site: Site) -> None:
    """Take the limit away again."""
    (site.manifests / "host.yaml").unlink()


def assert_consolidated(site: Site, guest: Guest) -> None:
    """In sync, all data there, nothing left over."""
    assert site.is_in_sync()
    assert guest.active_images() == guest.disks
    assert by_hand.names(guest) == []
    assert storage.images(guest.folder) == set(guest.disks.values())
    if guest.is_running:
        guest.wait_for_record(guest.head() + 1)
        guest.verify()
    storage.assert_sound(guest)


def test_lv_62_sigkill_in_the_middle_of_a_block_commit_and_run_again(site: Site) -> None:
    guest = with_much_to_commit(site)
    with applying(site) as process:
        wait_for(lambda: has_copied(guest), process)
        process.kill()
        process.wait()
    assert guest.domain.blockJobInfo("vda")

    plan = site.planned(guest)
    assert "finish-job" in [step["action"] for step in plan["steps"]]
    assert "deleting" in site.virtsnap("observe", "-o", "json").out
    guest.domain.blockJobSetSpeed("vda", 0)
    site.apply()
    assert_consolidated(site, guest)


def test_a_job_that_ended_while_nobody_looked_is_recognised_by_its_chain(site: Site) -> None:
    guest = site.lab.guest("web01")
    site.declare(guest, "s1", prune="auto")
    site.apply()
    guest.wait_for_record(guest.head() + 2)
    site.declare(guest, prune="auto")
    dying_at(site, "after", "reconciler.hypervisor.block_job", "pivot")
    assert guest.active_images() == guest.disks
    assert by_hand.names(guest) == ["s1"]

    site.apply()
    assert_consolidated(site, guest)


def test_ctrl_c_in_the_middle_of_a_block_commit_leaves_the_snapshot_deleting(site: Site) -> None:
    guest = with_much_to_commit(site)
    with applying(site) as process:
        wait_for(lambda: has_copied(guest), process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert len([line for line in (out + err).splitlines() if "left to do" in line]) == 1, out + err
    assert "Traceback" not in err

    assert not guest.domain.blockJobInfo("vda")
    assert by_hand.names(guest) == ["s1"]
    finish_quickly(site)
    site.declare(guest, "s1", prune="never")  # it cannot be wished back, only finished
    plan = site.planned(guest)
    assert [drift["why"] for drift in plan["drift"] if drift["kind"] == "SnapshotUndeclared"] == [
        "deleting"
    ]
    assert "commit" in [step["action"] for step in plan["steps"]]
    site.declare(guest, prune="never")
    site.apply()
    assert_consolidated(site, guest)


OFFLINE = [
    ("after", "reconciler.hypervisor.qemu_img", "commit"),
    ("after", "reconciler.hypervisor.definitions", "switch_disk"),
    ("after", "reconciler.hypervisor.records", "forget"),
    ("after", "reconciler.hypervisor.image_files", "remove"),
]


@pytest.mark.parametrize(
    ("when", "module", "function"),
    OFFLINE,
    ids=[f"{when} {function}" for when, _, function in OFFLINE],
)
def test_sigkill_at_any_step_of_a_shut_off_commit_and_run_again(
    site: Site, when: str, module: str, function: str
) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", "s2", prune="auto")
    site.apply()
    by_hand.write(guest.active_images()["vda"], 3, 0x33, mebibytes=4)
    before = storage.view(guest)
    site.declare(guest, prune="auto")
    dying_at(site, when, module, function)
    assert storage.view(guest) == before

    site.apply()
    assert site.is_in_sync()
    assert storage.view(guest) == before
    assert guest.active_images() == guest.disks
    assert by_hand.names(guest) == []
    storage.assert_tidy(guest)


def slow_qemu_img(site: Site) -> None:
    """A qemu-img that commits 4 MiB a second."""
    real = shutil.which("qemu-img")
    folder = site.folder / "bin"
    folder.mkdir()
    script = folder / "qemu-img"
    script.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = commit ] && shift && exec {real} commit -r 4M "$@"\n'
        f'exec {real} "$@"\n'
    )
    script.chmod(0o755)
    site.environment["PATH"] = f"{folder}:{os.environ['PATH']}"


def committing(image: Path) -> int | None:
    """The process number of a qemu-img that commits *image*."""
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found = words.read_text().split("\0")
            if "commit" in found and str(image) in found and "-r" in found:
                return int(words.parent.name)
    return None


def is_stopped_at_work(overlay: Path, base: Path) -> bool:
    """The qemu-img that commits *overlay* is stopped with the base open; else it goes on."""
    found = committing(overlay)
    if found is None:
        return False
    os.kill(found, signal.SIGSTOP)
    if storage.is_locked(base):
        return True
    os.kill(found, signal.SIGCONT)
    return False


def test_sigkill_while_qemu_img_is_at_work_and_run_again(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", prune="auto")
    site.apply()
    overlay = guest.active_images()["vda"]
    base = guest.disks["vda"]
    by_hand.write(overlay, 0, 0x77, mebibytes=20)
    before = storage.view(guest)
    site.declare(guest, prune="auto")
    slow_qemu_img(site)
    with applying(site) as process:
        wait_for(lambda: is_stopped_at_work(overlay, base), process)
        process.kill()
        process.wait()
    orphan = committing(overlay)
    assert orphan is not None
    del site.environment["PATH"]

    # qemu-img is still at work on the images: nothing is done over its head
    assert site.virtsnap("apply", "--auto-approve").code in (1, 5, 10)
    assert by_hand.names(guest) == ["s1"]

    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: committing(overlay) is None)
    site.apply()
    assert site.is_in_sync()
    assert storage.view(guest) == before
    storage.assert_tidy(guest)


@pytest.mark.parametrize("when", ["before", "after"])
def test_sigkill_around_the_create_takes_it_once(site: Site, when: str) -> None:
    guest = site.lab.guest("web01", disks=2, running=False)
    site.declare(guest, "s1")
    dying_at(site, when, "reconciler.hypervisor.create", "create")

    site.apply()
    assert site.is_in_sync()
    assert by_hand.names(guest) == ["s1"]
    assert {len(storage.chain(image)) for image in guest.active_images().values()} == {2}
    storage.assert_tidy(guest)
