"""``POST /hook``: what a forge says after a push, believed only with the secret.

It causes a pass and nothing else: what is applied is what the source holds.  So a message that is
sent again, or kept back, does no harm.
"""

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from shlex import quote
from urllib.parse import parse_qs

import structlog

from reconciler.errors import VirtsnapError

#: GitHub and Gitea call it ``push``; GitLab ``Push Hook`` and ``Tag Push Hook``.
_PUSHES = frozenset({"push", "push hook", "tag push hook"})
_EVENTS = ("X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gitlab-Event")
_SIGNATURES = ("X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature")
_TOKEN = "X-Gitlab-Token"
#: Bytes; what is shorter can be guessed.
LEAST_SECRET = 16
_MAX_SECRET = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and one line."""

    status: HTTPStatus
    text: str


class Hook:
    """Answers a forge's messages; *secret_file* is read for each, so that it can be changed.

    *branch*: pushes to other branches cause nothing; None: which is followed is not known.
    """

    def __init__(
        self, secret_file: Path, wake: Callable[[str], None], *, branch: str | None
    ) -> None:
        self._secret_file = secret_file
        self._wake = wake
        self._branch = branch
        self._trouble: str | None = None

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Wake the controller if this is a push that counts."""
        try:
            secret = read_secret(self._secret_file)
        except VirtsnapError as error:
            self._tell(error)
            return Answer(HTTPStatus.FORBIDDEN, "the secret cannot be read")
        self._trouble = None
        if not is_signed(headers, body, secret):
            return Answer(HTTPStatus.FORBIDDEN, "the signature is missing or wrong")
        event = next((headers[name] for name in _EVENTS if headers.get(name)), "push")
        if event.lower() not in _PUSHES:
            return Answer(HTTPStatus.OK, "nothing to do")
        ref = _ref(headers.get("Content-Type", ""), body)
        if self._is_of_another_branch(ref):
            return Answer(HTTPStatus.OK, "not the branch that is followed")
        self._wake("hook")
        return Answer(HTTPStatus.ACCEPTED, "a pass follows")

    def _tell(self, error: VirtsnapError) -> None:
        """Once: whoever asks again and again is not to fill the log."""
        if error.message != self._trouble:
            structlog.get_logger("virtsnap").warning("hook", error=error.message, hint=error.hint)
        self._trouble = error.message

    def _is_of_another_branch(self, ref: str | None) -> bool:
        if self._branch is None or ref is None or not ref.startswith("refs/heads/"):
            return False
        return ref != f"refs/heads/{self._branch}"


def is_signed(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """HMAC-SHA256 of the body as GitHub, Gitea and Forgejo send it, or GitLab's token."""
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
    found = False
    for name in _SIGNATURES:
        given = headers.get(name, "").removeprefix("sha256=").lower()
        found |= hmac.compare_digest(given.encode("utf-8", "replace"), expected)
    token = headers.get(_TOKEN, "").encode("utf-8", "replace")
    return found | hmac.compare_digest(token, secret)


def _ref(content_type: str, body: bytes) -> str | None:
    """The ref of a push, from JSON or from GitHub's form; None where there is none to be found."""
    try:
        text = body.decode("utf-8")
        if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            text = parse_qs(text, max_num_fields=8)["payload"][0]
        document = json.loads(text)
        ref = document["ref"]
    # RecursionError: brackets without end
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return ref if isinstance(ref, str) else None


def read_secret(path: Path) -> bytes:
    """The secret, without the end of its line; ``VirtsnapError`` if others may read it."""
    remedy = f"(umask 077 && openssl rand -hex 32 > {quote(str(path))})"
    try:
        # a FIFO must not keep us waiting
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            secret = file.read(_MAX_SECRET + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise VirtsnapError(
            f"cannot read the hook's secret {path}: {error.strerror}", hint=remedy
        ) from error
    if not stat.S_ISREG(mode):
        raise VirtsnapError(f"cannot use the hook's secret {path}: it is no regular file")
    if mode & stat.S_IRWXO:
        raise VirtsnapError(
            f"cannot use the hook's secret {path}: everybody may read or write it",
            hint=f"chmod o= {quote(str(path))}",
        )
    secret = secret.rstrip(b"\r\n")
    if not LEAST_SECRET <= len(secret) <= _MAX_SECRET:
        raise VirtsnapError(
            f"cannot use the hook's secret {path}: it must have {LEAST_SECRET} to {_MAX_SECRET} "
            "bytes",
            hint=remedy,
        )
    return secret
