"""Who signed a revision, and whether that is enough.  git, ssh-keygen and gpg do the sums."""

import base64
import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from reconciler.errors import SourceError
from reconciler.source.command import Late, Said, run_git
from reconciler.source.objects import GitObject
from reconciler.source.wanted import Tag, Wanted, words_for

#: Seconds for one run of git, ssh-keygen or gpg: none of them needs the network.
_LIMIT = 30.0
_SSH = b"-----BEGIN SSH SIGNATURE-----"
_OPENPGP = (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----")
_X509 = b"-----BEGIN SIGNED MESSAGE-----"
_HEADS = re.compile(rb"^(?:gpgsig )?-----BEGIN (?:SSH|PGP|SIGNED) (?:SIGNATURE|MESSAGE)-----", re.M)
_GOOD_SSH = re.compile(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$', re.MULTILINE)
_STRANGE_SSH = re.compile(r'^Good "git" signature with \S+ key (SHA256:\S+)$', re.MULTILINE)
_STATUS = re.compile(r"^\[GNUPG:\] (\S+) ?(.*)$", re.MULTILINE)
#: No agent, no network, nobody asked; whose keys these are was said by whoever put them there.
_GPG_SETTINGS = "no-auto-key-retrieve\nno-autostart\nbatch\nno-tty\ntrust-model always\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whose signatures count: those that one of the two allows."""

    #: ssh's ALLOWED SIGNERS
    ssh: Path | None = None
    #: a file or folder of public keys
    openpgp: Path | None = None

    def __post_init__(self) -> None:
        if self.ssh is None and self.openpgp is None:
            raise ValueError("a verification names whose signatures count")


def signer_of(named: GitObject, revision: GitObject, wanted: Wanted, accepted: Verification) -> str:
    """Who vouches for *revision*; ``SourceError`` unless somebody does whom *accepted* allows.

    A signed tag vouches by its own signature, and for its own name only.  In every other case it is
    the revision that must be signed.  *named* is what the branch or tag names.
    """
    if named.kind != "tag" or not isinstance(wanted, Tag) or not _is_signed(named):
        return _signer(revision, f"revision {revision.name.hex()[:12]}", accepted)
    subject = words_for(wanted)
    name = named.header("tag")
    if name != wanted.name:
        # Whoever may move tags could put an old signed one under a new name.
        raise SourceError(
            f"cannot accept {subject}: what was signed is tag {name}",
            hint=f"git tag -s {quote(wanted.name)}",
        )
    return _signer(named, subject, accepted)


def _is_signed(found: GitObject) -> bool:
    return any(mark in found.content for mark in (_SSH, *_OPENPGP, _X509))


def _signer(found: GitObject, subject: str, accepted: Verification) -> str:
    signature = _signature(found)
    if len(_HEADS.findall(found.content)) > 1:
        # Which of them counts would be for git to say, and is not for us to guess.
        raise _refusal(subject, "it bears several signatures")
    if _SSH in signature:
        if accepted.ssh is None:
            raise _refusal(subject, "it is signed with an SSH key, and only OpenPGP keys count")
        return _ssh_signer(found, subject, signature, accepted.ssh)
    if any(mark in signature for mark in _OPENPGP):
        if accepted.openpgp is None:
            raise _refusal(subject, "it is signed with an OpenPGP key, and only SSH keys count")
        return _openpgp_signer(found, subject, accepted.openpgp)
    if _X509 in signature:
        raise _refusal(subject, "it is signed with an X.509 certificate, which does not count")
    raise _refusal(
        subject, "it is not signed", hint="sign it: git commit --amend -S --no-edit, and push again"
    )


def _signature(found: GitObject) -> bytes:
    """The text of the signature; empty when there is none."""
    if found.kind == "tag":
        starts = [found.content.find(mark) for mark in (_SSH, *_OPENPGP, _X509)]
        start = min((at for at in starts if at >= 0), default=len(found.content))
        return found.content[start:]
    lines: list[bytes] = []
    for line in found.content.partition(b"\n\n")[0].split(b"\n"):
        if line.startswith(b"gpgsig "):
            lines.append(line[len(b"gpgsig ") :])
        elif lines and line.startswith(b" "):
            lines.append(line[1:])
        elif lines:
            break
    return b"\n".join(lines) + b"\n" if lines else b""


def _refusal(subject: str, cause: str, *, hint: str | None = None) -> SourceError:
    return SourceError(
        f"cannot accept {subject}: {cause}",
        hint=hint or "git log -1 --show-signature; what is in force stays until a good one comes",
    )


def _ssh_signer(found: GitObject, subject: str, signature: bytes, allowed: Path) -> str:
    _check_readable(allowed)
    said = _verified(found, {"gpg.ssh.allowedSignersFile": str(allowed)})
    if _told(said, "No such file or directory") and _told(said, "ssh-keygen"):
        raise SourceError(
            "cannot verify signatures: ssh-keygen is not installed",
            hint="apt install openssh-client",
        )
    good = _GOOD_SSH.search(said.err)
    key = _fingerprint(said, signature)
    if said.code == 0 and good:
        # git asks whether the key was valid at the time that the revision itself names, which is
        # for the signer to choose: a key that has run out must not sign for yesterday.
        if _is_valid_today(signature, allowed):
            return f"{good[1]} ({good[2]})"
        raise _refusal(
            subject, f"it is signed by {good[1]} ({key}), whose key is not valid today ({allowed})"
        )
    if good or _STRANGE_SSH.search(said.err):
        if _is_listed(signature, allowed):
            raise _refusal(
                subject,
                f"it is signed with the SSH key {key}, which {allowed} lists,"
                " but not for git or not for that time",
            )
        raise _refusal(
            subject, f"it is signed with the SSH key {key}, which {allowed} does not list"
        )
    raise _refusal(subject, f"its signature is bad: {_first_said(said)}")


def _is_valid_today(signature: bytes, allowed: Path) -> bool:
    with TemporaryDirectory(prefix="virtsnap-verify-") as folder:
        file = Path(folder, "signature")
        file.write_bytes(signature)
        words = ["ssh-keygen", "-Y", "find-principals", "-s", str(file), "-f", str(allowed)]
        return _run(words).code == 0


def _public_key(signature: bytes) -> bytes:
    """Of an armoured SSH signature: after ``SSHSIG`` and a version, as length and content."""
    lines = [line for line in signature.split(b"\n") if line and not line.startswith(b"-----")]
    raw = base64.b64decode(b"".join(lines))
    (length,) = struct.unpack(">I", raw[10:14])
    return raw[14 : 14 + length]


def _is_listed(signature: bytes, allowed: Path) -> bool:
    return base64.b64encode(_public_key(signature)) in allowed.read_bytes()


def _fingerprint(said: Said, signature: bytes) -> str:
    for pattern, group in ((_GOOD_SSH, 2), (_STRANGE_SSH, 1)):
        if found := pattern.search(said.err):
            return found[group]
    return "unknown"


def _openpgp_signer(found: GitObject, subject: str, keys: Path) -> str:
    with _gnupg_home(keys) as home:
        said = _verified(found, {}, {"GNUPGHOME": str(home)})
    status: dict[str, str] = {}
    for word, rest in _STATUS.findall(said.err):
        status.setdefault(word, rest)
    for word, cause in _OPENPGP_CAUSES.items():
        if word in status:
            key, _, user = status[word].partition(" ")
            raise _refusal(subject, cause.format(who=f"{user} ({key})", key=key, keys=keys))
    if said.code == 0 and "GOODSIG" in status and "VALIDSIG" in status:
        user = status["GOODSIG"].partition(" ")[2]
        return f"{user} ({status['VALIDSIG'].split(' ')[-1]})"
    if _told(said, "cannot run gpg"):
        raise _NO_GPG
    raise _refusal(subject, f"its signature is bad: {_first_said(said)}")


_OPENPGP_CAUSES = {
    "BADSIG": "its signature, in the name of {who}, is bad",
    "REVKEYSIG": "it is signed by {who}, whose key was revoked",
    "EXPKEYSIG": "it is signed by {who}, whose key has expired",
    "EXPSIG": "it is signed by {who}, and the signature has expired",
    "NO_PUBKEY": "it is signed with the OpenPGP key {key}, which is not in {keys}",
    "ERRSIG": "it is signed with the OpenPGP key {key}, which cannot be checked",
}
_NO_GPG = SourceError("cannot verify signatures: gpg is not installed", hint="apt install gnupg")


@contextmanager
def _gnupg_home(keys: Path) -> Iterator[Path]:
    """A home with *keys* and no others, for this once: a key that was taken away counts no more."""
    _check_readable(keys)
    try:
        files = sorted(
            [path for path in keys.iterdir() if path.is_file() and not path.name.startswith(".")]
            if keys.is_dir()
            else [keys]
        )
    except OSError as error:
        raise _unreadable(keys, (error.strerror or str(error)).lower()) from error
    if not files:
        raise _unreadable(keys, "there is no file in it")
    with TemporaryDirectory(prefix="virtsnap-gpg-") as folder:
        home = Path(folder)
        (home / "gpg.conf").write_text(_GPG_SETTINGS, encoding="ascii")
        for file in files:
            words = ["gpg", "--homedir", folder, "--status-fd", "1", "--import", "--", str(file)]
            said = _run(words)
            if "[GNUPG:] IMPORT_OK" not in said.out or said.code:
                raise _unreadable(file, "it holds something else than OpenPGP public keys")
        yield home


def _verified(
    found: GitObject, settings: dict[str, str], environment: dict[str, str] | None = None
) -> Said:
    """What git says to the signature of *found*, in a repository that holds nothing else.

    So no setting of the repository that it comes from can choose who verifies it, or with what.
    """
    name = found.name.hex()
    with TemporaryDirectory(prefix="virtsnap-verify-") as folder:
        home = Path(folder)
        (home / "refs").mkdir()
        (home / "objects" / name[:2]).mkdir(parents=True)
        (home / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        whole = f"{found.kind} {len(found.content)}".encode() + b"\0" + found.content
        (home / "objects" / name[:2] / name[2:]).write_bytes(zlib.compress(whole))
        try:
            return run_git(
                *(home, f"verify-{found.kind}", "--raw", name),
                seconds=_LIMIT,
                settings={
                    "gpg.program": "gpg",
                    "gpg.openpgp.program": "gpg",
                    "gpg.ssh.program": "ssh-keygen",
                    "gpg.x509.program": "false",
                    "gpg.minTrustLevel": "undefined",
                    **settings,
                },
                environment={
                    "GIT_CONFIG_GLOBAL": "/dev/null",
                    "GIT_CONFIG_NOSYSTEM": "1",
                    **(environment or {}),
                },
            )
        except Late as error:
            raise SourceError(
                f"cannot verify {name[:12]}: git did not answer for {_LIMIT:.0f} seconds"
            ) from error


def _run(words: list[str]) -> Said:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False
        )
    except FileNotFoundError as error:
        raise (
            _NO_GPG
            if words[0] == "gpg"
            else SourceError(f"cannot verify signatures: {words[0]} is not installed")
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"cannot verify signatures: {words[0]} does not answer") from error
    return Said(
        code=done.returncode,
        out=done.stdout.decode(errors="replace"),
        err=done.stderr.decode(errors="replace"),
    )


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            return
        with path.open("rb"):
            pass
    except OSError as error:
        raise _unreadable(path, (error.strerror or str(error)).lower()) from error


def _unreadable(path: Path, cause: str) -> SourceError:
    return SourceError(
        f"cannot read whose signatures count, in {path}: {cause}",
        hint=f"ls -l {quote(str(path))}",
    )


def _told(said: Said, words: str) -> bool:
    return words in said.err


def _first_said(said: Said) -> str:
    lines = [line.strip() for line in said.err.splitlines() if line.strip()]
    plain = [line for line in lines if not line.startswith("[GNUPG:]")]
    return next(iter([*plain, *lines]), "git does not say why")[:300].rstrip(".")
