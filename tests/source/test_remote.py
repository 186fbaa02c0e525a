"""A git repository elsewhere as source: https from a real server, ssh by a stand-in, which is quicker."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import SourceError
from reconciler.model.manifest_file import ManifestFile
from reconciler.source import clone as clones
from reconciler.source.address import RemoteAddress, address_of
from reconciler.source.credentials import Credentials
from reconciler.source.remote import RemoteSettings, RemoteSource
from reconciler.source.signatures import Verification
from reconciler.source.wanted import Branch, Head, Revision, Tag, Wanted
from tests.source.repository import MANIFEST, commit, git, make_repository
from tests.source.serving import GitServer, SshStandIn
from tests.source.signing import allowed_signers, sign_with_ssh, ssh_key

WEB01 = ManifestFile("manifests/web01.yaml", MANIFEST.encode())
HEAD = Head()
NOTHING = Credentials()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One manifest in one revision, where the server finds it."""
    path = make_repository(tmp_path / "srv" / "desired")
    commit(path, {"manifests/web01.yaml": MANIFEST, "README.md": "hello"})
    return path


def source(
    url: str,
    folder: Path,
    *,
    wanted: Wanted = HEAD,
    credentials: Credentials = NOTHING,
    limit: float = 20.0,
    stop: threading.Event | None = None,
    accepted: Verification | None = None,
) -> RemoteSource:
    address = address_of(url)
    assert isinstance(address, RemoteAddress)
    settings = RemoteSettings(
        clones=folder / "state" / "sources",
        credentials=credentials,
        limit=limit,
        stop=stop or threading.Event(),
    )
    return RemoteSource(address, settings, wanted=wanted, accepted=accepted)


def refusal(found: RemoteSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        found.fetch()
    assert "\n" not in caught.value.message
    return caught.value


def the_clone(folder: Path) -> Path:
    (found,) = [path for path in (folder / "state" / "sources").iterdir() if path.is_dir()]
    return found


def test_a_repository_is_read_by_https_and_every_new_revision(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    found = source(f"{server.url}/desired", tmp_path)
    first = found.fetch()
    assert first.files == (WEB01,)
    assert first.revision == git(repository, "rev-parse", "HEAD")

    second = commit(repository, {"manifests/web02.yaml": MANIFEST})
    assert found.fetch().revision == second

    # a force-push is what the branch is now
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    assert found.fetch() == first


def test_it_is_known_by_the_address_and_the_path_inside(tmp_path: Path) -> None:
    assert source("https://ann:pw@h/a.git", tmp_path).id == "https://h/a//manifests"


def test_the_clone_is_bare_shallow_and_for_us_alone(
    ssh: SshStandIn, repository: Path, tmp_path: Path
) -> None:
    commit(repository, {"manifests/web02.yaml": MANIFEST})
    source(f"git@h:{repository}", tmp_path).fetch()
    clone = the_clone(tmp_path)

    assert git(clone, "rev-list", "--count", "refs/virtsnap/fetched") == "1"
    assert not list(clone.rglob("web01.yaml"))
    assert not (clone / "hooks").exists()
    assert clone.parent.stat().st_mode & 0o077 == 0


def test_branches_tags_and_revisions_can_be_followed(
    ssh: SshStandIn, repository: Path, tmp_path: Path
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "plain")
    git(repository, "tag", "-a", "-m", "x", "annotated")
    git(repository, "checkout", "-q", "-b", "next")
    second = commit(repository, {"manifests/web02.yaml": MANIFEST})
    url = f"git@h:{repository}"

    assert source(url, tmp_path, wanted=Branch("main")).fetch().revision == first
    assert source(url, tmp_path, wanted=Branch("next")).fetch().revision == second
    assert source(url, tmp_path, wanted=Tag("plain")).fetch().revision == first
    assert source(url, tmp_path, wanted=Tag("annotated")).fetch().revision == first
    assert source(url, tmp_path, wanted=Revision(first)).fetch().revision == first


@pytest.mark.parametrize("wanted", [Branch("no"), Tag("no"), Revision("a" * 40)])
def test_what_is_not_there_is_an_error(
    server: GitServer, repository: Path, tmp_path: Path, wanted: Wanted
) -> None:
    error = refusal(source(f"{server.url}/desired", tmp_path, wanted=wanted))

    assert ": there is no " in error.message
    assert error.hint == f"git ls-remote -- {server.url}/desired"


def test_a_repository_without_a_revision_is_an_error(server: GitServer, tmp_path: Path) -> None:
    make_repository(server.root / "empty")

    assert "it has no revision yet" in refusal(source(f"{server.url}/empty", tmp_path)).message


def test_a_missing_folder_is_an_error(ssh: SshStandIn, repository: Path, tmp_path: Path) -> None:
    git(repository, "rm", "-r", "-q", "manifests")
    commit(repository, {})

    assert "no folder manifests" in refusal(source(f"git@h:{repository}", tmp_path)).message


@pytest.mark.parametrize("pinned", [False, True])
def test_a_repository_that_has_gone_is_an_error_though_there_is_a_clone(
    server: GitServer, repository: Path, tmp_path: Path, *, pinned: bool
) -> None:
    wanted = Revision(git(repository, "rev-parse", "HEAD")) if pinned else HEAD
    found = source(f"{server.url}/desired", tmp_path, wanted=wanted)
    assert found.fetch().files
    shutil.rmtree(repository)

    error = refusal(found)

    assert error.message.endswith("there is no such repository, or we may not see it")


def _truncate(clone: Path) -> None:
    for pack in (clone / "objects/pack").iterdir():
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])


