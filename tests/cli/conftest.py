"""The real command with a fake host behind its one seam."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from reconciler.cli import settings, wiring
from reconciler.cli.main import main
from reconciler.engine.ports import Hypervisor
from tests.fakes.host import FakeHost
from tests.source.ageing import aged

MANIFEST = """\
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {{name: {name}}}
spec: {{prune: {prune}, snapshots: [{snapshots}]}}
"""


def manifest(name: str, *snapshots: str, prune: str = "never") -> str:
    """A manifest of *name* with these snapshots."""
    return MANIFEST.format(
        name=name, prune=prune, snapshots=", ".join(f"{{name: {s}}}" for s in snapshots)
    )


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    code: int
    out: str
    err: str


class Command:
    """Runs ``virtsnap`` in this process; *opened* are the connections it asked for."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.host = FakeHost()
        self.opened: list[tuple[str, str, bool]] = []

    def __call__(self, *arguments: str) -> Result:
        self._capsys.readouterr()
        code = main(arguments)
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def open(self, name: str, uri: str, *, is_readonly: bool, **_: object) -> Hypervisor:
        """Stands in for ``wiring.open_hypervisor``."""
        self.opened.append((name, uri, is_readonly))
        return self.host


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, an empty home, nothing in the environment; logs are reset at the end."""
    for name in ("NO_COLOR", "LIBVIRT_DEFAULT_URI", "VIRTSNAP_DEBUG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VIRTSNAP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIRTSNAP_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(settings, "SYSTEM_FILE", tmp_path / "etc" / "virtsnap.yaml")
    handlers = list(logging.getLogger().handlers)
    yield
    # whoever logs after this test must not do so to its captured streams
    logging.getLogger().handlers = handlers
    structlog.reset_defaults()


@pytest.fixture
def virtsnap(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command."""
    command = Command(capsys)
    monkeypatch.setattr(wiring, "open_hypervisor", command.open)
    return command


@pytest.fixture
def declare(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text as the only manifest."""

    def write(text: str, name: str = "web01.yaml") -> Path:
        folder = tmp_path / "here" / "manifests"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return aged(folder / name)

    return write
