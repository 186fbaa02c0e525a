"""A look at one signature that nothing but virtsnap has a say in, and the words when it fails."""

import subprocess
import zlib
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from reconciler.errors import SourceError
from reconciler.source.command import Late, Said, run_git
from reconciler.source.objects import GitObject

#: Seconds for one run of git, ssh-keygen or gpg: none of them needs the network.
_LIMIT = 30.0
_PACKAGES = {"gpg": "gnupg", "ssh-keygen": "openssh-client"}


def not_accepted(subject: str, cause: str, *, hint: str | None = None) -> SourceError:
    """What keeps *subject* from counting."""
    return SourceError(
        f"cannot accept {subject}: {cause}",
        hint=hint or "git log -1 --show-signature; what is in force stays until a good one comes",
    )


def verified(
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


def run_tool(words: list[str], given: bytes = b"") -> Said:
    """ssh-keygen or gpg, which ask nobody."""
    try:
        done = subprocess.run(words, input=given, capture_output=True, timeout=_LIMIT, check=False)
    except FileNotFoundError as error:
        raise missing(words[0]) from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"cannot verify signatures: {words[0]} does not answer") from error
    return Said(
        code=done.returncode,
        out=done.stdout.decode(errors="replace"),
        err=done.stderr.decode(errors="replace"),
    )


def check_readable(path: Path) -> None:
    """``SourceError`` unless whose signatures count can be read."""
    try:
        if path.is_dir():
            return
        with path.open("rb"):
            pass
    except OSError as error:
        raise unreadable(path, (error.strerror or str(error)).lower()) from error


def unreadable(path: Path, cause: str) -> SourceError:
    """Whose signatures count is not known."""
    return SourceError(
        f"cannot read whose signatures count, in {path}: {cause}",
        hint=f"ls -l {quote(str(path))}",
    )


def last_said(said: Said) -> str:
    """The line that says most: the tools end with the cause."""
    lines = [line.strip() for line in said.err.splitlines() if line.strip()]
    plain = [line for line in lines if not line.startswith("[GNUPG:]")]
    return ["git does not say why", *lines, *plain][-1][:300].rstrip(".")


def missing(program: str) -> SourceError:
    """A program that does the sums."""
    return SourceError(
        f"cannot verify signatures: {program} is not installed",
        hint=f"apt install {_PACKAGES[program]}",
    )
