"""Whose signatures count, asked on every fetch."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.source.git import GitSource
from reconciler.source.signatures import Verification
from reconciler.source.wanted import Head, Tag, Wanted
from tests.source.repository import MANIFEST, commit, git, make_repository
from tests.source.signing import Gpg, allowed_signers, gpg_home, sign_with_ssh, ssh_key

HEAD = Head()
LONG_AGO = "20200101T000000"


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder with a name that is short enough for the socket of an agent."""
    with tempfile.TemporaryDirectory(prefix="vs-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def ann(short: Path) -> Path:
    """Ann's ssh key."""
    return ssh_key(short, "ann")


@pytest.fixture(scope="module")
def eve(short: Path) -> Path:
    """Eve's ssh key."""
    return ssh_key(short, "eve")


@dataclass(frozen=True)
class Keys:
    """OpenPGP keys: fingerprints, and files with the public keys."""

    gpg: Gpg
    good: str
    stranger: str
    expired: str
    revoked: str
    files: Path


@pytest.fixture(scope="module")
def keys(short: Path) -> Iterator[Keys]:
    """One of each kind; the stranger's public key is in none of the files."""
    files = short / "keys"
    files.mkdir()
    with gpg_home(short / "gnupg") as gpg:
        found = Keys(
            gpg=gpg,
            good=gpg.make("ann"),
            stranger=gpg.make("eve"),
            expired=gpg.make("old", day=LONG_AGO, lasts="5d"),
            revoked=gpg.make("rex"),
            files=files,
        )
        gpg.export(found.good, files / "ann.asc")
        gpg.export(found.expired, files / "old.asc")
        gpg.export(found.revoked, files / "rex.asc")
        yield found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One manifest in one revision that nobody signed."""
    path = make_repository(tmp_path / "desired")
    commit(path, {"manifests/web01.yaml": MANIFEST})
    return path


@pytest.fixture
def allowed(tmp_path: Path, ann: Path) -> Path:
    """Ann, and nobody else."""
    return allowed_signers(tmp_path / "allowed", ("ann@example.org", "", ann))


def source(
    repository: Path,
    *,
    ssh: Path | None = None,
    openpgp: Path | None = None,
    wanted: Wanted = HEAD,
) -> GitSource:
    return GitSource(repository, wanted=wanted, accepted=Verification(ssh=ssh, openpgp=openpgp))


def refusal(found: GitSource) -> str:
    with pytest.raises(SourceError) as caught:
        found.fetch()
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_a_revision_signed_by_an_allowed_ssh_key_is_accepted_with_its_signer(
    repository: Path, ann: Path, allowed: Path
) -> None:
    revision = sign_with_ssh(repository, ann)

    fetched = source(repository, ssh=allowed).fetch()

    assert fetched.revision == revision
    assert re.fullmatch(r"ann@example\.org \(SHA256:\S+\)", fetched.signed_by or "")


def test_what_nobody_asked_to_verify_has_no_signer(repository: Path, ann: Path) -> None:
    sign_with_ssh(repository, ann)

    assert GitSource(repository).fetch().signed_by is None


def test_an_unsigned_revision_is_refused(repository: Path, allowed: Path) -> None:
    revision = git(repository, "rev-parse", "HEAD")

    message = refusal(source(repository, ssh=allowed))

    assert message == f"cannot accept revision {revision[:12]}: it is not signed"


def test_an_unknown_ssh_key_is_refused_by_its_fingerprint(
    repository: Path, eve: Path, allowed: Path
) -> None:
    sign_with_ssh(repository, eve)

    assert re.search(
        r"signed with the SSH key SHA256:\S+, which \S+/allowed does not list$",
        refusal(source(repository, ssh=allowed)),
    )


def test_an_ssh_key_of_another_time_is_refused(repository: Path, ann: Path, tmp_path: Path) -> None:
    sign_with_ssh(repository, ann)
    then = allowed_signers(tmp_path / "then", ("ann@x", 'valid-before="20200101Z"', ann))

    assert "lists, but not for that time" in refusal(source(repository, ssh=then))


def test_an_ssh_key_for_something_else_than_git_is_refused(
    repository: Path, ann: Path, tmp_path: Path
) -> None:
    sign_with_ssh(repository, ann)
    files = allowed_signers(tmp_path / "files", ("ann@x", 'namespaces="file"', ann))

    message = refusal(source(repository, ssh=files))

    assert message.startswith("cannot accept revision ")
    assert "namespace" in message


def test_a_message_that_quotes_a_signature_does_no_harm(
    repository: Path, ann: Path, allowed: Path
) -> None:
    quoted = "as in\n\n-----BEGIN PGP SIGNATURE-----\nx\n-----BEGIN SSH SIGNATURE-----\nx"
    sign_with_ssh(repository, ann, "commit", "-q", "--amend", "-S", "-m", quoted)

    assert source(repository, ssh=allowed).fetch().signed_by


def test_an_ssh_key_that_has_run_out_cannot_sign_for_the_past(
    repository: Path, ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = allowed_signers(tmp_path / "then", ("ann@x", 'valid-before="20200101Z"', ann))
    sign_with_ssh(
        repository, ann,
        "-c", "core.hooksPath=/dev/null", "commit", "-q", "--amend", "--no-edit", "-S",
    )  # fmt: skip
    raw = git(repository, "cat-file", "commit", "HEAD")
    payload = re.sub(r"gpgsig .*?-----END SSH SIGNATURE-----\n", "", raw, flags=re.DOTALL)
    payload = re.sub(r"(committer .*> )\d+", r"\g<1>1500000000", payload) + "\n"
    _replace_head(repository, payload, ann)

    message = refusal(source(repository, ssh=then))

    assert "signed by ann@x" in message
    assert "whose key is not valid today" in message


def _replace_head(repository: Path, payload: str, key: Path) -> None:
    """Sign *payload* by hand: git would write the time of day into it."""
    import subprocess

    (repository / "payload").write_text(payload)
    subprocess.run(
        [
            "ssh-keygen",
            "-q",
            "-Y",
            "sign",
            "-n",
            "git",
            "-f",
            str(key),
            str(repository / "payload"),
        ],
        check=True,
        capture_output=True,
    )
    signature = (repository / "payload.sig").read_text().strip().replace("\n", "\n ")
    head, _, rest = payload.partition("\n\n")
    (repository / "whole").write_text(f"{head}\ngpgsig {signature}\n\n{rest}")
    name = git(repository, "hash-object", "-t", "commit", "-w", "whole")
    git(repository, "reset", "-q", "--soft", name)


def test_a_signature_of_something_else_is_bad(repository: Path, ann: Path, allowed: Path) -> None:
    sign_with_ssh(repository, ann)
    raw = git(repository, "cat-file", "commit", "HEAD")
    (repository / "whole").write_text(raw.replace("manifests", "mischief") + "\n")
    git(
        repository,
        "reset",
        "-q",
        "--soft",
        git(repository, "hash-object", "-t", "commit", "-w", "whole"),
    )

    assert "its signature does not hold" in refusal(source(repository, ssh=allowed))


def test_a_second_signature_is_refused_whoever_made_it(
    repository: Path, ann: Path, eve: Path, allowed: Path
) -> None:
    sign_with_ssh(repository, eve)
    strange = git(repository, "cat-file", "commit", "HEAD")
    sign_with_ssh(repository, ann)
    raw = git(repository, "cat-file", "commit", "HEAD")
    second = strange[strange.index("gpgsig ") : strange.index("\n\n")]
    (repository / "whole").write_text(raw.replace("\n\n", f"\n{second}\n\n", 1) + "\n")
    name = git(repository, "hash-object", "-t", "commit", "-w", "whole")
    git(repository, "reset", "-q", "--soft", name)

    assert "it bears several signatures" in refusal(source(repository, ssh=allowed))


def test_it_is_asked_again_for_the_same_revision(
    repository: Path, ann: Path, eve: Path, allowed: Path
) -> None:
    sign_with_ssh(repository, ann)
    found = source(repository, ssh=allowed)
    found.fetch()

    allowed_signers(allowed, ("eve@example.org", "", eve))

    assert "does not list" in refusal(found)


def test_the_repository_cannot_choose_who_verifies(
    repository: Path, eve: Path, allowed: Path, tmp_path: Path
) -> None:
    sign_with_ssh(repository, eve)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\necho 'Good \"git\" signature'\n")
    trap.chmod(0o755)
    own = allowed_signers(tmp_path / "own", ("ann@example.org", "", eve))
    for key in ("gpg.program", "gpg.openpgp.program", "gpg.ssh.program", "gpg.x509.program"):
        git(repository, "config", key, str(trap))
    git(repository, "config", "gpg.ssh.allowedSignersFile", str(own))
    git(repository, "config", "core.fsmonitor", str(trap))

    assert "does not list" in refusal(source(repository, ssh=allowed))
    assert not (tmp_path / "sprung").exists()


def test_a_replaced_object_does_not_vouch_for_another(
    repository: Path, ann: Path, allowed: Path
) -> None:
    signed = sign_with_ssh(repository, ann)
    unsigned = commit(repository, {"manifests/web02.yaml": MANIFEST})
    git(repository, "replace", unsigned, signed)

    assert "is not signed" in refusal(source(repository, ssh=allowed))


def test_a_missing_file_of_signers_is_an_error(repository: Path, ann: Path, tmp_path: Path) -> None:
    sign_with_ssh(repository, ann)

    message = refusal(source(repository, ssh=tmp_path / "absent"))

    assert "cannot read whose signatures count" in message


@pytest.mark.parametrize("many", [False, True], ids=["file", "folder"])
def test_a_revision_signed_by_an_openpgp_key_is_accepted(
    repository: Path, keys: Keys, *, many: bool
) -> None:
    keys.gpg.sign(repository, keys.good)

    found = source(repository, openpgp=keys.files if many else keys.files / "ann.asc")

    assert found.fetch().signed_by == f"ann <ann@x> ({keys.good})"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("stranger", "it is signed with the OpenPGP key {id}, which is not in {files}"),
        ("expired", "it is signed by old <old@x> ({id}), whose key has expired"),
        ("revoked", "it is signed by rex <rex@x> ({id}), whose key was revoked"),
    ],
)
def test_an_openpgp_key_that_does_not_count_is_refused(
    repository: Path, keys: Keys, who: str, why: str
) -> None:
    key = getattr(keys, who)
    keys.gpg.sign(repository, key, day=LONG_AGO if who == "expired" else None)
    if who == "revoked":
        keys.gpg.revoke(key)
        keys.gpg.export(key, keys.files / "rex.asc")

    message = refusal(source(repository, openpgp=keys.files))

    assert message.endswith(why.format(id=key[-16:], files=keys.files))


def test_an_openpgp_signature_of_something_else_is_bad(repository: Path, keys: Keys) -> None:
    keys.gpg.sign(repository, keys.good)
    raw = git(repository, "cat-file", "commit", "HEAD")
    (repository / "whole").write_text(raw.replace("\n\nmanifests", "\n\nmischief") + "\n")
    git(
        repository,
        "reset",
        "-q",
        "--soft",
        git(repository, "hash-object", "-t", "commit", "-w", "whole"),
    )

    assert "its signature, in the name of ann <ann@x>" in refusal(
        source(repository, openpgp=keys.files)
    )


def test_the_other_kind_of_key_does_not_count(
    repository: Path, ann: Path, allowed: Path, keys: Keys
) -> None:
    sign_with_ssh(repository, ann)
    assert "only OpenPGP keys count" in refusal(source(repository, openpgp=keys.files))
    assert source(repository, openpgp=keys.files, ssh=allowed).fetch().signed_by

    keys.gpg.sign(repository, keys.good)
    assert "only SSH keys count" in refusal(source(repository, ssh=allowed))


def test_what_holds_no_keys_is_an_error(repository: Path, keys: Keys, tmp_path: Path) -> None:
    keys.gpg.sign(repository, keys.good)
    (tmp_path / "none").mkdir()
    assert "there is no file in it" in refusal(source(repository, openpgp=tmp_path / "none"))

    (tmp_path / "none/readme").write_text("no key")
    assert "something else than" in refusal(source(repository, openpgp=tmp_path / "none"))


def test_a_signed_tag_vouches_for_what_it_names(repository: Path, ann: Path, allowed: Path) -> None:
    revision = sign_with_ssh(repository, ann, "tag", "-s", "-m", "one", "v1")

    fetched = source(repository, ssh=allowed, wanted=Tag("v1")).fetch()

    assert fetched.revision == revision
    assert (fetched.signed_by or "").startswith("ann@example.org ")


def test_a_tag_that_is_not_signed_vouches_for_nothing(
    repository: Path, ann: Path, allowed: Path
) -> None:
    git(repository, "tag", "-a", "-m", "one", "v1")
    assert "is not signed" in refusal(source(repository, ssh=allowed, wanted=Tag("v1")))

    sign_with_ssh(repository, ann)
    git(repository, "tag", "-f", "v1")
    assert source(repository, ssh=allowed, wanted=Tag("v1")).fetch().signed_by


def test_a_tag_signed_by_a_stranger_is_refused_though_the_revision_is_good(
    repository: Path, ann: Path, eve: Path, allowed: Path
) -> None:
    sign_with_ssh(repository, ann)
    sign_with_ssh(repository, eve, "tag", "-s", "-m", "one", "v1")

    assert "cannot accept tag v1: " in refusal(source(repository, ssh=allowed, wanted=Tag("v1")))


def test_a_signed_tag_under_another_name_is_refused(
    repository: Path, ann: Path, allowed: Path
) -> None:
    sign_with_ssh(repository, ann, "tag", "-s", "-m", "one", "v1")
    git(repository, "update-ref", "refs/tags/v2", "refs/tags/v1")

    assert "what was signed is tag v1" in refusal(source(repository, ssh=allowed, wanted=Tag("v2")))
