"""What the exit code says, and that one domain's trouble never stops another domain."""

import os
import shutil

import pytest

from tests.system import by_hand
from tests.system.site import Site

pytestmark = pytest.mark.qemu


def test_plan_says_2_for_changes_and_0_when_there_are_none(site: Site) -> None:
    guest = site.lab.guest("web01", running=False)
    site.declare(guest, "s1")
    assert site.virtsnap("plan").code == 0
    assert site.virtsnap("plan", "--detailed-exitcode").code == 2
    assert site.virtsnap("apply", "--auto-approve").code == 0
    assert site.virtsnap("plan", "--detailed-exitcode").code == 0
    assert site.virtsnap("apply", "--auto-approve").code == 0
    site.declare(guest)  # undeclared under prune: never is drift that nobody asked to change
    assert site.virtsnap("plan", "--detailed-exitcode").code == 0


def test_one_domain_refused_does_not_stop_another(site: Site) -> None:
    refused = site.lab.guest("a-refused", running=False)
    well = site.lab.guest("b-well", running=False)
    by_hand.snapshot(refused, "s1")
    site.declare(refused, "s1")
    site.declare(well, "s1")
    assert site.virtsnap("plan", "--detailed-exitcode").code == 2

    said = site.virtsnap("apply", "--auto-approve")

    assert said.code == 5, said.out + said.err
    assert "NameTaken" in said.out
    assert by_hand.names(well) == ["s1"]
    assert site.virtsnap("plan", "--detailed-exitcode").code == 5
    assert site.virtsnap("plan").code == 0


def test_one_domain_failed_does_not_stop_another(site: Site) -> None:
    failing = site.lab.guest("a-failing", running=False)
    well = site.lab.guest("b-well", running=False)
    for guest in (failing, well):
        site.declare(guest, "s1", prune="auto")
    site.apply()
    for guest in (failing, well):
        site.declare(guest, prune="auto")
    tools = site.folder / "tools"
    tools.mkdir()
    tool = tools / "qemu-img"
    of_failing = f'case "$*" in *commit*{failing.folder}*) exit 1;; esac'
    tool.write_text(f'#!/bin/sh\n{of_failing}\nexec {shutil.which("qemu-img")} "$@"\n')
    tool.chmod(0o755)
    site.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    first = site.virtsnap("apply", "--auto-approve")
    second = site.virtsnap("apply", "--auto-approve")

    assert first.code == 10, first.out + first.err
    assert by_hand.names(well) == []
    assert second.code == 1, second.out + second.err
    assert by_hand.names(failing) == ["s1"]
    del site.environment["PATH"]
    site.apply()
    assert site.is_in_sync()
