"""What ``--source`` may name, and what it is known by."""

from pathlib import Path

import pytest

from reconciler.errors import UsageError
from reconciler.source.address import LocalAddress, RemoteAddress, address_of
from reconciler.source.wanted import Branch, Revision, Tag


def remote(text: str) -> RemoteAddress:
    found = address_of(text)
    assert isinstance(found, RemoteAddress)
    return found


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("https://git.example.org/web/snapshots.git", "https://git.example.org/web/snapshots"),
        ("HTTPS://Git.Example.org:443/web/snapshots/", "https://git.example.org/web/snapshots"),
        ("https://ann:pw@git.example.org/a.git", "https://git.example.org/a"),
        ("https://git.example.org:8443/a", "https://git.example.org:8443/a"),
        ("ssh://git@git.example.org/web/snapshots.git", "ssh://git.example.org/web/snapshots"),
        ("git@git.example.org:web/snapshots.git", "ssh://git.example.org/web/snapshots"),
        ("git.example.org:web//snapshots", "ssh://git.example.org/web/snapshots"),
        ("ssh://git@[::1]:2222/a.git", "ssh://[::1]:2222/a"),
        ("git@[::1]:a", "ssh://[::1]/a"),
    ],
)
def test_a_remote_is_known_by_its_url_without_the_login(text: str, known: str) -> None:
    assert remote(text).id == known


def test_git_is_given_what_the_user_wrote_but_no_secret() -> None:
    assert remote("git@h:a/b.git").url == "git@h:a/b.git"
    assert remote("ssh://git@h:22/a.git").url == "ssh://git@h:22/a.git"
    assert remote("https://ann:p%40w@h/a.git").url == "https://h/a.git"
    assert remote("https://ann:p%40w@h/a.git").password == "p@w"


@pytest.mark.parametrize(
    ("text", "path", "is_repository"),
    [
        ("/srv/snapshots", "/srv/snapshots", False),
        ("manifests", "manifests", False),
        ("./a:b", "a:b", False),
        ("file:///srv/my%20snapshots.git", "/srv/my snapshots.git", True),
        ("file://localhost/srv/a", "/srv/a", True),
    ],
)
def test_a_path_is_on_this_machine(text: str, path: str, *, is_repository: bool) -> None:
    assert address_of(text) == LocalAddress(path=Path(path), is_repository=is_repository)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://h/a", "http:// is not supported"),
        ("git://h/a", "git:// is not supported"),
        ("ftp://h/a", "ftp:// is not supported"),
        ("git+ssh://h/a", "git+ssh:// is not supported"),
        ("ext::sh -c touch% /tmp/x", "ext:: would run a command"),
        ("fd::17", "fd:: would run a command"),
        ("--upload-pack=touch /tmp/x", "neither a URL nor a path"),
        ("-oProxyCommand=x:a", "neither a URL nor a path"),
        ("", "neither a URL nor a path"),
        ("ssh://-oProxyCommand=x/a", "is no name of a server"),
        ("ssh://-x@h/a", "is no name of a user"),
        ("-x@h:a", "neither a URL nor a path"),
        ("a@-oProxyCommand=x:a", "is no name of a server"),
        ("h:-x", "names a server and no repository"),
        ("h:", "names a server and no repository"),
        ("https://h", "names a server and no repository"),
        ("https:///a", "is no name of a server"),
        ("https://h:port/a", "it is no valid URL"),
        ("https://h/a\n--upload-pack=x", "spaces or control characters"),
        ("https://h/a b", "spaces or control characters"),
        ("h:a\nb", "neither a URL nor user@host:path"),
        ("https://h/a?x=1", "neither ? nor #"),
        ("ssh://git:pw@h/a", "ssh takes no password"),
        ("file://elsewhere/a", "file:// names a path on this machine"),
    ],
)
def test_what_git_must_not_be_asked_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        address_of(text)
    assert why in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(UsageError) as caught:
        address_of("http://ann:hunter2@h/a")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "name",
    [
        *("-x", "--upload-pack=x", "", "a b", "a\nb", "a:b", "a..b", "a~1", "a^", "a?", "a*"),
        *("[a", "a\\b", "/a", "a/", "a.", ".a", "a/.b", "a//b", "a.lock", "a.lock/b", "@", "a@{1}"),
    ],
)
def test_a_name_that_git_would_take_for_something_else_is_refused(name: str) -> None:
    for kind in (Branch, Tag):
        with pytest.raises(UsageError):
            kind(name)


@pytest.mark.parametrize("name", ["main", "release/1.2", "feature/ä-b_c", "a@b"])
def test_usual_names_are_taken(name: str) -> None:
    assert Branch(name).name == Tag(name).name == name


@pytest.mark.parametrize("name", ["HEAD", "abc123", "a" * 39, "g" * 40, "A" * 40, f"{'a' * 40}\n"])
def test_a_revision_is_a_full_hash(name: str) -> None:
    with pytest.raises(UsageError):
        Revision(name)
