"""What a running controller leaves for others to read."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog.testing

from reconciler.errors import LockedError
from reconciler.service import sole
from reconciler.service.sole import is_running, sole_controller
from reconciler.service.state_file import FILE, StateFile, read_last, read_state
from tests.service.states import controller_state, domain_state

STATE = controller_state()


def until(is_so: Callable[[], bool]) -> None:
    """Watch until it is; a test that waits too long fails."""
    give_up_at = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def test_the_first_state_is_written_at_once_and_the_last_at_the_end(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "run", tmp_path / "state", pause=3600)
    file.write(STATE)
    until(lambda: read_state(tmp_path / "run")[0] == STATE)

    for number in range(1, 50):
        file.write(replace(STATE, passes=number))
    assert read_state(tmp_path / "run")[0] == STATE
    file.close()

    last = replace(STATE, passes=49)
    assert read_state(tmp_path / "run") == (last, False)
    assert read_last(tmp_path / "state") == last


def test_the_next_is_written_after_a_pause(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "run", tmp_path / "state", pause=0.01)
    for number in range(3):
        state = replace(STATE, passes=number)
        file.write(state)
        until(lambda state=state: read_state(tmp_path / "run")[0] == state)  # type: ignore[misc]  # bound now
    file.close()


def test_progress_alone_does_not_wear_the_disk(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "run", tmp_path / "state", pause=0.0)
    file.write(STATE)
    until(lambda: read_last(tmp_path / "state") == STATE)

    file.write(replace(STATE, at=datetime(2027, 1, 1, tzinfo=UTC)))
    until(lambda: read_state(tmp_path / "run")[0] != STATE)
    assert read_last(tmp_path / "state") == STATE

    failed = replace(STATE, domains=(domain_state(failures=1),))
    file.write(failed)
    file.close()
    assert read_last(tmp_path / "state") == failed


def test_everybody_may_read_the_state_and_nobody_what_is_kept(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        file = StateFile(tmp_path / "run", tmp_path / "state")
        file.write(STATE)
        file.close()
    finally:
        os.umask(before)

    assert (tmp_path / "run" / FILE).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "state" / FILE).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_to_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with structlog.testing.capture_logs() as logged:
        _write_three(tmp_path)

    assert [(each["event"], each["log_level"]) for each in logged] == [
        ("state not written", "error")
    ]


def _write_three(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "file", tmp_path / "state", pause=0.0)
    for number in range(3):
        file.write(replace(STATE, passes=number))
        until(lambda number=number: getattr(read_last(tmp_path / "state"), "passes", -1) == number)  # type: ignore[misc]  # bound now
    file.close()


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    assert read_state(tmp_path) == (None, False)
    assert read_state(tmp_path / "nowhere") == (None, False)


def test_there_is_one_controller_and_the_second_is_told_who(tmp_path: Path) -> None:
    assert not is_running(tmp_path, None)
    with sole_controller(tmp_path, "root@kvm01 4711"):
        assert is_running(tmp_path, None)
        with (
            pytest.raises(LockedError, match="root@kvm01 4711 since") as caught,
            sole_controller(tmp_path, "root@kvm01 4712"),
        ):
            pass
        assert caught.value.exit_code == 3
    assert not is_running(tmp_path, None)
    with sole_controller(tmp_path, "root@kvm01 4713"):
        assert is_running(tmp_path, None)


def test_a_controller_that_died_does_not_run(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from reconciler.service.sole import *\n"
        "with sole_controller(Path(sys.argv[1]), 'x'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)

    assert (tmp_path / sole.FILE).exists()
    assert not is_running(tmp_path, None)


def test_who_may_not_look_at_the_lock_looks_at_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(sole.os, "open", denied)
    now = datetime.now(UTC)

    assert not is_running(tmp_path, None)
    assert is_running(tmp_path, replace(STATE, pid=os.getpid(), started=now))
    # its number was given to a younger process
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert not is_running(tmp_path, replace(STATE, pid=os.getpid(), started=long_ago))
    assert not is_running(tmp_path, replace(STATE, pid=2**22 + 1, started=now))
