"""Signatures made with OpenPGP keys, and the public keys that count."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.source.objects import GitObject
from reconciler.source.verifying import (
    check_readable,
    last_said,
    missing,
    not_accepted,
    run_tool,
    unreadable,
    verified,
)

_STATUS = re.compile(r"^\[GNUPG:\] (\S+) ?(.*)$", re.MULTILINE)
#: No agent, no network, nobody asked; whose keys these are was said by whoever put them there.
_GPG_SETTINGS = "no-auto-key-retrieve\nno-autostart\nbatch\nno-tty\ntrust-model always\n"


def openpgp_signer(found: GitObject, subject: str, keys: Path) -> str:
    """Who signed *found*; ``SourceError`` unless with one of *keys* that is good today."""
    with _gnupg_home(keys) as home:
        said = verified(found, {}, {"GNUPGHOME": str(home)})
    status: dict[str, str] = {}
    for word, rest in _STATUS.findall(said.err):
        status.setdefault(word, rest)
    for word, cause in _OPENPGP_CAUSES.items():
        if word in status:
            key, _, user = status[word].partition(" ")
            raise not_accepted(subject, cause.format(who=f"{user} ({key})", key=key, keys=keys))
    if said.code == 0 and "GOODSIG" in status and "VALIDSIG" in status:
        user = status["GOODSIG"].partition(" ")[2]
        return f"{user} ({status['VALIDSIG'].split(' ')[-1]})"
    if "cannot run gpg" in said.err:
        raise missing("gpg")
    raise not_accepted(subject, f"its signature does not hold: {last_said(said)}")


_OPENPGP_CAUSES = {
    "BADSIG": "its signature, in the name of {who}, is bad",
    "REVKEYSIG": "it is signed by {who}, whose key was revoked",
    "EXPKEYSIG": "it is signed by {who}, whose key has expired",
    "EXPSIG": "it is signed by {who}, and the signature has expired",
    "NO_PUBKEY": "it is signed with the OpenPGP key {key}, which is not in {keys}",
    "ERRSIG": "it is signed with the OpenPGP key {key}, which cannot be checked",
}


@contextmanager
def _gnupg_home(keys: Path) -> Iterator[Path]:
    """A home with *keys* and no others, for this once: a key that was taken away counts no more."""
    check_readable(keys)
    try:
        files = sorted(
            [path for path in keys.iterdir() if path.is_file() and not path.name.startswith(".")]
            if keys.is_dir()
            else [keys]
        )
    except OSError as error:
        raise unreadable(keys, (error.strerror or str(error)).lower()) from error
    if not files:
        raise unreadable(keys, "there is no file in it")
    with TemporaryDirectory(prefix="virtsnap-gpg-") as folder:
        home = Path(folder)
        (home / "gpg.conf").write_text(_GPG_SETTINGS, encoding="ascii")
        for file in files:
            words = ["gpg", "--homedir", folder, "--status-fd", "1", "--import", "--", str(file)]
            said = run_tool(words)
            if "[GNUPG:] IMPORT_OK" not in said.out or said.code:
                raise unreadable(file, "it holds something else than OpenPGP public keys")
        yield home
