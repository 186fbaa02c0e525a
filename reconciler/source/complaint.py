"""What git says when a fetch fails, in one line, with the next command."""

import re
from collections.abc import Callable
from shlex import quote

from reconciler.errors import SourceError
from reconciler.model.secrets import without_secrets
from reconciler.source.address import RemoteAddress
from reconciler.source.wanted import Head, Wanted, words_for

#: Characters; git repeats what a server says, who may say what takes long to look through.
_LONGEST = 300
_LOOKED_AT = 8192


class Unexplained(SourceError):
    """A failure that may be our own clone's."""


def complaint(
    address: RemoteAddress, wanted: Wanted, said: str, *, secrets: tuple[str, ...] = ()
) -> SourceError:
    """The error for what git *said*; ``Unexplained`` when it is none that we know."""
    lines = said[-_LOOKED_AT:].splitlines()
    lines = [line for line in lines if not line.startswith("remote:")]
    text = "\n".join(lines)
    subject = f"cannot fetch {address}"
    for pattern, cause, hint in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return SourceError(f"{subject}: {cause}", hint=hint(address))
    if re.search(r"couldn't find remote ref|not our ref|unadvertised object", text, re.IGNORECASE):
        cause = f"there is no {words_for(wanted)}"
        if isinstance(wanted, Head):
            cause = "it has no revision yet, or its HEAD names a branch that is not there"
        return SourceError(f"{subject}: {cause}", hint=f"git ls-remote -- {quote(address.url)}")
    return Unexplained(
        f"{subject}: {_telling(lines, secrets)}", hint=f"git ls-remote -- {quote(address.url)}"
    )


def _telling(lines: list[str], secrets: tuple[str, ...]) -> str:
    """The line that says most."""
    marked = [line for line in lines if re.match(r"(fatal|error): ", line)]
    line = next(iter([*marked, *(line for line in lines if line.strip())]), "git failed")
    for secret in secrets:
        line = line.replace(secret, "***")
    line = without_secrets(re.sub(r"^(fatal|error): ", "", line)[:_LONGEST])
    return line.strip().rstrip(".")


def _by_hand(address: RemoteAddress) -> str:
    return f"git ls-remote -- {quote(address.url)}"


def _keyscan(address: RemoteAddress) -> str:
    port = f"-p {address.port} " if address.port else ""
    return (
        f"compare with what its administrator says, then add it to the known hosts:"
        f" ssh-keyscan {port}{quote(_bare_host(address))}"
    )


def _forget_key(address: RemoteAddress) -> str:
    host = _bare_host(address)
    known = f"[{host}]:{address.port}" if address.port else host
    return f"only if its administrator says that it was changed: ssh-keygen -R {quote(known)}"


def _authentication(address: RemoteAddress) -> str:
    if address.scheme == "ssh":
        login = f"{address.user}@" if address.user else ""
        port = f"-p {address.port} " if address.port else ""
        return (
            f"ssh -T {port}{quote(login + _bare_host(address))}, or give another key:"
            " --source-ssh-key FILE (one without a passphrase)"
        )
    return "give a token that may read it: --source-token-file FILE"


def _bare_host(address: RemoteAddress) -> str:
    return address.host.strip("[]")


def _safe_directory(_: RemoteAddress) -> str:
    return "on that server: git config --system --add safe.directory PATH"


_Hint = Callable[[RemoteAddress], str | None]

#: 1. what is looked for, in this order, 2. the cause, 3. the hint.  All of it seen from git 2.39,
#: curl 7.88 and OpenSSH 9.2, which is told to speak English.
_KNOWN: tuple[tuple[str, str, _Hint], ...] = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the server shows another host key than the known one",
        _forget_key,
    ),
    (
        r"Host key verification failed|No \S+ host key is known",
        "the host key of the server is not known",
        _keyscan,
    ),
    (
        (
            r"Permission denied \(|Too many authentication failures|Authentication failed|"
            r"could not read (Username|Password)|terminal prompts disabled|"
            r"returned error: 40[13]\b"
        ),
        "the server does not accept our credentials",
        _authentication,
    ),
    (
        "Could not resolve host|Name or service not known|failure in name resolution",
        "there is no server of this name, or name resolution fails",
        lambda address: f"getent hosts {quote(_bare_host(address))}",
    ),
    (
        (
            "Connection refused|Failed to connect|Couldn't connect|timed out|No route to host|"
            "Network is unreachable|Connection reset|Operation too slow|Connection closed by"
        ),
        "the server cannot be reached",
        _by_hand,
    ),
    (
        (
            "SSL certificate problem|certificate verification failed|certificate subject name|"
            "unable to get local issuer"
        ),
        "the certificate of the server is not trusted",
        lambda address: (
            "git config --system"
            f" {quote(f'http.{address.origin}.sslCAInfo')} /path/to/the/authority.pem"
        ),
    ),
    (
        "dubious ownership",
        "on the server the repository belongs to another user than the one who reads it",
        _safe_directory,
    ),
    (
        (
            r"repository .*not found|does not appear to be a git repository|returned error: 404|"
            r"project you were looking for could not be found"
        ),
        "there is no such repository, or we may not see it",
        _by_hand,
    ),
    (
        (
            r"update url base from redirection|returned error: 30\d|transport '\S+' not allowed|"
            r"protocol .* not supported or disabled"
        ),
        "the server sends us to another address, to which no credentials are given",
        lambda _: "give the address itself: --source URL",
    ),
    (
        r"mismatched algorithms|object[- ]format",
        "its objects are named by SHA-256, which virtsnap cannot read",
        lambda _: (
            "clone it, and name the folder with its manifests: virtsnap run --manifests FOLDER"
        ),
    ),
    (
        "No space left on device|Disk quota exceeded",
        "there is no room for it in the state folder",
        lambda _: "df -h",
    ),
    (
        "cannot run ssh",
        "ssh is not installed",
        lambda _: "apt install openssh-client",
    ),
)
