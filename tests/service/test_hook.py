"""Who may cause a pass from afar."""

import hashlib
import hmac
import json
import os
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from reconciler.errors import VirtsnapError
from reconciler.service.hook import Hook, is_signed, read_secret

SECRET = b"correct horse battery staple"
MAIN = json.dumps({"ref": "refs/heads/main"}).encode()
OTHER = json.dumps({"ref": "refs/heads/other"}).encode()


def signature(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def github(body: bytes, event: str = "push") -> dict[str, str]:
    return {"X-GitHub-Event": event, "X-Hub-Signature-256": f"sha256={signature(body)}"}


def gitea(body: bytes, event: str = "push") -> dict[str, str]:
    return {"X-Gitea-Event": event, "X-Gitea-Signature": signature(body)}


def forgejo(body: bytes, event: str = "push") -> dict[str, str]:
    return {"X-Forgejo-Event": event, "X-Forgejo-Signature": signature(body)}


def gitlab(_: bytes, event: str = "Push Hook") -> dict[str, str]:
    return {"X-Gitlab-Event": event, "X-Gitlab-Token": SECRET.decode()}


every_forge = pytest.mark.parametrize("forge", [github, gitea, forgejo, gitlab])


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def causes() -> list[str]:
    return []


@pytest.fixture
def hook(secret_file: Path, causes: list[str]) -> Hook:
    return Hook(secret_file, causes.append, branch="main")


@every_forge
def test_a_signed_push_causes_a_pass(hook: Hook, causes: list[str], forge: object) -> None:
    assert hook.answer(forge(MAIN), MAIN).status is HTTPStatus.ACCEPTED  # type: ignore[operator]  # short
    assert causes == ["hook"]


@every_forge
def test_other_events_cause_nothing(hook: Hook, causes: list[str], forge: object) -> None:
    for event in ("ping", "issues", "Issue Hook"):
        assert hook.answer(forge(MAIN, event), MAIN).status is HTTPStatus.OK  # type: ignore[operator]  # short
    assert causes == []


def test_a_push_to_another_branch_causes_nothing(hook: Hook, causes: list[str]) -> None:
    assert hook.answer(github(OTHER), OTHER).status is HTTPStatus.OK
    assert causes == []


def test_without_a_named_branch_every_push_counts(secret_file: Path, causes: list[str]) -> None:
    Hook(secret_file, causes.append, branch=None).answer(github(OTHER), OTHER)

    assert causes == ["hook"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"ref": 7}', b'{"ref": "refs/tags/v1"}', b"\xff", b"[" * 100_000],
    ids=["empty", "cut off", "a list", "no text", "a tag", "no UTF-8", "deep"],
)
def test_a_push_of_which_the_branch_is_not_known_counts(
    hook: Hook, causes: list[str], body: bytes
) -> None:
    hook.answer(github(body), body)

    assert causes == ["hook"]


def test_the_form_that_github_can_send_is_read(hook: Hook, causes: list[str]) -> None:
    for body in (MAIN, OTHER):
        form = urlencode({"payload": body.decode()}).encode()
        headers = {**github(form), "Content-Type": "application/x-www-form-urlencoded"}
        hook.answer(headers, form)

    assert causes == ["hook"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": f"sha256={signature(OTHER)}"},
        {"X-Gitea-Signature": signature(MAIN, b"another secret, as long")},
        {"X-Hub-Signature": "sha1=" + hmac.new(SECRET, MAIN, hashlib.sha1).hexdigest()},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": signature(MAIN)},
        {"X-Hub-Signature-256": "é\udcff"},
    ],
    ids=str,
)
def test_what_is_not_signed_with_the_secret_causes_nothing(
    hook: Hook, causes: list[str], headers: dict[str, str]
) -> None:
    answer = hook.answer({"X-GitHub-Event": "push", **headers}, MAIN)

    assert answer.status is HTTPStatus.FORBIDDEN
    assert causes == []


@given(body=st.binary(), other=st.binary())
def test_a_signature_is_good_for_its_body_alone(body: bytes, other: bytes) -> None:
    assert is_signed(github(body), body, SECRET)
    assert is_signed(github(body), other, SECRET) is (body == other)


def test_a_message_that_is_sent_again_causes_only_a_pass(hook: Hook, causes: list[str]) -> None:
    for _ in range(3):
        hook.answer(github(MAIN), MAIN)

    assert causes == ["hook"] * 3


def test_a_secret_can_be_changed_while_it_runs(
    hook: Hook, secret_file: Path, causes: list[str]
) -> None:
    secret_file.write_bytes(b"another secret, as long")

    assert hook.answer(github(MAIN), MAIN).status is HTTPStatus.FORBIDDEN
    assert causes == []


def test_a_secret_that_went_is_told_once(hook: Hook, secret_file: Path, causes: list[str]) -> None:
    secret_file.unlink()
    with capture_logs() as logs:
        for _ in range(3):
            assert hook.answer(github(MAIN), MAIN).status is HTTPStatus.FORBIDDEN

    assert [log["error"] for log in logs] == [
        f"cannot read the hook's secret {secret_file}: No such file or directory"
    ]
    assert causes == []


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o666])
def test_a_secret_that_everybody_may_read_is_refused(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)

    with pytest.raises(VirtsnapError, match="everybody may read or write it"):
        read_secret(secret_file)


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n", b"x" * 5000])
def test_a_secret_that_is_none_is_refused(secret_file: Path, content: bytes) -> None:
    secret_file.write_bytes(content)

    with pytest.raises(VirtsnapError, match="it must have 16 to 4096 bytes"):
        read_secret(secret_file)


def test_a_secret_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(VirtsnapError, match="No such file") as caught:
        read_secret(tmp_path / "none")
    assert "openssl rand" in str(caught.value.hint)
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(VirtsnapError, match="no regular file"):
        read_secret(tmp_path / "fifo")


def test_the_group_may_read_it(secret_file: Path) -> None:
    secret_file.chmod(0o640)

    assert read_secret(secret_file) == SECRET
