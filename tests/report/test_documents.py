"""The documents for machines."""

import json
from typing import get_args

import jsonschema
import pytest

from reconciler.cli.schema import document_schema
from reconciler.errors import ManifestError, VirtsnapError
from reconciler.model.action import Action
from reconciler.model.outcome import DomainOutcome, DomainStatus
from reconciler.model.plan import Plan, Reason
from reconciler.model.refusal import RefusalCode, refusal
from reconciler.report.document import as_json
from reconciler.report.documents import (
    DOCUMENTS,
    error_document,
    outcome_document,
    plan_document,
)
from tests.report.drawn_plans import create, domain_plan, removal, s1, s3, step, vda, whole
from tests.report.every import ACTIONS, DIFFERENCES


def everything() -> Plan:
    steps = tuple(step(n, action, Reason.LEDGER_STALE) for n, action in enumerate(ACTIONS, 1))
    refused = refusal(RefusalCode.NAME_TAKEN, snapshot=s1, domain="web01")
    return whole(domain_plan(*steps, refusals=(refused,), drift=DIFFERENCES, held=("s2",)))


def test_every_action_and_difference_fits_the_schema() -> None:
    assert {type(action) for action in ACTIONS} == set(get_args(Action))
    document = json.loads(as_json(plan_document(everything())))

    jsonschema.validate(document, document_schema("plan"))
    [domain] = document["domains"]
    assert [entry["action"] for entry in domain["steps"]] == [action.name for action in ACTIONS]
    assert [entry["kind"] for entry in domain["drift"]] == [d.kind for d in DIFFERENCES]
    assert domain["refusals"][0].keys() >= {"code", "message", "hint", "snapshot"}
    assert domain["held"] == [
        {"step": "s2", "until": "approval", "why": "NeedsApproval", "waitsFor": None}
    ]


def test_a_plan_document_has_the_shape_of_the_design() -> None:
    plan = whole(domain_plan(step(1, create(s3, vda), Reason.DECLARED_NOT_TAKEN)), domain_plan())
    document = json.loads(as_json(plan_document(plan)))

    assert list(document) == [
        *("formatVersion", "planId", "createdAt", "revision", "source", "summary", "domains"),
    ]
    assert document["formatVersion"] == "1.0"
    assert document["createdAt"] == "2026-03-01T12:00:00Z"
    assert document["summary"] == {
        "domains": 2,
        "inSync": 1,
        "steps": 1,
        "create": 1,
        "commit": 0,
        "delete": 0,
        "revert": 0,
        "other": 0,
        "refusals": 0,
        "held": 0,
    }
    [created] = document["domains"][0]["steps"]
    assert created["id"] == "s1"
    assert created["snapshot"] == "s3"
    assert created["disks"]["vda"]["type"] == "external"
    assert created["disks"]["vda"]["overlay"] == "/images/web01-vda-s3.qcow2"
    assert created["reason"] == "DeclaredNotTaken"
    assert created["risk"] == "safe"
    assert created["dependsOn"] == []
    assert created["estimate"] == {"bytes": 0, "downtime": False, "discards": 0}


def test_the_summary_counts_steps() -> None:
    summary = plan_document(whole(domain_plan(*removal()))).summary

    assert (summary.create, summary.commit, summary.other, summary.steps) == (1, 1, 5, 7)


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.name == "revert"], ids=str)
def test_the_summary_counts_reverts(action: Action) -> None:
    plan = whole(domain_plan(step(1, action, Reason.REVERT_REQUESTED)))

    summary = plan_document(plan).summary

    assert (summary.revert, summary.other, summary.steps) == (1, 0, 1)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_has_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(document_schema(name))


def test_errors_keep_all_problems() -> None:
    error = error_document(ManifestError(("a.yaml:1:1: x", "b.yaml:2:1: y"), hint="look"))

    assert error.error.problems == ("a.yaml:1:1: x", "b.yaml:2:1: y")
    assert error.error.exit_code == 1


def test_an_outcome_says_what_failed_and_what_is_left() -> None:
    plan = domain_plan(*removal())
    outcome = DomainOutcome(
        host=plan.host,
        domain=plan.domain,
        status=DomainStatus.FAILED,
        plan=plan,
        steps_done=2,
        error=VirtsnapError("cannot pivot", hint="look"),
        left="commit s1, s2",
    )
    document = json.loads(as_json(outcome_document(whole(plan), (outcome,), exit_code=10)))

    jsonschema.validate(document, document_schema("outcome"))
    assert document["exitCode"] == 10
    assert document["domains"][0]["stepsDone"] == 2
    assert document["domains"][0]["error"]["message"] == "cannot pivot"
