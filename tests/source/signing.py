"""Keys to sign with: ssh-keygen's and gpg's, made for one run of the tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.source.repository import git


def ssh_key(folder: Path, name: str) -> Path:
    """A private key; the public one is beside it."""
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True
    )
    return path


def allowed_signers(path: Path, *lines: tuple[str, str, Path]) -> Path:
    """A file of *lines*: who, options, key."""
    texts = []
    for who, options, key in lines:
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        texts.append(f"{who} {options} {public}\n" if options else f"{who} {public}\n")
    path.write_text("".join(texts))
    return path


def sign_with_ssh(repository: Path, key: Path, *words: str) -> str:
    """Make the newest revision anew, signed; or run *words*, which sign."""
    return _sign(repository, words, **{"gpg.format": "ssh", "user.signingkey": str(key)})


def _sign(repository: Path, words: tuple[str, ...], **settings: str) -> str:
    chosen = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    git(repository, *chosen, *(words or ("commit", "-q", "--amend", "--no-edit", "-S")))
    return git(repository, "rev-parse", "HEAD")


@dataclass(frozen=True)
class Gpg:
    """A home of gpg with secret keys."""

    home: Path

    def make(self, who: str, *, day: str | None = None, lasts: str = "never") -> str:
        """A key for *who*, made on *day*; its fingerprint."""
        then = ("--faked-system-time", day) if day else ()
        self.run(
            *then, "--passphrase", "", "--quick-generate-key", f"{who} <{who}@x>", "ed25519",
            "sign", lasts,
        )  # fmt: skip
        listed = self.run("--with-colons", "--list-keys", f"{who}@x")
        return next(line.split(":")[9] for line in listed.splitlines() if line[:4] == "fpr:")

    def export(self, key: str, file: Path) -> Path:
        """The public key."""
        file.write_text(self.run("--armor", "--export", key))
        return file

    def revoke(self, key: str) -> None:
        """With the certificate that gpg made for such a day."""
        certificate = self.home / "openpgp-revocs.d" / f"{key}.rev"
        text = certificate.read_text().replace(":-----BEGIN", "-----BEGIN")
        certificate.write_text(text)
        self.run("--import", str(certificate))

    def sign(self, repository: Path, key: str, *words: str, day: str | None = None) -> str:
        """Make the newest revision anew, signed; or run *words*, which sign."""
        program = self.home / "gpg-of-tests"
        then = f"--faked-system-time {day} " if day else ""
        program.write_text(f'#!/bin/sh\nexec gpg {then}--homedir {self.home} "$@"\n')
        program.chmod(0o755)
        return _sign(
            repository,
            words,
            **{"gpg.format": "openpgp", "user.signingkey": key, "gpg.program": str(program)},
        )

    def run(self, *words: str) -> str:
        """gpg in this home."""
        done = subprocess.run(
            ["gpg", "--homedir", str(self.home), "--batch", "--yes", *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout


@contextmanager
def gpg_home(folder: Path) -> Iterator[Gpg]:
    """An empty one; its agent ends with it."""
    folder.mkdir(mode=0o700)
    try:
        yield Gpg(folder)
    finally:
        subprocess.run(
            ["gpgconf", "--kill", "gpg-agent"],
            env={**os.environ, "GNUPGHOME": str(folder)},
            check=False,
        )
