"""docs/first-controller.md, command by command: what a person types there does what the page says."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system import by_hand, storage
from tests.system.site import Site
from tests.system.test_loop import names, until

pytestmark = pytest.mark.qemu
PAGE = Path(__file__).parents[2] / "docs" / "first-controller.md"
_BLOCK = re.compile(r"^## (\d)\. .*?^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: Of init, or of the whole machine; what they start is started by the test.
_NOT_HERE = ("sudo make install", "systemctl ")


def commands(site: Site) -> dict[int, str]:
    """The commands of each step, with the folders of the test."""
    found = {int(number): block for number, block in _BLOCK.findall(PAGE.read_text())}
    for number, block in found.items():
        lines = [line for line in block.splitlines() if not line.startswith(_NOT_HERE)]
        text = "\n".join(lines).replace("/srv/snapshots", str(site.folder / "repository"))
        found[number] = text.replace("/etc/virtsnap/", f"{site.folder}/config/virtsnap/")
    return found


def typed(site: Site, text: str) -> str:
    """Type it into a shell in the repository, once that is there."""
    repository = site.folder / "repository"
    done = subprocess.run(
        ["sh", "-e", "-c", text],
        cwd=repository if repository.is_dir() else site.folder,
        env=dict(site.surroundings()),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, text + done.stdout + done.stderr
    return done.stdout


def test_the_page_leads_to_a_controller(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    (site.folder / "bin").mkdir()
    (site.folder / "config" / "virtsnap").mkdir(parents=True)
    program = site.folder / "bin" / "virtsnap"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler.cli "$@"\n')
    program.chmod(0o755)
    site.environment |= {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(site.folder / "config"),
        **{f"GIT_{who}_NAME": "t" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "t@localhost" for who in ("AUTHOR", "COMMITTER")},
    }
    step = commands(site)
    assert sorted(step) == [1, 2, 3, 4, 5, 6, 7]
    assert not step[1] + step[5]

    typed(site, step[2])
    assert f"{site.folder}/config/virtsnap/virtsnap.yaml:3:11" in typed(site, step[3])
    assert "No changes" in typed(site, step[4])
    running = site.start("run")
    try:
        typed(site, step[6])
        until(lambda: names(guest) == {"before-upgrade"}, "the snapshot that was committed")
        typed(site, step[7])
        until(lambda: storage.images(guest.folder) == set(guest.disks.values()), "its removal")
    finally:
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert by_hand.names(guest) == []
