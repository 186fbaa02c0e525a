"""The git command, run so that it cannot hang, ask anybody, or obey another repository."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from git import Git
from git.exc import GitCommandNotFound

from reconciler.errors import SourceError

#: What a hook that starts us has set for its own repository: ``git rev-parse --local-env-vars``.
_OF_ANOTHER_REPOSITORY = (
    "GIT_DIR",
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS"),
    *("GIT_CONFIG_COUNT", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE"),
    *("GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_REPLACE_REF_BASE", "GIT_PREFIX"),
    *("GIT_INTERNAL_SUPER_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_SSL_NO_VERIFY", "GIT_QUARANTINE_PATH"),
)
#: Seconds without 1000 bytes a second, after which http gives up.
_SILENCE = 30
#: On the command line they win over every config file.
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    # what is fetched becomes packs, and a clone with many of them is made anew
    "fetch.unpackLimit": "1",
    "transfer.unpackLimit": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.sslVerify": "true",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": str(_SILENCE),
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "https:ssh",
    "GIT_ASKPASS": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_TRACE_REDACT": "1",
}
#: Seconds between two looks at whether to stop.
_LOOK = 0.2
_NO_GIT = SourceError("cannot run git: it is not installed", hint="apt install git")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a run of git came to."""

    code: int
    out: str
    err: str


class Late(Exception):
    """git took longer than it may, and was killed with all that it had started."""


class Stopped(Exception):
    """Somebody asked for the end while git was at work, and it was killed."""


def run_git(
    repository: Path | None,
    *words: str,
    seconds: float,
    stop: threading.Event | None = None,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Said:
    """Run git on *repository*, or let it find one; ``Late`` or ``Stopped`` when it does not end by itself."""
    here = {} if repository is None else {"GIT_DIR": str(repository)}
    ours = {**_ENVIRONMENT, **here, **(environment or {})}
    present = [
        f"--unset={name}"
        for name in _OF_ANOTHER_REPOSITORY
        if name in os.environ and name not in ours
    ]
    chosen = [f"{key}={value}" for key, value in {**_SETTINGS, **(settings or {})}.items()]
    command = [*(["env", *present] if present else []), "git"]
    command += [word for setting in chosen for word in ("-c", setting)]
    try:
        # A session of its own: it has no terminal to ask on, and ends with all of its children.
        started = Git("/").execute(
            [*command, *words],
            as_process=True,
            env=ours,
            start_new_session=True,
        )
    except GitCommandNotFound as error:
        raise _NO_GIT from error
    process = started.proc
    assert process is not None
    out, err = _communicate(process, seconds, stop)
    return Said(
        code=process.returncode, out=out.decode(errors="replace"), err=err.decode(errors="replace")
    )


def _communicate(
    process: "subprocess.Popen[bytes]", seconds: float, stop: threading.Event | None
) -> tuple[bytes, bytes]:
    due = time.monotonic() + seconds
    try:
        while True:
            left = due - time.monotonic()
            if left <= 0:
                raise Late
            if stop is not None and stop.is_set():
                raise Stopped
            with suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=min(left, _LOOK))
    except BaseException:
        _kill(process)
        raise


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1)
