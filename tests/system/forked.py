"""virtsnap commands without its start-up: a process that has loaded all of it forks one for each.

Each is a process of its own as from a shell, but for what it would load.  The start-up itself is
tests/cli/test_process.py's and the demo's.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

#: the request, stdin, stdout, stderr, and where to say how it ended
_HANDED = 5


class Forker:
    """Runs commands in children of one process that has loaded virtsnap."""

    def __init__(self) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.forked", str(there.fileno())],
                pass_fds=[there.fileno()],
            )
        self._socket = here
        atexit.register(self.close)

    def close(self) -> None:
        """No more commands."""
        self._socket.close()
        self._process.wait()

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        text: str | None,
        timeout: float,
    ) -> "subprocess.CompletedProcess[str]":
        """Like ``subprocess.run`` with captured text."""
        with (
            tempfile.TemporaryFile("w+") as given,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
        ):
            given.write(text or "")
            given.seek(0)
            code = self._ask(arguments, cwd, env, (given, out, err), timeout)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())

    def _ask(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        files: tuple[IO[str], ...],
        timeout: float,
    ) -> int:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with here, there, tempfile.TemporaryFile("w+") as asked:
            json.dump({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}, asked)
            asked.seek(0)
            handed = [asked.fileno(), *(file.fileno() for file in files), there.fileno()]
            socket.send_fds(self._socket, [b"run"], handed)
            there.close()
            pid = int(here.recv(16))
            here.settimeout(timeout)
            try:
                return int(here.recv(16))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None


@cache
def forker() -> Forker:
    """The one of this process."""
    return Forker()


def _serve(requests: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        said, handed, _, _ = socket.recv_fds(requests, 16, _HANDED)
        if not said:
            return
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _watch(*handed)
            os._exit(0)
        for descriptor in handed:
            os.close(descriptor)


def _watch(asked: int, given: int, out: int, err: int, told: int) -> None:
    pid = os.fork()
    if pid == 0:
        os.close(told)
        with open(asked) as request:
            command = json.load(request)
        for number, descriptor in enumerate((given, out, err)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        _become(command)
    with socket.socket(fileno=told) as to:
        to.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        to.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(command: dict[str, object]) -> None:
    """The command itself: ends the process."""
    from reconciler.cli.main import main

    os.chdir(str(command["cwd"]))
    os.environ.clear()
    environment = command["env"]
    assert isinstance(environment, dict)
    os.environ.update(environment)
    arguments = command["arguments"]
    assert isinstance(arguments, list)
    sys.argv = ["virtsnap", *arguments]
    code = 1
    try:
        code = int(main())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _load() -> None:
    """Every module, so that no child loads one; nothing is opened."""
    import importlib
    import pkgutil

    import reconciler
    from reconciler.engine import fence

    for found in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    # nobody on another machine writes to the ledgers of the lab
    fence.SETTLES_AFTER = 0.05


if __name__ == "__main__":
    _load()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _serve(requests)
