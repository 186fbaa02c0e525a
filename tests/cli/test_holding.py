"""What is held back, as people and scripts meet it."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from reconciler.model.domain import AgentState
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host

Declare = Callable[..., Path]

QUIESCED = """\
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {name: db01}
spec: {snapshots: [{name: s1, quiesce: required}]}
"""
DEPENDENT = manifest("web01", "s1").replace("spec: {", "spec: {dependsOn: [db01], ")
SUSPENDED = manifest("web01", "s1").replace("spec: {", "spec: {suspend: true, ")


def two(virtsnap: Command, declare: Declare, *, agent: AgentState) -> None:
    """``web01`` waits for ``db01``, whose snapshot needs the agent."""
    virtsnap.host = host(domain("db01", agent, vda="db"), domain("web01", vda="base"))
    declare(DEPENDENT, "web01.yaml")
    declare(QUIESCED, "db01.yaml")


def test_who_waits_for_a_refused_domain_is_held_and_says_so(
    virtsnap: Command, declare: Declare
) -> None:
    two(virtsnap, declare, agent=AgentState.ABSENT)

    shown = virtsnap("plan")
    applied = virtsnap("apply", "--auto-approve")
    looped = virtsnap("run", "--once")

    assert shown.out.index("db01 on local") < shown.out.index("web01 on local")
    assert "! held: waits for db01, of which something is refused or held" in shown.out
    assert (applied.code, looped.code) == (5, 5)
    assert "create s1: held: waits for db01" in looped.err
    assert not virtsnap.host.domain("web01").records
    assert virtsnap("plan", "--detailed-exitcode").code == 5


def test_once_the_other_is_done_it_is_done_in_the_same_pass(
    virtsnap: Command, declare: Declare
) -> None:
    two(virtsnap, declare, agent=AgentState.CONNECTED)

    assert virtsnap("apply", "--auto-approve").code == 0
    assert virtsnap.host.domain("web01").records
    assert virtsnap("plan", "--detailed-exitcode").code == 0


def test_a_failure_on_the_way_is_told_where_it_is_waited_for(
    virtsnap: Command, declare: Declare
) -> None:
    two(virtsnap, declare, agent=AgentState.CONNECTED)
    virtsnap.host.domain("db01").agent.is_frozen = True  # seen only when it is frozen

    text = virtsnap("apply", "--auto-approve")
    document = json.loads(virtsnap("apply", "--auto-approve", "-o", "json").out)

    assert text.code == 5
    assert "! held web01 on local: waits for db01, which ended refused" in text.out
    ends = {each["domain"]: each for each in document["domains"]}
    assert ends["web01"]["status"] == "held"
    assert ends["web01"]["waitsFor"] == [{"domain": "db01", "status": "refused"}]
    schema = json.loads(virtsnap("schema", "outcome").out)
    jsonschema.validate(document, schema)


def test_what_is_suspended_is_shown_and_not_touched(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(SUSPENDED)

    shown = virtsnap("plan")
    applied = virtsnap("apply", "--auto-approve")
    plan = json.loads(virtsnap("plan", "-o", "json").out)["domains"][0]

    assert "web01 on local: running, agent connected, suspended\n  + create  s1" in shown.out
    assert "`suspend: true`, nothing is changed" in shown.out
    assert applied.code == 5
    assert not virtsnap.host.domain("web01").records
    assert plan["suspended"]
    assert [(h["until"], h["why"]) for h in plan["held"]] == [("resume", "Suspended")]
    assert "suspended" in virtsnap("status").out


def test_a_suspended_host_suspends_all_its_domains(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    declare(
        "apiVersion: virtsnap/v1\nkind: Host\nmetadata: {name: kvm01}\nspec: {suspend: true}\n",
        "host.yaml",
    )

    assert virtsnap("apply", "--auto-approve").code == 5
    assert not virtsnap.host.domain("web01").records


def test_a_plan_for_a_person_says_what_run_would_hold_back(
    virtsnap: Command, declare: Declare
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1 ← s2"))
    declare(manifest("web01", "s2", prune="confirm"))

    assert "run holds it back until a person agrees" in virtsnap("plan").out
    plan = json.loads(virtsnap("plan", "-o", "json").out)["domains"][0]

    assert plan["held"] == []
    assert plan["heldFromRun"][0] == {
        "step": "s1",
        "until": "approval",
        "why": "NeedsApproval",
        "waitsFor": None,
    }


def test_a_plan_as_if_it_were_another_time(virtsnap: Command, declare: Declare) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))

    result = virtsnap("plan", "--at", "2026-11-29T02:00:00+01:00", "-o", "json")

    assert json.loads(result.out)["createdAt"] == "2026-11-29T01:00:00Z"


@pytest.mark.parametrize("text", ["soon", "2026-11-29", "2026-11-29T02:00:00"])
def test_a_time_without_its_offset_is_bad_usage(
    virtsnap: Command, declare: Declare, text: str
) -> None:
    declare(manifest("web01", "s1"))

    result = virtsnap("plan", "--at", text)

    assert result.code == 64
    assert f"cannot plan as if it were {text}" in result.err
