"""Servers and settings for the sources elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source.serving import GitServer, SshStandIn, git_server, make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of this machine, and its key."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitServer]:
    """Serves ``tmp_path/srv`` by https, to a git with no settings that believes its certificate."""
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate[0]))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "srv").mkdir()
    with git_server(tmp_path / "srv", *certificate) as found:
        yield found


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshStandIn:
    """What is called for ssh."""
    stand_in = SshStandIn(tmp_path / "bin")
    stand_in.folder.mkdir()
    monkeypatch.setenv("PATH", stand_in.put_first())
    monkeypatch.setenv("HOME", str(tmp_path))
    return stand_in
