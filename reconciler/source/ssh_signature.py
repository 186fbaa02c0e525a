"""Signatures made with SSH keys, and a file of allowed signers."""

import base64
import re
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.source.objects import GitObject
from reconciler.source.verifying import (
    check_readable,
    last_said,
    missing,
    not_accepted,
    run_tool,
    verified,
)

_GOOD = re.compile(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$', re.MULTILINE)
_STRANGE = re.compile(r'^Good "git" signature with \S+ key (SHA256:\S+)$', re.MULTILINE)


def ssh_signer(
    found: GitObject, subject: str, signed: bytes, signature: bytes, allowed: Path
) -> str:
    """Who signed *found*; ``SourceError`` unless *allowed* lists them for then and for now."""
    check_readable(allowed)
    said = verified(found, {"gpg.ssh.allowedSignersFile": str(allowed)})
    if "No such file or directory" in said.err and "ssh-keygen" in said.err:
        raise missing("ssh-keygen")
    good = _GOOD.search(said.err)
    if said.code == 0 and good:
        who, key = good.groups()
        # git asks whether the key was valid at the time that the revision itself names, which is
        # for the signer to choose: a key that has run out must not sign for yesterday.
        if _is_good_today(who, signed, signature, allowed):
            return f"{who} ({key})"
        cause = f"it is signed by {who} ({key}), whose key is not valid today ({allowed})"
    elif strange := _STRANGE.search(said.err):
        cause = f"it is signed with the SSH key {strange[1]}, which {allowed} does not list"
        if _is_listed(signature, allowed):
            cause = (
                f"it is signed with the SSH key {strange[1]}, which {allowed} lists, but not for"
                " that time"
            )
    else:
        cause = f"its signature does not hold: {last_said(said)}"
    raise not_accepted(subject, cause)


def _is_good_today(who: str, signed: bytes, signature: bytes, allowed: Path) -> bool:
    """ssh-keygen takes the time of day where nobody tells it another."""
    with TemporaryDirectory(prefix="virtsnap-verify-") as folder:
        file = Path(folder, "signature")
        file.write_bytes(signature)
        words = ["ssh-keygen", "-Y", "verify", "-n", "git", "-I", who]
        return run_tool([*words, "-s", str(file), "-f", str(allowed)], signed).code == 0


def _public_key(signature: bytes) -> bytes:
    """Of an armoured SSH signature: after ``SSHSIG`` and a version, as length and content."""
    lines = [line for line in signature.split(b"\n") if line and not line.startswith(b"-----")]
    raw = base64.b64decode(b"".join(lines))
    (length,) = struct.unpack(">I", raw[10:14])
    return raw[14 : 14 + length]


def _is_listed(signature: bytes, allowed: Path) -> bool:
    return base64.b64encode(_public_key(signature)) in allowed.read_bytes()
