"""What ``--source`` names: a repository elsewhere, or a path on this machine."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit

from reconciler.errors import UsageError

_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_HELPER = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]*)::")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_SCP = re.compile(r"(?:(?P<user>[^@/:]*)@)?(?P<host>\[[^]/]*\]|[^@/:\[\]]*):(?P<path>.*)")
_PORTS = {"https": 443, "ssh": 22}
_EXAMPLE = "virtsnap run --source https://git.example.org/snapshots.git"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAddress:
    """A repository that is fetched.  *password* goes nowhere but to the server."""

    scheme: Literal["https", "ssh"]
    host: str
    port: int | None
    user: str | None
    password: str | None = field(default=None, repr=False)
    #: begins with a slash; of ``host:path``, the path below the home of *user*
    path: str
    is_scp: bool = False

    @property
    def url(self) -> str:
        """For git's command line: nothing in it is secret."""
        if self.is_scp:
            return f"{self._login}{self.host}:{self.path}"
        return f"{self.scheme}://{self._login}{self._server}{self.path}"

    @property
    def origin(self) -> str:
        """The server, which alone is told the password."""
        return f"{self.scheme}://{self._server}/"

    @property
    def id(self) -> str:
        """The same however it is written: no login, no usual port, no ``.git``."""
        path = re.sub(r"/+", "/", self.path).strip("/").removesuffix(".git").rstrip("/")
        usual = self.port in (None, _PORTS[self.scheme])
        port = "" if usual else f":{self.port}"
        return f"{self.scheme}://{self.host.lower()}{port}/{path}"

    def __str__(self) -> str:
        """For people."""
        return self.id

    @property
    def _login(self) -> str:
        # Of https even the name stays out of what `ps` shows: people put tokens there.
        return f"{self.user}@" if self.user and self.scheme == "ssh" else ""

    @property
    def _server(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAddress:
    """A path on this machine.  *is_repository*: said to be one, by ``file://``."""

    path: Path
    is_repository: bool


Address = RemoteAddress | LocalAddress


def address_of(text: str) -> Address:
    """What *text* names; ``UsageError`` for what git must not be asked to open."""
    if not text or text.startswith("-"):
        _refuse(text, "it is neither a URL nor a path")
    helper = _HELPER.match(text)
    if helper:
        _refuse(text, f"{helper[1]}:: would run a command")
    scheme, separator, _ = text.partition("://")
    if separator:
        return _of_url(scheme.lower(), text)
    before, colon, _ = text.partition(":")
    if colon and "/" not in before:
        return _of_scp(text)
    path = Path(text).expanduser() if text.startswith("~/") else Path(text)
    return LocalAddress(path=path, is_repository=False)


def _of_url(scheme: str, text: str) -> Address:
    if _CONTROL.search(text):
        _refuse(text, "there are spaces or control characters in it")
    if scheme == "file":
        host, slash, path = text[len("file://") :].partition("/")
        if host not in ("", "localhost") or not slash:
            _refuse(text, "file:// names a path on this machine, as file:///srv/snapshots.git")
        return LocalAddress(path=Path(f"/{unquote(path)}"), is_repository=True)
    if scheme not in ("https", "ssh"):
        _refuse(text, f"{scheme}:// is not supported, only https, ssh and file are")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        _refuse(text, "it is no valid URL")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        _refuse(text, "a repository has neither ? nor # in its URL")
    if not parts.path.strip("/"):
        _refuse(text, "it names a server and no repository")
    if scheme == "ssh" and parts.password is not None:
        _refuse(text, "ssh takes no password; give a key with --source-ssh-key FILE")
    return RemoteAddress(
        scheme="https" if scheme == "https" else "ssh",
        host=_host(text, parts.netloc.rpartition("@")[2].removesuffix(f":{port}")),
        port=port,
        user=_user(text, parts.username) if scheme == "ssh" else _plain(parts.username),
        password=_plain(parts.password),
        path=parts.path,
    )


def _of_scp(text: str) -> Address:
    """``user@host:path``."""
    found = _SCP.fullmatch(text)
    if not found or _CONTROL.search(text):
        _refuse(text, "it is neither a URL nor user@host:path (a path can begin with ./)")
    path = found["path"]
    if not path or path.startswith("-"):
        _refuse(text, "it names a server and no repository")
    return RemoteAddress(
        scheme="ssh",
        host=_host(text, found["host"]),
        port=None,
        user=_user(text, found["user"]),
        path=path,
        is_scp=True,
    )


def _host(text: str, host: str) -> str:
    if not _HOST.fullmatch(host):
        _refuse(text, f"{host!r} is no name of a server")
    return host


def _user(text: str, user: str | None) -> str | None:
    if user is not None and not _USER.fullmatch(user):
        _refuse(text, f"{user!r} is no name of a user")
    return user


def _plain(text: str | None) -> str | None:
    return unquote(text) if text else None


def _refuse(text: str, cause: str) -> NoReturn:
    raise UsageError(f"cannot use source {_shown(text)}: {cause}", hint=_EXAMPLE)


def _shown(text: str) -> str:
    """*text* as it may be printed: what stands before an ``@`` may be a secret."""
    return repr(re.sub(r"(://)[^/]*@", r"\1***@", text))[1:-1] or "''"
