"""Suspending by hand, as people meet it."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from reconciler.cli.schema import document_schema
from reconciler.model.controller import RunningStep
from tests.cli.conftest import Command, manifest
from tests.cli.controlled import controller, leave_state
from tests.drawing import domain, host
from tests.service.states import NOON, controller_state, domain_state

Declare = Callable[..., Path]


@pytest.fixture
def web01(virtsnap: Command, declare: Declare) -> Command:
    """``web01`` is there, and a snapshot of it is declared."""
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    return virtsnap


def test_plan_and_apply_hold_it_and_say_so_until_it_is_resumed(web01: Command) -> None:
    said = web01("suspend", "web01", "--reason", "a backup")
    shown, applied = web01("plan"), web01("apply", "--auto-approve")
    plan = json.loads(web01("plan", "-o", "json").out)

    assert (said.code, shown.code, applied.code) == (0, 0, 5)
    assert said.out == "suspended web01; to end it: virtsnap resume web01\n"
    assert "web01 on local: running, agent connected, suspended\n  + create  s1" in shown.out
    assert "! held: suspended by hand by " in shown.out
    assert "(a backup): virtsnap resume web01" in shown.out
    assert not web01.host.domain("web01").records
    jsonschema.validate(plan, document_schema("plan"))
    [part] = plan["domains"]
    assert part["drift"]
    assert part["suspendedBy"] == ["hand"]
    assert part["suspendedByHand"]["reason"] == "a backup"

    assert web01("resume", "web01").out == "resumed web01\n"
    assert web01("apply", "--auto-approve").code == 0
    assert web01.host.domain("web01").records


def test_status_shows_what_is_suspended_and_by_whom(web01: Command) -> None:
    web01("suspend", "web*")

    text = web01("status").out
    document = json.loads(web01("status", "-o", "json").out)

    assert "! web*: suspended by hand by " in text
    assert "web01 on local  suspended" in text
    jsonschema.validate(document, document_schema("status"))
    assert document["suspensions"][0]["domain"] == "web*"


def test_release_keeps_to_it_too(web01: Command, declare: Declare) -> None:
    declare(manifest("web01", "s1").replace("name: s1", "name: s1, protect: true"))
    assert web01("apply", "--auto-approve").code == 0
    web01("suspend")

    held = web01("release", "web01/s1")

    assert held.code == 5
    assert "suspended by hand" in held.out


def test_a_name_that_nobody_knows_is_a_slip_of_the_pen(web01: Command, tmp_path: Path) -> None:
    slip = web01("suspend", "wbe01")
    assert (slip.code, slip.out) == (1, "")
    assert "there is no such domain (did you mean 'web01'?)" in slip.err
    assert web01("status").out.count("suspended") == 0

    leave_state(tmp_path, controller_state(domain_state("db01")))
    assert "did you mean 'db01'" in web01("suspend", "bd01").err
    assert web01("suspend", "db01").code == 0
    assert web01("suspend", "later-*").code == 0
    assert "no such host (did you mean 'local'?)" in web01("suspend", "--host", "loacl").err
    assert "did you mean 'db01'" in web01("resume", "bd01").err


def test_it_works_where_neither_libvirt_nor_controller_can_be_asked(
    virtsnap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        from reconciler.errors import HypervisorError

        raise HypervisorError("cannot connect")

    monkeypatch.setattr(virtsnap.host, "observe", fail)

    said = virtsnap("suspend", "web01")

    assert said.code == 0
    assert "nobody can say whether there is a domain web01" in said.err
    assert virtsnap("resume", "web01").out == "resumed web01\n"


def test_everything_is_suspended_and_resumed_without_names(web01: Command) -> None:
    assert web01("suspend").out == "suspended everything; to end it: virtsnap resume\n"
    assert web01("apply", "--auto-approve").code == 5

    still = web01("resume", "web01")
    assert still.code == 5
    assert "! stays suspended: everything: suspended by hand" in still.out

    assert web01("resume").out == "resumed everything\n"
    assert web01("resume").out == "nothing was suspended by hand: nothing to do\n"
    assert web01("plan", "--detailed-exitcode").code == 2


def test_a_host_is_suspended_and_resumed(web01: Command) -> None:
    assert "everything on local" in web01("suspend", "--host", "local").out
    assert web01("apply", "--auto-approve").code == 5
    assert web01("resume", "--host", "local").out == "resumed everything on local\n"
    assert web01("plan", "--detailed-exitcode").code == 2


def test_what_a_glob_suspended_is_not_resumed_by_a_name(web01: Command) -> None:
    web01("suspend", "web*")

    still = web01("resume", "web01")

    assert still.code == 5
    assert "virtsnap resume 'web*'" in still.out
    web01("suspend", "web01")
    assert web01("resume", "web*").out == "resumed web*\nresumed web01\n"


def test_what_was_suspended_by_its_uuid_is_resumed_by_its_name(
    web01: Command, tmp_path: Path
) -> None:
    uuid = web01.host.domain("web01").uuid
    leave_state(tmp_path, controller_state(domain_state("web01", uuid=uuid)))
    web01("suspend", uuid)

    assert web01("resume", "web01").out == f"resumed {uuid}\n"


def test_a_damaged_file_holds_everything_until_all_is_resumed(
    web01: Command, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "suspended.json").write_text("{")

    shown, applied = web01("plan"), web01("apply", "--auto-approve")
    more = web01("suspend", "web01")

    assert "suspended.json: it is damaged), so nothing is changed: virtsnap resume" in shown.out
    assert applied.code == 5
    assert more.code == 1
    assert "hint: virtsnap resume" in more.err

    assert "it was put aside" in web01("resume").err
    assert web01("plan", "--detailed-exitcode").code == 2


def test_a_running_controller_is_woken(web01: Command, tmp_path: Path) -> None:
    running = RunningStep(title="create s1", action="create", snapshot="s1", begun=NOON)
    state = controller_state(domain_state("web01", running=running))
    with controller(tmp_path, state) as asked:
        said = web01("suspend", "web01")
        web01("resume", "web01")

    assert asked.calls == [(("web01",), None)] * 2
    assert "web01 is being worked on: that is finished" in said.err


def test_a_document_says_all_that_is_suspended(web01: Command) -> None:
    document = json.loads(web01("suspend", "web01", "-o", "json").out)

    jsonschema.validate(document, document_schema("suspensions"))
    assert [each["domain"] for each in document["suspended"]] == ["web01"]
    assert json.loads(web01("resume", "-o", "json").out)["suspended"] == []


def test_options_that_would_be_heard_by_nobody_are_refused(web01: Command) -> None:
    for verb in ("suspend", "resume", "reconcile"):
        assert web01(verb, "--target", "web01").code == 64
