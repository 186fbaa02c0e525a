"""Commands before and after steps: what they are told, how they end, and which are not run at all."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from reconciler.engine.hooks import StepTold
from reconciler.errors import VirtsnapError
from reconciler.model.names import HostName
from reconciler.model.plan import DomainPlan, Reason
from reconciler.service.guarded_files import secret_text
from reconciler.service.step_hooks import CommandHooks
from tests.report.drawn_plans import UUID, commit, create, s1, step
from tests.service.said import Said

SCHEMA = Path(__file__).parents[2] / "schemas" / "hook.v1.schema.json"
CREATE = step(1, create(s1), Reason.DECLARED_NOT_TAKEN)
PLAN = DomainPlan(
    host=HostName("kvm01"),
    domain="web 01; rm",
    uuid=UUID,
    manifest="web01.yaml",
    fingerprint="sha256:0",
    plan_id="sha256:1",
    steps=(CREATE,),
)
TOLD = StepTold(
    plan=PLAN,
    step=CREATE,
    uri="qemu+tls://u:hunter2@h/system",
    source="https://u:hunter3@git.example/r",
    revision="abc",
)


def hook(folder: Path, body: str, name: str = "hook") -> Path:
    """An executable with *body*."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def hooks(*before: Path, after: tuple[Path, ...] = (), timeout: float = 60.0) -> CommandHooks:
    return CommandHooks(before=before, after=after, timeout=timeout, log=Said())


def test_a_hook_is_told_the_step_and_little_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    path = hook(tmp_path, f'env > "{tmp_path}/env"; cat > "{tmp_path}/in"; pwd > "{tmp_path}/pwd"')

    assert hooks(path).before(TOLD) is None

    env = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert {name: text for name, text in env.items() if name.startswith("VIRTSNAP_")} == {
        "VIRTSNAP_HOOK": "before",
        "VIRTSNAP_HOST": "kvm01",
        "VIRTSNAP_URI": "qemu+tls://u:***@h/system",
        "VIRTSNAP_DOMAIN": "web 01; rm",
        "VIRTSNAP_UUID": UUID,
        "VIRTSNAP_ACTION": "create",
        "VIRTSNAP_SNAPSHOT": "s1",
        "VIRTSNAP_STEP": "s1",
        "VIRTSNAP_PLAN_ID": "sha256:1",
        "VIRTSNAP_REVISION": "abc",
        "VIRTSNAP_RISK": "safe",
    }
    others = {name for name in env if not name.startswith("VIRTSNAP_")}
    assert others <= {"PATH", "LANG", "LC_ALL", "HOME", "TZ", "PWD", "SHLVL", "_", "OLDPWD"}
    assert (tmp_path / "pwd").read_text() == "/\n"
    document = json.loads((tmp_path / "in").read_text())
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert (document["hook"], document["result"]) == ("before", None)
    assert document["step"]["action"] == "create"
    assert "hunter" not in json.dumps(document)


@pytest.mark.parametrize(("is_done", "result"), [(True, "done"), (False, "failed")])
def test_after_a_step_the_result_is_told(tmp_path: Path, is_done: bool, result: str) -> None:
    path = hook(tmp_path, f'echo "$VIRTSNAP_HOOK $VIRTSNAP_RESULT" > "{tmp_path}/told"')

    hooks(after=(path,)).after(TOLD, is_done=is_done)

    assert (tmp_path / "told").read_text() == f"after {result}\n"


def test_the_snapshots_of_a_commit_are_all_named(tmp_path: Path) -> None:
    path = hook(tmp_path, f'echo "$VIRTSNAP_ACTION $VIRTSNAP_SNAPSHOT" > "{tmp_path}/told"')
    action = commit()

    hooks(path).before(replace(TOLD, step=step(1, action, Reason.NOT_IN_MANIFEST)))

    assert (tmp_path / "told").read_text() == f"commit {' '.join(action.snapshots)}\n"


