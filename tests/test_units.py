"""The units of deploy/systemd: systemd itself accepts them, and they say what the code and the pages say."""

import re
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.exit_code import ExitCode
from reconciler.cli.options import seconds
from reconciler.cli.run_service import DEFAULT_STOP_TIMEOUT, ServiceOptions
from tests.system.test_least_privilege import CAPABILITIES
from tests.system.unit_file import ELSEWHERE, ONCE, SERVICE, UNITS, Unit

#: What differs between the two services, for a reason that stands there.
_OWN = {
    *("Description", "Type", "ExecStart", "ExecReload", "NotifyAccess", "WatchdogSec"),
    *("Restart", "RestartSec", "RestartPreventExitStatus", "StartLimitIntervalSec"),
    *("SuccessExitStatus", "TimeoutStartSec", "WantedBy"),
}


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    """``systemd-analyze``: of the package systemd, which tools/setup.sh sees to."""
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are installed, with a command that is there."""
    for file in UNITS.glob("virtsnap*.*"):
        if file.is_file():
            text = file.read_text().replace("@BINDIR@/virtsnap", "/bin/true")
            (tmp_path / file.name).write_text(text)
    drop_in = tmp_path / "virtsnap.service.d" / "images-elsewhere.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(ELSEWHERE.read_text())
    return tmp_path


def test_systemd_finds_nothing_wrong_with_them(installed: Path) -> None:
    units = sorted(str(file) for file in installed.glob("virtsnap*.*") if file.is_file())
    said = analyze("verify", "--man=no", *units)

    assert len(units) == 3
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.parametrize("name", ["virtsnap.service", "virtsnap-once.service"])
def test_systemd_calls_them_confined(installed: Path, name: str) -> None:
    said = analyze(
        "security", "--offline=true", "--threshold=50", "--no-pager", str(installed / name)
    )

    assert said.returncode == 0, said.stdout + said.stderr
    exposure = re.search(r"exposure level for .*: ([\d.]+)", said.stdout)
    assert exposure
    assert float(exposure[1]) < 3


def test_both_services_have_the_same_limits() -> None:
    service, once = (
        {entry for entry in Unit.read(file).entries if entry[1] not in _OWN}
        for file in (SERVICE, ONCE)
    )

    assert service == once


def test_they_say_what_the_command_says() -> None:
    service, once = Unit.read(SERVICE), Unit.read(ONCE)
    stop = seconds("", DEFAULT_STOP_TIMEOUT, example="")
    limit = seconds("", service.of_service("TimeoutStopSec").replace("min", "m"), example="")

    assert service.of_service("RestartPreventExitStatus") == str(int(ExitCode.USAGE))
    assert once.of_service("SuccessExitStatus") == str(int(ExitCode.REFUSED))
    assert tuple(service.all("Service", "CapabilityBoundingSet")) == tuple(
        f"CAP_{name.upper()}" for name in CAPABILITIES
    )
    assert stop < limit <= stop + 60
    assert ServiceOptions().stop_timeout == stop
    assert "apply" not in SERVICE.read_text() + re.sub("#.*", "", ONCE.read_text())


def test_the_drop_in_names_one_folder_in_both_lines() -> None:
    unit = Unit.read(ELSEWHERE)

    assert unit.all("Unit", "RequiresMountsFor") == unit.all("Service", "ReadWritePaths")
