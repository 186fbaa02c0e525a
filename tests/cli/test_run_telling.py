"""All watchers of a controller together, joined as ``run`` joins them."""

from pathlib import Path

from reconciler.cli import run_telling
from reconciler.engine.watcher import Watchers
from tests.service.drawn import (
    CREATE,
    R1,
    STALLED,
    domain,
    no_space,
    outcome,
    passed,
    plan,
    source,
    state,
)
from tests.service.http_server import listening
from tests.service.said import Said


def test_a_pass_is_told_to_everybody_who_wants_to_know(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken")
    token.chmod(0o600)
    refused = domain(readiness=STALLED, reason="NoSpace", refusals=(no_space(),))
    board, said = state(refused), Said()
    with listening() as server:
        place = server.url.removeprefix("http://")
        telling = run_telling.Telling(
            notify=run_telling.notify_given(
                [f"json://{place}/notify"], None, run_telling.DEFAULT_TOPICS, 10
            ),
            statuses=run_telling.statuses_given("github", f"{server.url}/statuses", token),
            history=run_telling.history_given("30d", 10),
        )
        with run_telling.watching(
            telling, state=tmp_path / "state", source="/srv", snapshot=lambda: board, log=said
        ) as watchers:
            all_ = Watchers(list(watchers))
            all_.source_changed(source(None), source(R1))
            all_.step_started(plan(CREATE), CREATE)
            all_.step_finished(plan(CREATE), CREATE, "", 1.0)
            all_.domain_ended(outcome(refusals=(no_space(),)), 1.0)
            all_.domain_changed(None, refused)
            all_.pass_ended(passed(R1))

    by_path = {posted.path: posted.body for posted in server.posted}
    assert by_path["/notify"]["title"] == "web01 on local: refused"
    assert by_path[f"/statuses/{R1}"]["state"] == "failure"
    assert {p.name for p in (tmp_path / "state").iterdir()} == {"history.sqlite", "told.json"}
    assert said.lines == []


def test_by_default_nobody_but_the_history_is_told(tmp_path: Path) -> None:
    with run_telling.watching(
        run_telling.Telling(),
        state=tmp_path / "state",
        source="/srv",
        snapshot=lambda: state(),
        log=Said(),
    ) as watchers:
        assert len(watchers) == 1
    assert not (tmp_path / "state").exists()
    assert run_telling.step_hooks(run_telling.Hooks(), Said()) is None
