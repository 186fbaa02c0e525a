"""How git proves who we are, and the server who it is.  No secret is ever on a command line."""

import base64
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from reconciler.errors import SourceError
from reconciler.source.address import RemoteAddress

#: What servers take for the name beside a token; those that do not need another one in the URL.
_ANY_USER = "x-access-token"
_LARGEST_TOKEN = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files.  Without them git's own helpers and ssh's own keys count."""

    ssh_key: Path | None = None
    known_hosts: Path | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What git is started with; *secrets* must not be seen in what it says."""

    environment: Mapping[str, str]
    settings: Mapping[str, str]
    secrets: tuple[str, ...] = ()


def login_for(address: RemoteAddress, credentials: Credentials) -> Login:
    """Looked at anew for every fetch: keys and tokens are replaced while we run."""
    if address.scheme == "ssh":
        return Login(
            environment={
                "GIT_SSH_COMMAND": join(_ssh(credentials)),
                "GIT_SSH_VARIANT": "ssh",
            },
            settings={},
        )
    secret = address.password
    if credentials.token_file is not None:
        secret = _token(credentials.token_file)
    if secret is None:
        named = {f"credential.{address.origin}.username": address.user} if address.user else {}
        return Login(environment=_in_environment(named), settings={})
    basic = base64.b64encode(f"{address.user or _ANY_USER}:{secret}".encode()).decode("ascii")
    return Login(
        environment=_in_environment(
            {f"http.{address.origin}.extraHeader": f"Authorization: Basic {basic}"}
        ),
        # Nobody else is told: no server that this one sends us to, and no helper.
        settings={"http.followRedirects": "false", "credential.helper": ""},
        secrets=(secret, basic),
    )


def _in_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings of git that only we and root can see."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for number, (key, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return found


def _ssh(credentials: Credentials) -> list[str]:
    """Nobody is asked, no unknown server is believed, and one that falls silent is left."""
    words = ["ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oUpdateHostKeys=no"]
    words += ["-oClearAllForwardings=yes", "-oForwardAgent=no", "-oPermitLocalCommand=no"]
    words += ["-oConnectTimeout=15", "-oServerAliveInterval=10", "-oServerAliveCountMax=3"]
    if credentials.ssh_key is not None:
        _check_private(credentials.ssh_key, "ssh key")
        words += ["-oIdentitiesOnly=yes", f"-oIdentityFile={_for_ssh(credentials.ssh_key)}"]
    if credentials.known_hosts is not None:
        _check_readable(credentials.known_hosts, "file of known hosts")
        words += [f"-oUserKnownHostsFile={_for_ssh(credentials.known_hosts)}"]
        words += ["-oGlobalKnownHostsFile=/dev/null"]
    return words


def _for_ssh(path: Path) -> str:
    """ssh takes options apart at spaces, and replaces ``%h`` and the like."""
    return '"' + str(path).replace("%", "%%") + '"'


def _token(path: Path) -> str:
    _check_private(path, "token")
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_TOKEN).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = (getattr(error, "strerror", None) or "it is not ASCII").lower()
        raise SourceError(
            f"cannot use the token in {path}: {cause}", hint=f"ls -l {quote(str(path))}"
        ) from error
    if not text or not text.isprintable() or " " in text:
        raise SourceError(
            f"cannot use the token in {path}: it must be one line with nothing but the token",
            hint=f"wc {quote(str(path))}",
        )
    return text


def _check_private(path: Path, what: str) -> None:
    """As ssh does: a secret of ours that others may read is none."""
    found = _check_readable(path, what)
    others = 0o077 if found.st_uid == os.geteuid() else 0o007
    if stat.S_IMODE(found.st_mode) & others:
        raise SourceError(
            f"cannot use the {what} {path}: others may read it",
            hint=f"chmod 600 {quote(str(path))}",
        )


def _check_readable(path: Path, what: str) -> os.stat_result:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(
            f"cannot use the {what} {path}: {(error.strerror or str(error)).lower()}",
            hint=f"ls -l {quote(str(path))}",
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"cannot use the {what} {path}: it is not a regular file")
    if not os.access(path, os.R_OK):
        raise SourceError(
            f"cannot use the {what} {path}: this user may not read it",
            hint=f"ls -l {quote(str(path))}",
        )
    return found
