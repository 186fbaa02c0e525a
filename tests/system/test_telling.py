"""Hooks and history of an apply on a real guest."""

import json
from pathlib import Path

import pytest

from tests.system.nobody import as_nobody
from tests.system.site import Site

pytestmark = pytest.mark.qemu

#: writes down what it is told; says no as long as there is a file
HOOK = """\
#!/bin/sh
echo "$VIRTSNAP_HOOK $VIRTSNAP_ACTION $VIRTSNAP_SNAPSHOT $VIRTSNAP_RESULT" >> "{folder}/told"
cat > "{folder}/last.json"
test ! -e "{folder}/no" || {{ echo "the database is at work"; exit 1; }}
"""


def hook(folder: Path) -> str:
    path = folder / "hook"
    path.write_text(HOOK.format(folder=folder))
    path.chmod(0o755)
    return str(path)


def test_hooks_are_told_each_step_and_the_history_tells_it_later(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    path = hook(site.folder)
    site.declare(guest, "s1")
    (site.folder / "no").touch()
    refused = site.virtsnap("apply", "--auto-approve", "--before-step", path)
    assert refused.code == 5, refused.out + refused.err
    assert "the database is at work" in refused.out
    assert guest.domain.listAllSnapshots() == []

    (site.folder / "no").unlink()
    site.apply("--before-step", path, "--after-step", path)

    assert (site.folder / "told").read_text().splitlines() == [
        *("before create s1 ", "before create s1 "),
        "after create s1 done",
    ]
    last = json.loads((site.folder / "last.json").read_text())
    assert last["step"]["disks"]["vda"]["frozen"] == str(guest.disks["vda"])
    first, second = site.virtsnap("history", "web01", "-o", "json").document["entries"]
    assert [r["code"] for r in first["refusals"]] == ["HookRefused"]
    assert (second["status"], second["uuid"]) == ("applied", guest.domain.UUIDString())
    assert [step["title"] for step in second["steps"]] == ["create s1"]

    denied = as_nobody(site, "history")

    assert denied.code == 1, denied.out + denied.err
    assert denied.err.startswith("cannot read the history ")
    assert "permission denied\nhint: run it with sudo" in denied.err
