"""Commit statuses: what is said when, to whom, and what never leaves the machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

from reconciler.errors import VirtsnapError
from reconciler.model.controller import ControllerState
from reconciler.service import commit_status
from reconciler.service.commit_status import CommitStatus, status_of
from reconciler.service.forges import Forge, checked_url, is_whole_revision, statuses_url
from tests.service.drawn import (
    CREATE,
    LOCAL,
    R1,
    R2,
    RECONCILING,
    STALLED,
    domain,
    no_space,
    outcome,
    passed,
    plan,
    source,
    state,
)
from tests.service.http_server import Listening, listening
from tests.service.said import Said

REFUSED = domain("db01", STALLED, refusals=(no_space(),))
FAILED = domain("db02", RECONCILING, failures=1)
AT_WORK = domain("web02", RECONCILING)


class Board:
    """What a controller would say of itself."""

    def __init__(self, now: ControllerState) -> None:
        self.now = now

    def __call__(self) -> ControllerState:
        return self.now


@contextmanager
def saying(
    board: Board,
    server: Listening,
    folder: Path,
    *,
    forge: Forge = Forge.GITEA,
    said: Said | None = None,
) -> Iterator[CommitStatus]:
    token = folder / "token"
    token.write_text("t0ken\n")
    token.chmod(0o600)
    status = CommitStatus(
        forge,
        source="/srv/snapshots",
        url=f"{server.url}/statuses",
        token_file=token,
        snapshot=board,
        log=said or Said(),
    )
    try:
        yield status
    finally:
        status.close()


@pytest.mark.parametrize(
    ("now", "verdict", "description"),
    [
        (state(domain(), domain("web02")), "success", "2 domains in sync"),
        (state(), "success", "0 domains in sync"),
        (state(domain(), REFUSED), "failure", "1 refused (db01) of 2 domains"),
        (state(FAILED, REFUSED), "failure", "1 failed (db02), 1 refused (db01) of 2 domains"),
        (state(AT_WORK, domain()), "pending", "1 at work (web02) of 2 domains"),
        (state(domain(), domain("web02", revision=R2)), "pending", "at work"),
    ],
)
def test_what_is_said(now: ControllerState, verdict: str, description: str) -> None:
    status = status_of(now, LOCAL, was_passed=True)

    assert status is not None
    assert (status.verdict.value, status.description) == (verdict, description)


def test_before_a_pass_has_ended_it_is_pending() -> None:
    status = status_of(state(domain()), LOCAL, was_passed=False)

    assert status is not None
    assert status.verdict.value == "pending"


@pytest.mark.parametrize("revision", [None, f"{R1}-dirty", "1" * 12, "main", "G" * 40])
def test_only_a_whole_revision_has_a_status(revision: str | None) -> None:
    assert (
        status_of(state(domain(revision=revision), revision=revision), LOCAL, was_passed=True)
        is None
    )
    assert is_whole_revision("a" * 64)


def test_a_revision_is_pending_and_then_done_and_each_is_said_once(tmp_path: Path) -> None:
    board = Board(state(domain(revision=R2), revision=R1))
    with listening() as server, saying(board, server, tmp_path) as status:
        status.source_changed(source(None), source(R1))
        server.wait_for(1)
        board.now = state(domain())
        status.step_started(plan(CREATE), CREATE)
        status.step_finished(plan(CREATE), CREATE, "", 1.0)
        status.pass_ended(passed(R1))
        status.domain_ended(outcome(), 1.0)
        server.wait_for(2)
        status.domain_changed(None, domain())
        status.pass_ended(passed(R1))
        status.close()

    assert [(p.path, p.body) for p in server.posted] == [
        (
            f"/statuses/{R1}",
            {"state": verdict, "context": "virtsnap/local", "description": words},
        )
        for verdict, words in (("pending", "at work"), ("success", "1 domain in sync"))
    ]


@pytest.mark.parametrize(
    ("forge", "header", "value", "failure"),
    [
        (Forge.GITHUB, "Authorization", "Bearer t0ken", "failure"),
        (Forge.GITLAB, "PRIVATE-TOKEN", "t0ken", "failed"),
        (Forge.GITEA, "Authorization", "token t0ken", "failure"),
    ],
)
def test_each_forge_is_spoken_to_as_it_wants(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forge: Forge,
    header: str,
    value: str,
    failure: str,
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login u password another\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with listening() as server, saying(Board(state(REFUSED)), server, tmp_path, forge=forge) as s:
        s.pass_ended(passed(R1))
        s.close()

    assert server.posted[-1].headers[header] == value
    assert server.posted[-1].body["state"] == failure


def test_what_passes_is_tried_again_and_what_does_not_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_status, "_TRIES", (0.0, 0.0, 0.0))
    said, board = Said(), Board(state(domain()))
    with listening() as server:
        server.answers = [(503, b""), (502, b""), (201, b""), (403, b"t0ken"), (302, b"")]
        for number in range(3):
            with saying(board, server, tmp_path, said=said) as status:
                status.pass_ended(passed(R1))
                status.close()
            assert len(server.posted) == 3 + number, "a redirect is not followed"
    assert said.warnings == ["commit status not set"] * 2
    assert [line[2]["cause"] for line in said.lines] == [
        "127.0.0.1 answered 403",
        "127.0.0.1 answered 302",
    ]


def test_gitlab_that_has_it_already_is_content(tmp_path: Path) -> None:
    said = Said()
    with listening() as server:
        server.answers = [(400, b'{"message":"Cannot transition status via :enqueue"}')]
        with saying(Board(state(domain())), server, tmp_path, forge=Forge.GITLAB, said=said) as s:
            s.pass_ended(passed(R1))
            s.close()
    assert said.lines == []


def test_a_forge_that_is_away_is_logged_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_status, "_TRIES", (0.0,))
    said, board = Said(), Board(state(domain()))
    with listening() as server:
        gone = Listening(server.url)
    with saying(board, gone, tmp_path, said=said) as status:
        status.pass_ended(passed(R1))
        status.close()
    assert said.warnings == ["commit status not set"]
    assert "127.0.0.1 cannot be reached" in said.lines[0][2]["cause"]


def test_a_snapshot_that_cannot_be_had_ends_nothing(tmp_path: Path) -> None:
    said, asked = Said(), threading.Event()

    class Broken(Board):
        def __call__(self) -> ControllerState:
            if not asked.is_set():
                asked.set()
                raise RuntimeError("board")
            return self.now

    with listening() as server, saying(Broken(state(domain())), server, tmp_path, said=said) as s:
        s.pass_ended(passed(R1))
        assert asked.wait(60)
        s.close()

    assert len(server.posted) == 1
    assert [event for _, event, _ in said.lines] == [
        "commit status not set",
        "commit statuses are set again",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@{host}/ops/snapshots.git",
        "https://hunter2@{host}/ops/snapshots",
        "ssh://git@{host}:2222/ops/snapshots.git",
        "git@{host}:ops/snapshots.git",
    ],
)
@pytest.mark.parametrize(
    ("forge", "host", "expected"),
    [
        (Forge.GITHUB, "github.com", "https://api.github.com/repos/ops/snapshots/statuses"),
        (Forge.GITHUB, "git.corp", "https://git.corp/api/v3/repos/ops/snapshots/statuses"),
        (Forge.GITLAB, "gitlab.com", "https://gitlab.com/api/v4/projects/ops%2Fsnapshots/statuses"),
        (Forge.GITEA, "codeberg.org", "https://codeberg.org/api/v1/repos/ops/snapshots/statuses"),
    ],
)
def test_where_it_goes_follows_from_host_and_path_alone(
    forge: Forge, host: str, expected: str, url: str
) -> None:
    assert statuses_url(forge, url.format(host=host)) == expected
    assert "hunter2" not in unquote(expected)


@pytest.mark.parametrize(
    "url", ["/srv/repo", "file:///srv/repo", "https://host/", "https://h/../..", "x", "ssh://[::"]
)
def test_a_source_on_no_forge_needs_the_url(url: str) -> None:
    with pytest.raises(VirtsnapError, match="no URL of a repository"):
        statuses_url(Forge.GITEA, url)


@pytest.mark.parametrize(
    "url",
    ["http://git.corp/x", "https://u:hunter2@h/x", "https://h/x?token=hunter2", "h/x", "ftp://h/x"],
)
def test_a_url_that_would_tell_the_token_is_refused_without_saying_it(url: str) -> None:
    with pytest.raises(VirtsnapError) as caught:
        checked_url(url)

    assert "hunter2" not in caught.value.message


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    long = domain("d" * 200, STALLED, refusals=(no_space(),))
    with listening() as server, saying(Board(state(long)), server, tmp_path) as status:
        status.pass_ended(passed(R1))
        status.close()

    assert len(server.posted[-1].body["description"]) == 140
