"""Storage that fills up, or turns read-only, after the plan was made: an error, and nothing lost."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.hypervisor import create, image_files
from reconciler.model.desired import (
    DEFAULT_OVERLAY,
    DesiredDomain,
    DesiredSnapshot,
    Origin,
    Prune,
)
from reconciler.model.names import SnapshotName
from reconciler.model.outcome import DomainStatus
from tests.lab.guest import Lab
from tests.system import by_hand, storage
from tests.system.desk import LOCAL, desk
from tests.system.site import Site
from tests.system.test_crashes import (
    applying,
    assert_consolidated,
    has_copied,
    slow_commits,
    wait_for,
)

pytestmark = pytest.mark.qemu

SIZE = 400  # MiB: a guest's memory fits in


class Small:
    """A small file system that can be filled, cleared, and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Not a byte more."""
        with self._ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                os.fsync(file.fileno())

    def clear(self) -> None:
        """Room again."""
        self._ballast.unlink()

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``."""
        by_hand.run("mount", "-o", f"remount,{how}", str(self.folder))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    """Mounted for one test."""
    assert os.geteuid() == 0, "mounting a small file system needs root: run the tests with sudo"
    folder = tmp_path / "small"
    folder.mkdir()
    by_hand.run("mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder))
    try:
        yield Small(folder)
    finally:
        by_hand.run("umount", "-l", str(folder))


@pytest.fixture
def lab(small: Small) -> Iterator[Lab]:
    """A daemon of its own: one that runs already does not see the new mount."""
    with Lab.started() as found:
        yield found


def wish(*names: str, memory: bool = False, overlay: str = DEFAULT_OVERLAY) -> DesiredDomain:
    """These snapshots and no others."""
    return DesiredDomain(
        host=LOCAL,
        domain="web01",
        snapshots=tuple(
            DesiredSnapshot(name=SnapshotName(name), memory=memory, overlay=overlay)
            for name in names
        ),
        origin=Origin(manifest="trouble"),
        prune=Prune.AUTO,
    )


def meddled(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, deed: Callable[[], None]
) -> None:
    """*deed* is done right before the first call."""
    real, is_first = getattr(module, name), [True]

    def call(*arguments: Any, **named: Any) -> Any:
        if is_first.pop() if is_first else False:
            deed()
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize("memory", [False, True], ids=["disks", "memory"])
def test_a_disk_that_fills_up_before_a_create(
    small: Small, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool
) -> None:
    guest = lab.guest("web01", folder=tmp_path / "big")
    overlay = f"{small.folder}/{{{{ disk.target }}}}-{{{{ snapshot.name }}}}.qcow2"
    wanted = wish("s1", memory=memory, overlay=overlay)
    with desk(lab, tmp_path, folders=(str(small.folder),)) as at:
        meddled(monkeypatch, create, "create", small.fill)
        outcome = at.apply(wanted)
        assert outcome.status is DomainStatus.FAILED
        assert outcome.error is not None
        assert "cannot take snapshot s1 of web01" in outcome.error.message
        assert by_hand.names(guest) == []
        assert guest.active_images() == guest.disks
        guest.wait_for_record(guest.head() + 1)

        # what does not fit is refused now, before anything is touched
        refused = at.apply(wanted)
        assert [r.code for r in refused.refusals] == ["NoSpace"], refused
        small.clear()
        assert at.apply(wanted).error is None
        assert by_hand.names(guest) == ["s1"]
        guest.wait_for_record(guest.head() + 1)
        guest.verify()
        assert at.apply(wish()).error is None
        assert not at.plan(wish()).steps
        assert guest.active_images() == guest.disks
        assert not list(small.folder.iterdir())


def test_lv_66_a_base_that_fills_up_during_a_commit_is_not_taken_for_done(
    small: Small, lab: Lab, tmp_path: Path
) -> None:
    site = Site(lab, tmp_path)
    big = tmp_path / "big"
    big.mkdir()
    guest = lab.guest("web01", folder=small.folder)
    overlay = f"{big}/{{{{ disk.target }}}}-{{{{ snapshot.name }}}}.qcow2"
    slow_commits(site, folders=f"[{big}]")
    site.declare(guest, {"name": "s1", "overlay": overlay}, prune="auto")
    site.apply()
    guest.fill("vda", 24, seed=1)
    guest.execute("/bin/sync")
    site.declare(guest, prune="auto")
    with applying(site) as process:
        wait_for(lambda: has_copied(guest), process)
        small.fill()
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert by_hand.names(guest) == ["s1"]
    assert guest.active_images() != guest.disks
    guest.wait_for_record(guest.head() + 1)

    small.clear()
    slow_commits(site, folders=f"[{big}]", bandwidth="200MiB")
    site.apply()
    assert storage.images(big) == set()
    assert_consolidated(site, guest)


def test_read_only_storage_changes_nothing(
    small: Small, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = lab.guest("web01", running=False, folder=small.folder)
    with desk(lab, tmp_path) as at:
        meddled(monkeypatch, create, "create", lambda: small.remount("ro"))
        assert at.apply(wish("s1")).status is DomainStatus.FAILED
        assert by_hand.names(guest) == []
        small.remount("rw")
        assert at.apply(wish("s1")).error is None
        by_hand.write(guest.active_images()["vda"], 1, 7)
        view = storage.view(guest)

        meddled(monkeypatch, image_files, "commit", lambda: small.remount("ro"))
        assert at.apply(wish()).status is DomainStatus.FAILED
        assert storage.view(guest) == view
        small.remount("rw")
        assert at.apply(wish()).error is None
        assert storage.view(guest) == view
        assert guest.active_images() == guest.disks
        storage.assert_clean(small.folder)


def test_storage_that_is_read_only_already_is_refused(
    small: Small, lab: Lab, tmp_path: Path
) -> None:
    guest = lab.guest("web01", running=False, folder=small.folder)
    site = Site(lab, tmp_path)
    site.declare(guest, "s1")
    small.remount("ro")
    said = site.virtsnap("apply", "--auto-approve")
    assert said.code in (1, 5), said.out + said.err
    assert str(small.folder) in said.out + said.err
    assert "Traceback" not in said.err
    assert by_hand.names(guest) == []