def test_a_hook_that_fails_says_why_and_those_behind_it_are_not_asked(tmp_path: Path) -> None:
    said = Said()
    first = hook(
        tmp_path, "echo starting; echo 'the database says\033[31m no' >&2; exit 3", "first"
    )
    second = hook(tmp_path, f'touch "{tmp_path}/asked"', "second")
    both = CommandHooks(before=(first, second), after=(), timeout=60, log=said)

    why = both.before(TOLD)

    assert why == "first ended with 3: the database says\\x1b[31m no"
    assert not (tmp_path / "asked").exists()
    (line,) = said.lines
    assert line[1] == "hook before failed"
    assert line[2]["output"] == "starting | the database says\\x1b[31m no"


def test_a_failure_afterwards_is_only_logged_and_the_next_is_told(tmp_path: Path) -> None:
    said = Said()
    first, second = hook(tmp_path, "exit 1", "first"), hook(tmp_path, "echo hello", "second")

    CommandHooks(before=(), after=(first, second), timeout=60, log=said).after(TOLD, is_done=True)

    assert [event for _, event, _ in said.lines] == ["hook after failed", "hook after"]


def test_a_hook_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    path = hook(tmp_path, f'sleep 1000 & echo $! > "{tmp_path}/child"; wait')

    why = hooks(path, timeout=1.0).before(TOLD)

    assert why == "hook did not end within 1s"
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}/stat").exists() and _state(child) != "Z":
        assert time.monotonic() < deadline


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_what_a_hook_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    path = hook(tmp_path, f'sleep 1000 & echo $! > "{tmp_path}/child"')

    assert hooks(path, timeout=60.0).before(TOLD) is None

    os.kill(int((tmp_path / "child").read_text()), 9)


def test_endless_output_fills_nothing_and_no_input_is_read(tmp_path: Path) -> None:
    said = Said()
    path = hook(tmp_path, "head -c 3000000 /dev/zero | tr '\\0' a")

    assert CommandHooks(before=(path,), after=(), timeout=60, log=said).before(TOLD) is None
    assert len(said.lines[0][2]["output"]) == 4096


def test_what_cannot_be_run_refuses_the_step(tmp_path: Path) -> None:
    path = hook(tmp_path, "exit 0")
    asked = hooks(path)
    path.write_text("no interpreter")
    assert "cannot run" in str(asked.before(TOLD))

    path.unlink()
    assert "no such file" in str(asked.before(TOLD))


def test_others_must_not_be_able_to_change_what_is_run(tmp_path: Path) -> None:
    for mode in (0o775, 0o757):
        path = hook(tmp_path, "exit 0")
        path.chmod(mode)
        with pytest.raises(VirtsnapError, match="others can write to it"):
            hooks(path)
    path.chmod(0o644)
    with pytest.raises(VirtsnapError, match="no executable"):
        hooks(path)
    with pytest.raises(VirtsnapError, match="absolute"):
        hooks(Path("hook"))

    path.chmod(0o755)
    asked = hooks(path)
    path.chmod(0o757)
    assert "others can write" in str(asked.before(TOLD)), "looked at again right before"


def test_nor_its_folder_nor_where_a_link_leads(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    path, link = hook(folder, "exit 0"), tmp_path / "link"
    link.symlink_to(path)
    assert hooks(link).before(TOLD) is None

    folder.chmod(0o777)
    for each in (path, link):
        with pytest.raises(VirtsnapError, match="a folder above it"):
            hooks(each)
    folder.chmod(0o1777)
    assert hooks(path).before(TOLD) is None


def test_a_hook_of_another_user_is_not_run(tmp_path: Path) -> None:
    assert os.geteuid() == 0, "giving a file away needs root: run the tests with sudo"
    path = hook(tmp_path, "exit 0")
    os.chown(path, 65534, 65534)

    with pytest.raises(VirtsnapError, match="others can write to it"):
        hooks(path)


def test_a_secret_that_everybody_may_read_is_none(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" t0ken\n")
    path.chmod(0o640)
    assert secret_text(path) == "t0ken"

    path.chmod(0o644)
    with pytest.raises(VirtsnapError, match="everybody may read it"):
        secret_text(path)
    for wrong in (tmp_path, tmp_path / "none"):
        with pytest.raises(VirtsnapError, match="cannot use"):
            secret_text(wrong)
