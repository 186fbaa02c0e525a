"""What must not be said: passwords in URIs.  What must not be asked for: more than is needed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.model.secrets import without_secrets
from tests.cli.conftest import Command, manifest
from tests.drawing import domain, host

_URI = (
    "qemu+tls://admin:hunter2@nowhere.invalid/system?password=hunter3&vnc_token=hunter4&pkipath=/x"
)
_HOST = (
    "apiVersion: virtsnap/v1\nkind: Host\nmetadata: {{name: kvm01}}\nspec: {{uri: {uri!r}}}\n---\n"
)
READING = (
    ("plan",),
    ("plan", "--detailed-exitcode"),
    ("status",),
    ("tree",),
    ("doctor",),
    ("observe",),
    ("import", "web01"),
)


@pytest.mark.parametrize("output", ["text", "json", "yaml"])
@pytest.mark.parametrize(
    "verb",
    [*READING, ("apply", "--auto-approve"), ("release", "web01/s1"), ("run", "--once")],
    ids=lambda verb: verb[0],
)
@pytest.mark.parametrize("place", ["option", "manifest", "environment"])
def test_a_password_in_a_uri_is_never_printed(
    declare: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    verb: tuple[str, ...],
    output: str,
) -> None:
    declare(manifest("web01", "s1"))
    arguments = [*verb, "-o", output, "-vv"]
    if place == "option":
        arguments += ["-c", _URI]
    elif place == "manifest":
        declare(_HOST.format(uri=_URI) + manifest("web01", "s1"))
    else:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", _URI)

    code = main(arguments)
    said = capfd.readouterr()

    assert code != 0
    assert "hunter" not in said.out + said.err
    assert "cannot connect to" in said.err
    assert "internal error" not in said.err


@pytest.mark.parametrize("uri", ["qemu+tls://u:hunter2@h x", "u:hunter2@h", "QEMU://u:hunter2@h"])
def test_a_bad_uri_in_a_manifest_is_told_without_its_password(
    declare: Callable[..., Path], virtsnap: Command, uri: str
) -> None:
    declare(_HOST.format(uri=uri))

    for output in ("text", "json"):
        said = virtsnap("validate", "-o", output)
        assert said.code == 1
        if "//" in uri:
            assert "hunter" not in said.out + said.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("qemu+tls://u:p@h/system", "qemu+tls://u:***@h/system"),
        ("qemu+tls://u:p@ss:w@h/system", "qemu+tls://u:***@h/system"),
        ("see qemu://u:p@h/ and esx://v:q@i/", "see qemu://u:***@h/ and esx://v:***@i/"),
        ("x://h/?password=a b", "x://h/?password=*** b"),
        ("x://h/?a=1&api_key=k&b=2", "x://h/?a=1&api_key=***&b=2"),
        ("x://h/?PASSPHRASE=k'", "x://h/?PASSPHRASE=***'"),
        ("qemu+ssh://root@h:22/system?keyfile=/k", "qemu+ssh://root@h:22/system?keyfile=/k"),
        ("cannot plan web01: no password", "cannot plan web01: no password"),
    ],
)
def test_what_counts_as_a_secret(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize("verb", READING, ids=lambda verb: " ".join(verb))
def test_a_verb_that_reads_opens_libvirt_for_reading(
    declare: Callable[..., Path], virtsnap: Command, verb: tuple[str, ...]
) -> None:
    virtsnap.host = host(domain("web01", vda="base ← s1"))
    declare(manifest("web01", "s1"))

    virtsnap(*verb)

    assert virtsnap.opened
    assert all(is_readonly for _, _, is_readonly in virtsnap.opened)


@pytest.mark.parametrize("verb", [("validate",), ("schema",), ("history",)])
def test_a_verb_that_needs_no_libvirt_opens_none(
    declare: Callable[..., Path], virtsnap: Command, verb: tuple[str, ...]
) -> None:
    declare(manifest("web01", "s1"))

    assert virtsnap(*verb).code == 0
    assert virtsnap.opened == []
