"""``virtsnap history``, and the hooks of ``apply``, with a fake host behind."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from reconciler.cli import run_telling
from reconciler.errors import UsageError
from reconciler.model.outcome import DomainStatus
from reconciler.service.history import History
from reconciler.service.history_watching import HistoryListener
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host
from tests.report.drawn_plans import UUID
from tests.service.drawn import CREATE, R1, Time, outcome, plan
from tests.service.said import Said

Declare = Callable[..., Path]
SCHEMA = Path(__file__).parents[2] / "schemas" / "history.v1.schema.json"


def hook(folder: Path, body: str) -> Path:
    path = folder / "hook"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def kept(virtsnap: Command, tmp_path: Path) -> Command:
    """An apply gave s1 to web01 and db01."""
    time = Time()
    history = History(tmp_path / "state", retention=None, log=Said(), now=time)
    listener = HistoryListener(history, by="apply", source="/srv", revision=R1, now=time)
    for name in ("db01", "web01"):
        listener.step_started(plan(CREATE, name=name), CREATE)
        time.seconds += 65
        listener.step_finished(plan(CREATE, name=name), CREATE, "not quiesced")
        listener.domain_finished(outcome(DomainStatus.APPLIED, CREATE, name=name))
    history.close()
    return virtsnap


def test_no_history_is_a_friendly_line(virtsnap: Command) -> None:
    result = virtsnap("history")

    assert (result.code, result.err) == (0, "")
    assert result.out == "no history yet: virtsnap has changed nothing from here\n"
    assert json.loads(virtsnap("history", "-o", "json").out)["entries"] == []
    assert virtsnap.opened == []


def test_it_reads_as_a_person_would_say_it(kept: Command) -> None:
    said = kept("history")

    assert said.code == 0
    assert re.sub(r"\d{4}-[\d-]+ [\d:]+", "…", said.out) == (
        "…  db01 on local: applied, 1 step in 1m 5s, by apply, revision 111111111111\n"
        "    create s1: 1m 5s, not quiesced\n"
        "…  web01 on local: applied, 1 step in 1m 5s, by apply, revision 111111111111\n"
        "    create s1: 1m 5s, not quiesced\n"
    )


def test_what_was_done_is_on_record_and_what_was_not_is_not(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1").replace("{name: s1}", "{name: s1, protect: true}"))
    assert virtsnap("apply", "--auto-approve").code == 0
    declare(manifest("web01", "s1"))
    assert virtsnap("apply", "--auto-approve").code == 0
    assert virtsnap("release", "web01/s1").code == 0

    lines = virtsnap("history").out.splitlines()

    assert [line.split()[0] for line in lines[1::2]] == ["create", "release"]
    assert [line.rpartition("by ")[2] for line in lines[::2]] == ["apply", "release"]


def test_documents_are_as_their_schema_says(kept: Command) -> None:
    document = json.loads(kept("history", "-o", "json").out)

    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert {entry["domain"] for entry in document["entries"]} == {"web01", "db01"}
    assert "steps:" in kept("history", "-o", "yaml").out


def test_domains_can_be_chosen_by_name_uuid_and_glob(kept: Command) -> None:
    def told(*arguments: str) -> set[str]:
        document = json.loads(kept("history", *arguments, "-o", "json").out)
        return {entry["domain"] for entry in document["entries"]}

    assert told(UUID) == {"web01", "db01"}
    assert told("web*") == told("web01") == told("--target", "web01") == {"web01"}
    assert told("--exclude", "web01") == {"db01"}
    assert told("--limit", "0") == {"web01", "db01"}
    assert len(told("--limit", "1")) == 1
    assert told("--host", "kvm99") == set()
    assert kept("history", "nobody").out == "nothing on record\n"


@pytest.mark.parametrize(
    "since", ["3000d", "2000-01-01", "2000-01-01 18:00", "2000-01-01T18:00:00Z"]
)
def test_since_a_duration_or_a_time(kept: Command, since: str) -> None:
    assert "web01" in kept("history", "--since", since).out
    assert kept("history", "--since", "2999-01-01").out == "nothing on record\n"


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--limit", "-1"), ("--limit", "x")])
def test_bad_usage(virtsnap: Command, arguments: tuple[str, ...]) -> None:
    assert virtsnap("history", *arguments).code == 64


def test_a_damaged_history_is_an_error_and_the_next_apply_heals_it(
    kept: Command, declare: Declare, tmp_path: Path
) -> None:
    kept.host = host(domain("web01", vda="base"))
    file = tmp_path / "state" / "history.sqlite"
    file.write_text("rubbish" * 1000)

    said = kept("history")
    assert said.code == 1
    assert said.err.startswith("cannot read the history ")
    assert "hint: " in said.err

    declare(manifest("web01", "s2"))
    again = kept("apply", "--auto-approve")
    assert again.code == 0
    assert "history begun anew" in again.err
    assert "create s2" in kept("history").out


def test_a_hook_that_says_no_is_a_refusal_with_its_reason(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    path = hook(tmp_path, "echo the backup is at work; exit 1")

    said = virtsnap("apply", "--auto-approve", "--before-step", str(path))

    assert said.code == 5
    assert (
        "! refused HookRefused web01 on local: cannot create s1 of web01: the hook before it"
        in said.out
    )
    assert "ended with 1: the backup is at work" in said.out
    assert virtsnap.host.observe().domains[0].records == ()
    assert "! HookRefused: " in virtsnap("history").out
    document = json.loads(
        virtsnap("apply", "--auto-approve", "--before-step", str(path), "-o", "json").out
    )
    assert document["domains"][0]["refusals"][0]["code"] == "HookRefused"


def test_hooks_come_from_the_config_file_and_from_the_environment(
    virtsnap: Command, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    path = hook(tmp_path, f'echo "$VIRTSNAP_HOOK $VIRTSNAP_SNAPSHOT" >> "{tmp_path}/told"')
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "virtsnap.yaml").write_text(f"after-step: [{path}]\nhook-timeout: 30s\n")
    monkeypatch.setenv("VIRTSNAP_BEFORE_STEP", str(path))
    declare(manifest("web01", "s1"))

    assert virtsnap("apply", "--auto-approve").code == 0

    assert (tmp_path / "told").read_text() == "before s1\nafter s1\n"


def test_a_hook_that_others_can_write_to_is_an_error_before_anything_is_done(
    virtsnap: Command, declare: Declare, tmp_path: Path
) -> None:
    virtsnap.host = host(domain("web01", vda="base"))
    declare(manifest("web01", "s1"))
    path = hook(tmp_path, "exit 0")
    path.chmod(0o777)

    said = virtsnap("apply", "--auto-approve", "--after-step", str(path))

    assert said.code == 1
    assert said.err.startswith(f"cannot run {path}: others can write to it\nhint: ")
    assert virtsnap.opened == []


@pytest.mark.parametrize("timeout", ["0s", "11m", "soon"])
def test_a_hook_has_neither_no_time_nor_any(virtsnap: Command, timeout: str) -> None:
    assert virtsnap("apply", "--hook-timeout", timeout).code == 64


def test_bad_options_of_telling_are_told() -> None:
    with pytest.raises(UsageError, match="refused, held, failed"):
        run_telling.notify_given([], None, "refused,gossip", 10)
    with pytest.raises(UsageError, match="one of github, gitlab, gitea"):
        run_telling.statuses_given("sourceforge", None, None)
    with pytest.raises(UsageError, match="no token"):
        run_telling.statuses_given("github", None, None)
    assert run_telling.statuses_given(None, None, None) is None
    assert run_telling.notify_given(None, None, run_telling.DEFAULT_TOPICS, 10).topics
