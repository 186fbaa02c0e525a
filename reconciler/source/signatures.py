"""Who signed a revision, and whether that is enough.  git, ssh-keygen and gpg do the sums."""

import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from reconciler.errors import SourceError
from reconciler.source.objects import GitObject
from reconciler.source.openpgp_signature import openpgp_signer
from reconciler.source.ssh_signature import ssh_signer
from reconciler.source.verifying import not_accepted
from reconciler.source.wanted import Tag, Wanted, words_for

_SSH = b"-----BEGIN SSH SIGNATURE-----"
_OPENPGP = (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP MESSAGE-----")
_X509 = b"-----BEGIN SIGNED MESSAGE-----"
_HEADS = re.compile(rb"^(?:gpgsig )?-----BEGIN (?:SSH|PGP|SIGNED) (?:SIGNATURE|MESSAGE)-----", re.M)


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
    signed, signature = _parts(found)
    bears = found.content if found.kind == "tag" else found.content.partition(b"\n\n")[0]
    if len(_HEADS.findall(bears)) > 1:
        # Which of them counts would be for git to say, and is not for us to guess.
        raise not_accepted(subject, "it bears several signatures")
    if _SSH in signature:
        if accepted.ssh is None:
            raise not_accepted(subject, "it is signed with an SSH key, and only OpenPGP keys count")
        return ssh_signer(found, subject, signed, signature, accepted.ssh)
    if any(mark in signature for mark in _OPENPGP):
        if accepted.openpgp is None:
            raise not_accepted(subject, "it is signed with an OpenPGP key, and only SSH keys count")
        return openpgp_signer(found, subject, accepted.openpgp)
    if _X509 in signature:
        raise not_accepted(subject, "it is signed with an X.509 certificate, which does not count")
    raise not_accepted(
        subject, "it is not signed", hint="sign it: git commit --amend -S --no-edit, and push again"
    )


def _parts(found: GitObject) -> tuple[bytes, bytes]:
    """What was signed, and the signature; nothing where there is none."""
    if found.kind == "tag":
        starts = [found.content.find(mark) for mark in (_SSH, *_OPENPGP, _X509)]
        start = min((at for at in starts if at >= 0), default=len(found.content))
        return found.content[:start], found.content[start:]
    head, gap, text = found.content.partition(b"\n\n")
    plain: list[bytes] = []
    signature: list[bytes] = []
    into = plain
    for line in head.split(b"\n"):
        if not line.startswith(b" "):
            into = signature if line.startswith(b"gpgsig ") else plain
        into.append(line)
    armour = b"".join(line.removeprefix(b"gpgsig").removeprefix(b" ") + b"\n" for line in signature)
    return b"\n".join(plain) + gap + text, armour