def _leave_a_lock(clone: Path) -> None:
    (clone / "shallow.lock").write_text("")
    (clone / "refs/virtsnap/fetched.lock").write_text("")


def _make_a_file(clone: Path) -> None:
    shutil.rmtree(clone)
    clone.write_text("no folder")


def _lead_elsewhere(clone: Path) -> None:
    shutil.rmtree(clone)
    clone.symlink_to(clone.parent.parent.parent / "srv")


@pytest.mark.parametrize(
    "damage",
    [
        lambda clone: (clone / "config").write_text("garbage ["),
        lambda clone: shutil.rmtree(clone / "objects"),
        lambda clone: (clone / "refs/virtsnap/fetched").write_text("garbage"),
        *(_truncate, _leave_a_lock, _make_a_file, _lead_elsewhere),
    ],
    ids=["config", "objects", "ref", "packs", "locks", "file", "link"],
)
def test_a_damaged_clone_is_made_anew_and_nothing_else_is_touched(
    ssh: SshStandIn, repository: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    found = source(f"git@h:{repository}", tmp_path)
    whole = found.fetch()
    clone = the_clone(tmp_path)
    damage(clone)

    assert found.fetch() == whole
    assert the_clone(tmp_path) == clone
    assert git(repository, "status", "--porcelain") == ""


def test_a_clone_of_many_fetches_is_made_anew(
    ssh: SshStandIn, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "_MOST_PACKS", 1)
    found = source(f"git@h:{repository}", tmp_path)
    for number in range(3):
        revision = commit(repository, {"manifests/web01.yaml": f"{MANIFEST}# {number}\n"})
        assert found.fetch().revision == revision

    assert len(list((tmp_path / "state").rglob("*.pack"))) <= 1


def test_a_token_is_given_to_the_server_and_shown_to_nobody(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    server.manners.login = "x-access-token:hunter2"
    token = tmp_path / "token"
    token.write_text("hunter2\n")
    token.chmod(0o600)
    url = f"{server.url}/desired"
    assert "does not accept our credentials" in refusal(source(url, tmp_path)).message

    found = source(url, tmp_path, credentials=Credentials(token_file=token))
    assert found.fetch().files == (WEB01,)

    token.write_text("hunter3\n")
    error = refusal(found)
    assert error.message.endswith("the server does not accept our credentials")
    assert "--source-token-file" in (error.hint or "")
    assert "hunter" not in error.message + (error.hint or "")
    kept = b"".join(p.read_bytes() for p in (tmp_path / "state").rglob("*") if p.is_file())
    assert b"hunter" not in kept


def test_a_token_is_not_on_a_command_line(
    server: GitServer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    real = shutil.which("git")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{seen}\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    server.manners.login = "ann:hunter2"

    source(server.url.replace("//", "//ann:hunter2@") + "/desired", tmp_path).fetch()

    words = seen.read_text()
    assert "fetch" in words
    assert "hunter2" not in words
    assert "ann" not in words


def test_a_token_does_not_follow_a_redirection(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hunter2")
    token.chmod(0o600)
    server.manners.elsewhere = server.url
    found = source(f"{server.url}/desired", tmp_path, credentials=Credentials(token_file=token))

    error = refusal(found)

    assert "sends us to another address" in error.message
    assert len(server.manners.told) == 1


def test_a_redirection_to_plain_http_is_not_followed(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    server.manners.elsewhere = "http://localhost:1"

    assert "to another address" in refusal(source(f"{server.url}/desired", tmp_path)).message


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (None, 0o600, "no such file or directory"),
        ("token", 0o644, "others may read it"),
        ("token", 0o640, "others may read it"),
        ("", 0o600, "one line with nothing but the token"),
        ("a\nb", 0o600, "one line with nothing but the token"),
        ("ä", 0o600, "it is not ascii"),
    ],
)
def test_a_token_that_cannot_be_used_is_an_error(
    tmp_path: Path, content: str | None, mode: int, why: str
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
        token.chmod(mode)

    error = refusal(source("https://h/a", tmp_path, credentials=Credentials(token_file=token)))

    assert why in error.message
    assert error.hint


def test_a_certificate_that_nobody_vouches_for_is_an_error(
    server: GitServer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    # what somebody once exported for another program does not count
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")

    error = refusal(source(f"{server.url}/desired", tmp_path))

    assert error.message.endswith("the certificate of the server is not trusted")
    assert "sslCAInfo" in (error.hint or "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://localhost:1/a", "the server cannot be reached"),
        ("https://no-such-server.invalid/a", "there is no server of this name"),
    ],
)
def test_a_server_that_is_not_there_is_an_error(tmp_path: Path, url: str, why: str) -> None:
    error = refusal(source(url, tmp_path))

    assert why in error.message
    assert error.hint


def test_a_server_that_falls_silent_is_given_up_on(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    server.manners.silence = threading.Event()

    error = refusal(source(f"{server.url}/desired", tmp_path, limit=0.5))

    assert error.message.endswith("it took longer than 0.5 seconds")
    assert "--source-timeout" in (error.hint or "")


def test_a_fetch_under_way_ends_with_virtsnap(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    server.manners.silence = threading.Event()
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()

    error = refusal(source(f"{server.url}/desired", tmp_path, limit=60, stop=stop))

    timer.join()
    assert error.message.endswith("virtsnap is about to end")


def test_two_at_once_take_turns(ssh: SshStandIn, repository: Path, tmp_path: Path) -> None:
    found = [source(f"git@h:{repository}", tmp_path) for _ in range(3)]
    seen: list[object] = []
    threads = [threading.Thread(target=lambda s=s: seen.append(s.fetch().files)) for s in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == [(WEB01,)] * 3


def test_the_environment_of_a_hook_does_not_mislead(
    server: GitServer, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git/objects"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.sslVerify")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "false")

    assert source(f"{server.url}/desired", tmp_path).fetch().files == (WEB01,)
    assert not list((other / ".git/objects").rglob("*.pack"))


def test_what_is_fetched_must_be_signed(ssh: SshStandIn, repository: Path, tmp_path: Path) -> None:
    ann = ssh_key(tmp_path, "ann")
    allowed = allowed_signers(tmp_path / "allowed", ("ann@example.org", "", ann))
    sign_with_ssh(repository, ann)
    found = source(f"git@h:{repository}", tmp_path, accepted=Verification(ssh=allowed))
    assert (found.fetch().signed_by or "").startswith("ann@example.org ")

    git(repository, "commit", "-q", "--amend", "--no-edit")

    assert "it is not signed" in refusal(found).message


def test_a_repository_is_read_by_ssh(ssh: SshStandIn, repository: Path, tmp_path: Path) -> None:
    key = ssh_key(tmp_path, "key with %h")
    known = tmp_path / "known hosts"
    known.write_text("")
    credentials = Credentials(ssh_key=key, known_hosts=known)

    fetched = source(f"git@h:{repository}", tmp_path, credentials=credentials).fetch()

    assert fetched.files == (WEB01,)
    asked = ssh.arguments
    assert {"-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes"} <= set(asked)
    assert f'-oUserKnownHostsFile="{known}"' in asked
    assert f'-oIdentityFile="{str(key).replace("%", "%%")}"' in asked
    options = [word for word in asked if word.startswith("-o") and word != "-o"]
    shown = subprocess.run(
        ["/usr/bin/ssh", "-G", *options, "h"], capture_output=True, text=True, check=True
    ).stdout
    # the real one understands them as they are meant
    assert f"userknownhostsfile {known}\n" in shown
    assert f"identityfile {str(key).replace('%', '%%')}\n" in shown
    assert "stricthostkeychecking true\n" in shown


#: Word for word from OpenSSH 9.2.
_SAYINGS = [
    (
        "No ED25519 host key is known for h and you have requested strict checking.\n",
        "the host key of the server is not known",
        "ssh-keyscan h",
    ),
    (
        "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.\n",
        "the server shows another host key than the known one",
        "ssh-keygen -R h",
    ),
    (
        "git@h: Permission denied (publickey,keyboard-interactive).\n",
        "the server does not accept our credentials",
        "--source-ssh-key FILE",
    ),
    (
        "fatal: '/x' does not appear to be a git repository\n",
        "there is no such repository, or we may not see it",
        "git ls-remote -- git@h:/x",
    ),
    (
        "fatal: detected dubious ownership in repository at '/x'\n",
        "belongs to another user than the one who reads it",
        "safe.directory",
    ),
    (
        "ssh: connect to host h port 22: Connection timed out\n",
        "the server cannot be reached",
        "git ls-remote",
    ),
]


@pytest.mark.parametrize(("said", "why", "hint"), _SAYINGS, ids=lambda text: text[:20].strip())
def test_what_ssh_complains_of_ends_in_one_line_and_a_hint(
    ssh: SshStandIn, tmp_path: Path, said: str, why: str, hint: str
) -> None:
    ssh.says(said + "fatal: Could not read from remote repository.\n")

    error = refusal(source("git@h:/x", tmp_path))

    assert error.message.startswith("cannot fetch ssh://h/x: ")
    assert why in error.message
    assert hint in (error.hint or "")


def test_a_server_that_says_strange_things_is_told_in_one_line(
    ssh: SshStandIn, tmp_path: Path
) -> None:
    ssh.says("remote: Permission denied (\nfatal: " + "x" * 5000 + "\n")

    error = refusal(source("git@h:/x", tmp_path))

    assert error.message == f"cannot fetch ssh://h/x: {'x' * 300}"


@pytest.mark.parametrize(("mode", "why"), [(None, "no such file"), (0o644, "others may read it")])
def test_an_ssh_key_that_cannot_be_used_is_an_error(
    ssh: SshStandIn, tmp_path: Path, mode: int | None, why: str
) -> None:
    key = tmp_path / "key"
    if mode is not None:
        key.write_text("key")
        key.chmod(mode)

    error = refusal(source("git@h:/x", tmp_path, credentials=Credentials(ssh_key=key)))

    assert why in error.message
    assert error.hint


def test_a_state_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")

    error = refusal(source("https://h/a", tmp_path))

    assert "cannot write" in error.message
    assert error.hint


def test_a_repository_with_sha256_is_named(ssh: SshStandIn, tmp_path: Path) -> None:
    path = tmp_path / "desired"
    path.mkdir()
    git(path, "init", "-q", "-b", "main", "--object-format=sha256")
    commit(path, {"manifests/web01.yaml": MANIFEST})

    error = refusal(source(f"git@h:{path}", tmp_path))

    assert error.message.endswith("its objects are named by SHA-256, which virtsnap cannot read")


def test_a_submodule_among_the_manifests_is_an_error(
    ssh: SshStandIn, repository: Path, tmp_path: Path
) -> None:
    commit(make_repository(repository / "manifests/team"), {"web02.yaml": MANIFEST})
    commit(repository, {})

    assert "team: it is a submodule" in refusal(source(f"git@h:{repository}", tmp_path)).message
