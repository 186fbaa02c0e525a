"""How each forge wants to be told the status of a commit; pure."""

import enum
import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from reconciler.errors import VirtsnapError
from reconciler.model.secrets import without_secrets


class Forge(enum.StrEnum):
    """Whose way of speaking it is."""

    GITHUB = "github"
    GITLAB = "gitlab"
    #: Forgejo too
    GITEA = "gitea"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """What is posted."""

    url: str
    host: str
    header: tuple[str, str]
    body: dict[str, str]


_WHOLE = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: ``git@host:owner/name``
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:@]+):(?P<path>[^/].*)")
#: GitHub takes no more
_MOST = 140
_HINT = "--commit-status-url https://api.github.com/repos/OWNER/NAME/statuses"


def is_whole_revision(revision: str) -> bool:
    """A commit's whole name, and nothing that was changed since."""
    return _WHOLE.fullmatch(revision) is not None


def statuses_url(forge: Forge, source: str) -> str:
    """Where statuses of the repository at *source* are posted, less the revision.

    Made of host and path alone: what else is in the URL, a token for instance, goes nowhere.
    """
    host, path = _place(source)
    parts = [part for part in path.strip("/").removesuffix(".git").split("/") if part]
    if not host or len(parts) < 2 or any(part in (".", "..") for part in parts):
        raise VirtsnapError(
            f"cannot say where the commit statuses of {without_secrets(source)} go: it is no URL "
            "of a repository on a forge",
            hint=_HINT,
        )
    match forge:
        case Forge.GITHUB:
            api = "api.github.com" if host == "github.com" else f"{host}/api/v3"
            return f"https://{api}/repos/{_path(parts)}/statuses"
        case Forge.GITLAB:
            return f"https://{host}/api/v4/projects/{quote('/'.join(parts), safe='')}/statuses"
        case Forge.GITEA:
            return f"https://{host}/api/v1/repos/{_path(parts)}/statuses"


def checked_url(url: str) -> str:
    """``--commit-status-url``: https, or http on this machine, and no password in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.username is not None or parts.query or parts.fragment:
        raise VirtsnapError(
            "cannot use --commit-status-url: it holds more than a scheme, a host and a path",
            hint=_HINT,
        )
    if not host or parts.scheme not in ("https", "http"):
        raise VirtsnapError("cannot use --commit-status-url: it is no https URL", hint=_HINT)
    if parts.scheme == "http" and not _is_here(host):
        raise VirtsnapError(
            "cannot use --commit-status-url: the token would go over the network in the clear",
            hint=_HINT,
        )
    return url.rstrip("/")


def request_for(
    forge: Forge,
    *,
    url: str,
    revision: str,
    verdict: str,
    context: str,
    description: str,
    token: str,
) -> StatusRequest:
    """What is posted below *url*; *verdict* is ``success``, ``failure`` or ``pending``."""
    line = description if len(description) <= _MOST else f"{description[: _MOST - 1]}…"
    body = {"state": verdict, "context": context, "description": line}
    match forge:
        case Forge.GITHUB:
            header = ("Authorization", f"Bearer {token}")
        case Forge.GITLAB:
            header = ("PRIVATE-TOKEN", token)
            body["state"] = "failed" if verdict == "failure" else verdict
        case Forge.GITEA:
            header = ("Authorization", f"token {token}")
    if not header[1].isprintable() or not header[1].isascii():
        raise VirtsnapError("cannot set a commit status: the token is more than one line of text")
    return StatusRequest(
        url=f"{url}/{revision}", host=urlsplit(url).hostname or "", header=header, body=body
    )


def _place(source: str) -> tuple[str, str]:
    """Host (with the port of https) and path."""
    if "://" not in source:
        found = _SCP.fullmatch(source)
        return (found["host"], found["path"]) if found else ("", "")
    try:
        parts = urlsplit(source)
        port = f":{parts.port}" if parts.port and parts.scheme == "https" else ""
    except ValueError:
        return "", ""
    if parts.scheme not in ("https", "http", "ssh", "git+ssh"):
        return "", ""
    return f"{parts.hostname or ''}{port}", parts.path


def _path(parts: list[str]) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
