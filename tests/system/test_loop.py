"""The loop: a pass on every change, in a git repository or a folder, and one pass for timers."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.guest import Guest
from tests.system import storage
from tests.system.site import Site

pytestmark = pytest.mark.qemu
PATIENCE = 60.0


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def until(holds: Callable[[], bool], what: str) -> None:
    """Watch the state; give up long after it must have come."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.1)


def names(guest: Guest) -> set[str]:
    return {snapshot.getName() for snapshot in guest.domain.listAllSnapshots()}


def test_a_commit_to_the_repository_is_all_a_person_does(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, prune="auto")
    git(site.folder, "init", "-q", "-b", "main")
    git(site.folder, "add", "manifests")
    git(site.folder, "commit", "-qm", "none yet")
    running = site.start("run", "--source", str(site.folder), "--interval", "1h")
    try:
        site.declare(guest, "s1", prune="auto")
        git(site.folder, "commit", "-qam", "declare s1")
        until(lambda: names(guest) == {"s1"}, "the snapshot that was committed")

        (site.manifests / "web01.yaml").write_text("garbage: [")
        git(site.folder, "commit", "-qam", "garbage")
        site.declare(guest, prune="auto")
        git(site.folder, "commit", "-qam", "drop s1")
        until(lambda: storage.images(guest.folder) == set(guest.disks.values()), "the removal")
    finally:
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, said
    assert "Traceback" not in said
    assert names(guest) == set()


def test_a_changed_file_of_a_folder_starts_a_pass(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest)
    running = site.start("run", "--interval", "1h")
    try:
        site.declare(guest, "s1")
        until(lambda: names(guest) == {"s1"}, "the snapshot that was declared")
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=PATIENCE)
    assert running.returncode == 130


def test_one_pass_for_a_timer_holds_what_a_person_must_agree_to(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1", prune="confirm")
    assert site.virtsnap("run", "--once").code == 0
    assert names(guest) == {"s1"}

    site.declare(guest, prune="confirm")
    held = site.virtsnap("run", "--once")

    assert held.code == 5, held.out + held.err
    assert names(guest) == {"s1"}
    site.apply()
    assert names(guest) == set()


def test_a_recording_plans_like_the_host_and_needs_no_libvirt(site: Site) -> None:
    guest = site.lab.guest("web01", disks=2)
    site.declare(guest, "s1", "s2", prune="auto")
    site.apply()
    site.declare(guest, "s2", "s3", prune="auto")
    recording = site.folder / "host.json"
    recording.write_text(site.virtsnap("observe", "-o", "json").out)
    live = site.virtsnap("plan", "-o", "json").document
    site.environment["LIBVIRT_DEFAULT_URI"] = "qemu+unix:///system?socket=/nowhere"

    recorded = site.virtsnap("plan", "--observed", str(recording), "-o", "json")

    assert recorded.code == 0, recorded.err
    assert json.loads(recorded.out)["planId"] == live["planId"]
