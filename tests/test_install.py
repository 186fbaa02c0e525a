"""``make install`` into a folder: files in their places, a config of one's own never overwritten."""

import subprocess
from pathlib import Path

from tests.system.unit_file import UNITS, Unit

ROOT = Path(__file__).parent.parent


def make(target: str, folder: Path, **variables: str) -> str:
    words = [f"{name}={value}" for name, value in {"DESTDIR": str(folder), **variables}.items()]
    done = subprocess.run(
        ["make", "-s", target, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_units_and_config_are_put_in_their_places_and_removed(tmp_path: Path) -> None:
    make("install", tmp_path, PREFIX="/opt/virtsnap")
    units = tmp_path / "etc" / "systemd" / "system"
    found = {str(path.relative_to(units)) for path in units.rglob("*") if path.is_file()}

    assert found == {str(path.relative_to(UNITS)) for path in UNITS.rglob("*") if path.is_file()}
    command = Unit.read(units / "virtsnap.service").of_service("ExecStart")
    assert command == "/opt/virtsnap/bin/virtsnap run"
    assert "@BINDIR@" not in (units / "virtsnap-once.service").read_text()
    config = tmp_path / "etc" / "virtsnap" / "virtsnap.yaml"
    assert config.read_text() == (ROOT / "deploy" / "virtsnap.yaml").read_text()

    (units / "virtsnap.service.d" / "mine.conf").write_text("[Service]\n")
    config.write_text("interval: 5m\n")
    make("uninstall", tmp_path)

    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"mine.conf", "virtsnap.yaml"}


def test_a_config_of_ones_own_is_kept(tmp_path: Path) -> None:
    make("install", tmp_path)
    config = tmp_path / "etc" / "virtsnap" / "virtsnap.yaml"
    sample = config.read_text()
    assert make("install", tmp_path) == ""
    assert not config.with_name("virtsnap.yaml.new").exists()

    config.write_text("interval: 5m\n")
    said = make("install", tmp_path)

    assert "kept" in said
    assert config.read_text() == "interval: 5m\n"
    assert config.with_name("virtsnap.yaml.new").read_text() == sample
    config.unlink()
    make("install", tmp_path)
    assert config.read_text() == sample
    assert not config.with_name("virtsnap.yaml.new").exists()


def test_the_command_is_found_where_it_goes_by_default(tmp_path: Path) -> None:
    make("install", tmp_path)

    unit = Unit.read(tmp_path / "etc" / "systemd" / "system" / "virtsnap-once.service")
    assert unit.of_service("ExecStart") == "/usr/local/bin/virtsnap run --once"
