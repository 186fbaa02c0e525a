"""``reconcile`` and ``status``, with a controller of this machine."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from reconciler.cli import reconcile
from reconciler.cli.asking import own_folders
from reconciler.cli.options import Options
from reconciler.cli.schema import document_schema
from reconciler.cli.watching import watch_state
from reconciler.errors import HypervisorError, VirtsnapError
from reconciler.model.controller import Readiness, RunningStep, SuspendedBy, Trouble
from tests.cli.conftest import Command, manifest
from tests.cli.controlled import controller, leave_state
from tests.drawing import domain, host
from tests.service.states import NOON, controller_state, domain_state

Declare = Callable[..., Path]

FAILED = domain_state(
    "db01",
    readiness=Readiness.RECONCILING,
    reason="Failed",
    message="cannot pivot db01/vda",
    failures=3,
    retry_at=NOON + timedelta(days=9000),
)
HELD = domain_state(
    "mail", readiness=Readiness.STALLED, reason="Suspended", suspended_by=(SuspendedBy.HAND,)
)
READY = domain_state("web01")


def test_a_pass_is_asked_for_and_told_a_line_a_domain(virtsnap: Command, tmp_path: Path) -> None:
    with controller(tmp_path, controller_state(READY, HELD)) as asked:
        whole = virtsnap("reconcile")
        one = virtsnap("reconcile", "web01", "--host", "local")

    assert asked.calls == [((), None), (("web01",), "local")]
    assert (whole.code, one.code) == (5, 0)
    assert [line.split(":")[0] for line in whole.out.splitlines()] == [
        "web01 on local  Ready        InSync",
        "mail on local  Stalled      Suspended",
    ]
    assert "suspended by hand" in whole.out


@pytest.mark.parametrize(
    ("names", "code"), [(("web01",), 0), (("mail",), 5), (("db01",), 1), (("db01", "web01"), 10)]
)
def test_the_exit_code_is_that_of_an_apply(
    virtsnap: Command, tmp_path: Path, names: tuple[str, ...], code: int
) -> None:
    with controller(tmp_path, controller_state(READY, HELD, FAILED)):
        result = virtsnap("reconcile", *names, "-o", "json")

    document = json.loads(result.out)
    assert (result.code, document["exitCode"]) == (code, code)
    jsonschema.validate(document, document_schema("reconcile"))


def test_a_source_that_cannot_be_read_is_a_failure(virtsnap: Command, tmp_path: Path) -> None:
    state = controller_state(READY)
    trouble = Trouble(message="cannot fetch origin: gone", hint="ls", where="web01.yaml:3:1")
    with controller(tmp_path, replace(state, source=replace(state.source, trouble=trouble))):
        result = virtsnap("reconcile")

    assert result.code == 1
    assert "! source: cannot fetch origin: gone (web01.yaml:3:1)\n    hint: ls" in result.out


def test_what_the_controller_refuses_is_told_with_its_hint(
    virtsnap: Command, tmp_path: Path
) -> None:
    with controller(tmp_path, controller_state()) as asked:
        asked.fails = VirtsnapError(
            "cannot reconcile wbe01: no such domain", hint="virtsnap status"
        )
        result = virtsnap("reconcile", "wbe01")

    assert (result.code, result.out) == (1, "")
    assert result.err == "cannot reconcile wbe01: no such domain\nhint: virtsnap status\n"


def test_without_a_controller_it_says_how_to_start_one(virtsnap: Command) -> None:
    result = virtsnap("reconcile")

    assert result.code == 1
    assert "none runs on this machine\nhint: systemctl start virtsnap" in result.err


def test_a_pass_that_does_not_end_is_given_up_on(tmp_path: Path) -> None:
    with controller(tmp_path, controller_state()) as asked:
        asked.is_slow = True
        times = iter(range(100))
        with pytest.raises(VirtsnapError, match="cannot wait any longer") as caught:
            list(
                reconcile.outcomes(
                    tmp_path / "run", (), None, limit=5, clock=lambda: float(next(times))
                )
            )
    assert caught.value.hint == "virtsnap status --watch"


def test_status_shows_what_is_so_and_what_the_controller_says(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    step = RunningStep(
        title="create s1", action="create", snapshot="s1", begun=NOON, done=2**20, total=2**21
    )
    uuid = virtsnap.host.domain("web01").uuid
    at_work = domain_state("web01", uuid=uuid, readiness=Readiness.RECONCILING, running=step)
    with controller(tmp_path, controller_state(at_work, FAILED)):
        text = virtsnap("status").out
        document = json.loads(virtsnap("status", "-o", "json").out)

    lines = text.splitlines()
    assert lines[0].startswith("controller: runs since 2026-11-23")
    assert "revision 0123456789ab" in lines[0]
    assert lines[1].startswith("web01 on local  drifted ")
    assert lines[2].startswith("  Reconciling  InSync: ")
    assert "doing: create s1, 1 MiB of 2 MiB" in lines[2]
    assert lines[3].startswith(
        "db01 on local  Reconciling  Failed: cannot pivot db01/vda; failed 3 times, again in"
    )
    jsonschema.validate(document, document_schema("status"))
    assert document["running"]
    assert [each["domain"] for each in document["controller"]["domains"]] == ["web01", "db01"]


def test_status_without_libvirt_shows_what_the_controller_says(
    virtsnap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise HypervisorError("cannot connect to qemu:///system: it is down")

    monkeypatch.setattr(virtsnap.host, "observe", fail)
    assert virtsnap("status").code == 1

    with controller(tmp_path, controller_state(READY)):
        shown = virtsnap("status")
        document = json.loads(virtsnap("status", "-o", "json").out)
    ended = virtsnap("status")

    assert shown.code == 0
    assert "it is down" in shown.err
    assert "web01 on local  Ready        InSync" in shown.out
    assert document["problem"] == "cannot connect to qemu:///system: it is down"
    assert ended.code == 1
    assert "controller: does not run, its last word is of 2026-11-23" in ended.out
    assert "web01 on local  Ready" in ended.out


def test_a_monitor_gets_one_line_and_its_own_exit_codes(virtsnap: Command, tmp_path: Path) -> None:
    none = virtsnap("status", "--nagios")
    with controller(tmp_path, controller_state(READY)):
        running = virtsnap("status", "--nagios")
    ended = virtsnap("status", "--nagios")

    assert (none.code, running.code in (0, 1), ended.code) == (3, True, 2)
    assert all(said.out.count("\n") == 1 for said in (none, running, ended))
    assert "domains=1" in running.out
    assert virtsnap.opened == []
    assert virtsnap("status", "--nagios", "--watch").code == 64


class Ended(Exception):
    """The test has seen enough."""


def watched(*states: object, folder: Path, options: Options) -> None:
    """Watch while the controller writes *states*, one after another."""
    left = list(states)

    def wait(_: float) -> None:
        if not left:
            raise Ended
        leave_state(folder, left.pop(0))  # type: ignore[arg-type]  # states

    with pytest.raises(Ended):
        watch_state(own_folders(options), options, pause=2.0, wait=wait)


def test_watching_appends_what_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(state_dir=tmp_path / "state", runtime_dir=tmp_path / "run")
    first = controller_state(READY, HELD)
    aged = replace(first, at=NOON + timedelta(hours=1), passes=9)
    third = controller_state(READY, FAILED)

    watched(first, aged, third, folder=tmp_path, options=options)

    lines = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert [line.split(",")[0].split(":")[0] for line in lines] == [
        "controller",  # none has run
        "controller",
        "web01 on local  Ready        InSync",
        "mail on local  Stalled      Suspended",
        "db01 on local  Reconciling  Failed",
    ]


def test_watching_redraws_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(state_dir=tmp_path / "state", runtime_dir=tmp_path / "run", no_color=True)
    leave_state(tmp_path, controller_state(READY))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    watched(controller_state(READY, HELD), folder=tmp_path, options=options)

    before, after = capsys.readouterr().out.split("\x1b[H\x1b[2J\x1b[3J")[1:]
    assert "mail" not in before
    assert "web01 on local  Ready" in after
    assert "mail on local " in after


def test_watching_for_machines_writes_a_document_a_line(
    virtsnap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch_state, "__kwdefaults__", {"wait": interrupted})
    leave_state(tmp_path, controller_state(READY))

    result = virtsnap("status", "--watch", "-o", "json")

    assert result.code == 130
    [line] = result.out.splitlines()
    jsonschema.validate(json.loads(line), document_schema("status"))
    assert virtsnap.opened == []
    assert virtsnap("status", "--watch", "-o", "yaml").code == 64
