"""Where ``run`` takes its manifests from: options, config file, and what contradicts itself."""

import threading
from pathlib import Path

import pytest

from reconciler.cli.options import Options
from reconciler.cli.run_source import SourceValues, source_of
from reconciler.errors import SourceError
from reconciler.source.remote import RemoteSource
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host
from tests.source.repository import commit, git, make_repository
from tests.source.serving import SshStandIn
from tests.source.signing import allowed_signers, sign_with_ssh, ssh_key


@pytest.fixture
def repository(virtsnap: Command, tmp_path: Path) -> Path:
    """A host with a domain, and a repository that declares a snapshot of it."""
    virtsnap.host = host(domain("web01", vda="base"))
    path = make_repository(tmp_path / "repository")
    commit(path, {"manifests/web01.yaml": manifest("web01", "s1")})
    return path


def is_taken(virtsnap: Command, name: str = "s1") -> bool:
    return virtsnap.host.observe().domains[0].record(name) is not None


def configure(tmp_path: Path, text: str) -> None:
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc" / "virtsnap.yaml").write_text(text)


def test_everything_can_be_in_the_config_file(
    virtsnap: Command, repository: Path, tmp_path: Path
) -> None:
    key = ssh_key(tmp_path, "ann")
    allowed = allowed_signers(tmp_path / "allowed", ("ann@example.org", "", key))
    commit(repository, {"wanted/web01.yaml": manifest("web01", "s2")})
    git(repository, "tag", "v1")
    configure(
        tmp_path,
        f"source: file://{repository}\ntag: v1\npath: wanted\nverify-ssh: {allowed}\n",
    )
    refused = virtsnap("run", "--once")
    assert refused.code == 1
    assert "it is not signed" in refused.err

    sign_with_ssh(repository, key)
    git(repository, "tag", "-f", "v1")

    assert virtsnap("run", "--once").code == 0
    assert is_taken(virtsnap, "s2")


def test_a_source_in_the_config_file_may_have_a_name_of_its_own(
    virtsnap: Command, repository: Path, tmp_path: Path
) -> None:
    configure(tmp_path, f"source: {{url: {repository}, id: my-snapshots}}\n")

    assert virtsnap("run", "--once").code == 0
    ledger = virtsnap.host.observe().domains[0].ledger
    assert ledger is not None
    assert {entry.source for entry in ledger.entries} == {"my-snapshots"}


def test_a_name_alone_leaves_the_folder_of_manifests(
    virtsnap: Command, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, "source: {id: my-snapshots}\n")
    monkeypatch.chdir(repository)

    assert virtsnap("run", "--once").code == 0
    assert is_taken(virtsnap)


def test_a_source_elsewhere_keeps_its_clone_in_the_state_folder(tmp_path: Path) -> None:
    options = Options(state_dir=tmp_path / "state")
    found = source_of(SourceValues(source="git@h:a.git", path="x/y"), options, threading.Event())

    assert isinstance(found, RemoteSource)
    assert found.id == "ssh://h/a//x/y"
    with pytest.raises(SourceError):
        found.fetch()
    assert (tmp_path / "state" / "sources").is_dir()


def test_a_repository_elsewhere_is_applied_and_when_it_goes_nothing_is(
    virtsnap: Command, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = SshStandIn(tmp_path / "bin")
    stand_in.folder.mkdir()
    monkeypatch.setenv("PATH", stand_in.put_first())
    arguments = ("run", "--once", "--source", f"git@h:{repository}")

    assert virtsnap(*arguments).code == 0
    assert is_taken(virtsnap)
    ledger = virtsnap.host.observe().domains[0].ledger
    assert ledger is not None
    assert {entry.source for entry in ledger.entries} == {f"ssh://h{repository}//manifests"}

    repository.rename(tmp_path / "gone")
    result = virtsnap(*arguments)
    assert result.code == 1
    assert result.err.startswith("cannot fetch ssh://h/")
    assert "hint: git ls-remote" in result.err
    assert is_taken(virtsnap)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--branch", "main", "--tag", "v1"), "cannot use --branch and --tag together"),
        (("--tag", "v1", "--revision", "a" * 40), "cannot use --tag and --revision together"),
        (("--branch", "-x"), "cannot use branch '-x'"),
        (("--tag", "a b"), "cannot use tag 'a b'"),
        (("--revision", "HEAD"), "it is not a full hash"),
        (("--source-token-file", "t"), "{source} is on this machine"),
        (("--source-ssh-key", "k"), "{source} is on this machine"),
        (("--source", "http://h/a"), "http:// is not supported"),
        (("--source", "ext::x"), "would run a command"),
        (("--source", "https://h/a", "--source-ssh-key", "k"), "it is for ssh"),
        (("--source", "git@h:a", "--source-token-file", "t"), "it is for https"),
        (("--source", "https://a:hunter2@h/a", "--source-token-file", "t"), "holds a password"),
        (("--source", "https://h/a", "--source-timeout", "soon"), "--source-timeout"),
    ],
)
def test_what_contradicts_itself_is_bad_usage(
    virtsnap: Command, repository: Path, arguments: tuple[str, ...], why: str
) -> None:
    result = virtsnap("run", "--once", "--source", str(repository), *arguments)

    assert result.code == 64, result
    assert why.format(source=repository) in result.err
    assert "hint: " in result.err
    assert "hunter2" not in result.err
    assert not virtsnap.opened


@pytest.mark.parametrize(
    "arguments",
    [
        *(("--branch", "main"), ("--tag", "v1"), ("--revision", "a" * 40), ("--path", "x")),
        *(("--verify-ssh", "signers"), ("--verify-openpgp", "keys")),
    ],
)
@pytest.mark.parametrize("is_named", [False, True])
def test_a_plain_folder_refuses_by_name_what_only_a_repository_has(
    virtsnap: Command, tmp_path: Path, arguments: tuple[str, str], *, is_named: bool
) -> None:
    named = ("--source", str(tmp_path)) if is_named else ()

    result = virtsnap("run", "--once", *named, *arguments)

    assert result.code == 64
    assert f"cannot use {arguments[0]}: " in result.err
    assert "is not a git repository" in result.err


def test_a_single_file_is_no_source(virtsnap: Command, tmp_path: Path) -> None:
    (tmp_path / "web01.yaml").write_text(manifest("web01", "s1"))

    result = virtsnap("run", "--once", "--source", str(tmp_path / "web01.yaml"))

    assert result.code == 64
    assert "it is a file, and no repository or folder" in result.err


def test_a_path_that_is_not_there_yet_may_become_a_repository_and_stays_one(
    virtsnap: Command, repository: Path, tmp_path: Path
) -> None:
    place = tmp_path / "later"
    found = source_of(SourceValues(source=str(place)), Options(), threading.Event())
    with pytest.raises(SourceError, match="there is no such folder or repository"):
        found.fetch()
    assert found.mark() is None

    place.mkdir()  # where it will be mounted
    assert found.fetch().files == ()
    place.rmdir()
    repository.rename(place)
    assert [file.name for file in found.fetch().files] == ["manifests/web01.yaml"]
    assert found.id == f"{place}/manifests"

    (place / ".git").rename(tmp_path / "gone")
    with pytest.raises(SourceError, match="not a git repository"):
        found.fetch()
